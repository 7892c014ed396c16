// Server-sent events, read by hand: EventSource hides the heartbeats, and without them a dead line looks alive.

/** The server sends something every 15 seconds; after this long the line is dead. */
const SILENCE = 40_000;
const LONGEST_PAUSE = 15_000;

/**
 * Follows `path` until `stop()`.
 * `hear(name, data)` gets each event; `state(word)` gets "connecting", "connected", "offline", and "gone"
 * once the server says that this page may not listen (any more).
 */
export function follow(path, { hear, state }) {
  let stopped = false;
  let failures = 0;
  let line = new AbortController();
  let wake = () => {};

  async function run() {
    state("connecting");
    while (!stopped) {
      line = new AbortController();
      try {
        const answer = await listen();
        if (answer === "gone") return state("gone");
      } catch {
        // A broken line is the ordinary case here; what matters is to say so and to come back.
        failures += 1;
      }
      if (stopped) return;
      // One lost line is picked up at once and without a word; only when that fails too is there no connection.
      if (failures > 1 || !navigator.onLine) state("offline");
      await pause(failures < 2 ? 250 : Math.min(500 * 2 ** failures, LONGEST_PAUSE));
    }
  }

  async function listen() {
    const alive = deadline(line, SILENCE);
    try {
      const answer = await fetch(path, { headers: { accept: "text/event-stream" }, cache: "no-store", signal: line.signal });
      if ([401, 403, 404].includes(answer.status)) return "gone";
      if (!answer.ok) throw new Error(String(answer.status));
      failures = 0;
      state("connected");
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const events = parser(hear);
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        alive.extend();
        events(part.value);
      }
      throw new Error("the line ended");
    } finally {
      alive.clear();
    }
  }

  function pause(milliseconds) {
    return new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, milliseconds + Math.random() * 250);
    });
  }

  window.addEventListener("online", () => wake());
  window.addEventListener("offline", () => {
    state("offline");
    failures = 2;
    line.abort();
  });
  document.addEventListener("visibilitychange", () => wake());
  run();
  return {
    stop() {
      stopped = true;
      line.abort();
    },
  };
}

function deadline(controller, milliseconds) {
  let timer;
  const extend = () => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.abort(), milliseconds);
  };
  extend();
  return { extend, clear: () => clearTimeout(timer) };
}

/** Feeds text in whatever pieces it arrives; comments fall away here, after they counted as a sign of life. */
export function parser(hear) {
  let rest = "";
  let name = "";
  let data = [];
  return (text) => {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (data.length) hear(name || "message", data.join("\n"));
        [name, data] = ["", []];
      } else if (line.startsWith("event:")) {
        name = line.slice(6).trim();
      } else if (line.startsWith("data:")) {
        data.push(line.slice(5).replace(/^ /, ""));
      }
    }
  };
}
