// The shop: starts a payment, shows how far it is, and what happens behind the counter.

import { learn, now, spell, tellTimes, watchForSleep } from "./clock.js";
import { showStatus, showSteps } from "./strip.js";

const shop = document.getElementById("shop");
const field = (name, root = shop) => root.querySelector(`[data-field="${name}"]`);
const announcer = shop.querySelector("[data-announcer]");
const fixture = document.body.hasAttribute("data-fixture");

/** The payment on the screen; answers about another one come too late. */
let current = null;

/** Asks the server; without an answer the page says so and keeps asking. */
async function ask(path, body) {
  const options = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(8000), ...options });
  } catch (error) {
    document.body.setAttribute("data-away", "");
    throw error;
  }
  // A gateway that speaks for a server which is gone is not an answer either.
  document.body.toggleAttribute("data-away", [502, 503, 504].includes(answer.status) && !body);
  return answer;
}

/** No letters that look like digits: people compare this with their eyes. */
function code() {
  const letters = "ACDEFGHJKMNPQRTVWXY34679";
  return [...crypto.getRandomValues(new Uint8Array(4))].map((byte) => letters[byte % letters.length]).join("");
}

async function pay() {
  const button = shop.querySelector("[data-pay]");
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    const answer = await ask("/demo/start", { binding_message: `Pay 42.50, code ${code()}` });
    const started = await answer.json().catch(() => ({}));
    if (!answer.ok) return trouble(started);
    current = started.run;
    field("binding_message").textContent = started.binding_message;
    shop.querySelector("[data-told]").hidden = true;
    shop.dataset.expires = now() + started.expires_in * 1000;
    phase("waiting");
    announcer.textContent = `${shop.querySelector("[data-compare]").textContent}: ${started.binding_message}`;
    watch(started.run);
  } catch {
    // The banner says that the server is away; the button is there to press again.
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

function trouble(error) {
  field("trouble").textContent = error.error_description ?? error.error ?? "The provider refused, and did not say why.";
  phase("trouble");
}

async function watch(run) {
  while (run === current) {
    const asked = performance.now();
    const answer = await ask(`/demo/runs/${encodeURIComponent(run)}`).catch(() => null);
    if (run !== current) return;
    if (answer?.ok) {
      const told = await answer.json();
      learn(told.now_ms, (asked + performance.now()) / 2);
      show(told);
      if (!["waiting", "not-notified"].includes(told.state)) return;
    } else if (answer?.status === 404) {
      return trouble({ error: "The server was started again and does not know this payment any more." });
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

function show(told) {
  shop.dataset.expires = told.expires_at_ms;
  showSteps(told.steps ?? []);
  if (told.notified) {
    for (const name of ["plugin", "version", "micros"]) field(name).textContent = told.notified[name];
    shop.querySelector("[data-told]").hidden = false;
  }
  field("not_notified").textContent = told.not_notified ?? "";
  if (told.claims) {
    field("claims").replaceChildren(...told.known.map(row));
    tellTimes(field("claims"));
    field("raw_claims").textContent = JSON.stringify(told.claims, null, 2);
  }
  field("id_token").textContent = told.id_token ?? "";
  phase(told.state);
}

function row({ term, name, value, at }) {
  const [line, title, claim, detail] = ["div", "dt", "code", "dd"].map((kind) => document.createElement(kind));
  const text = document.createElement(at === null ? "bdi" : "time");
  if (at === null) Object.assign(text, { dir: "auto", textContent: value });
  else Object.assign(text, { dateTime: new Date(at * 1000).toISOString() }).dataset.form = "seconds";
  claim.textContent = name;
  title.append(`${term} `, claim);
  detail.append(text);
  line.append(title, detail);
  return line;
}

function phase(name) {
  if (shop.dataset.phase === name) return;
  shop.dataset.phase = name;
  tick();
  if (name === "not-notified") announcer.textContent = field("not_notified").textContent;
  // The pressed button is gone: the outcome's heading takes the focus, and is read.
  const target = shop.querySelector(`[data-when~="${name}"] :is(h2[tabindex], [data-pay])`);
  if (document.activeElement === document.body || shop.contains(document.activeElement)) target?.focus();
}

function again() {
  current = null;
  phase("idle");
}

function tick() {
  field("left").textContent = spell(Number(shop.dataset.expires) - now());
}

async function readStatus() {
  if (document.visibilityState !== "visible") return;
  const answer = await ask("/demo/status").catch(() => null);
  if (answer?.ok) showStatus(await answer.json());
}

async function toggleTraffic(event) {
  const on = event.currentTarget.getAttribute("aria-checked") !== "true";
  const answer = await ask("/demo/traffic", { on }).catch(() => null);
  if (answer?.ok) event.target.closest("[data-traffic]")?.setAttribute("aria-checked", String(on));
  readStatus();
}

async function copy(button) {
  await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
  announcer.textContent = button.dataset.copied;
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 1500);
}

// Clipboards exist on secure pages only, and the loopback is one.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button).catch(() => {}));
  }
}
tellTimes(document);
if (fixture) document.addEventListener("submit", (event) => event.preventDefault());
else {
  learn(Number(document.body.dataset.now), performance.now());
  shop.querySelector("[data-pay]").addEventListener("click", pay);
  for (const button of shop.querySelectorAll("[data-again]")) button.addEventListener("click", again);
  document.querySelector("[data-traffic]").addEventListener("click", toggleTraffic);
  setInterval(tick, 250);
  setInterval(readStatus, 1000);
  watchForSleep(readStatus);
}
