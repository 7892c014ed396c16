// The phone's page. Without this script the same forms work, and the page is refreshed by hand.

import { learnFromPage, tellTimes, watchForSleep } from "./clock.js";
import { openLinks, proposeName } from "./enrol.js";

const fixture = document.body.hasAttribute("data-fixture");

learnFromPage();
tellTimes(document);
if (fixture) {
  proposeName();
  document.addEventListener("submit", (event) => event.preventDefault());
} else {
  openLinks();
}
if (document.getElementById("cards")) await startRequests();

async function startRequests() {
  const cards = await import("./cards.js");
  const { onSubmit } = await import("./decide.js");
  const list = document.getElementById("cards");
  for (const card of list.children) cards.prepare(card);
  list.addEventListener("submit", onSubmit);
  list.addEventListener("click", (event) => onClick(event, cards));
  if (fixture) return;
  document.getElementById("check").addEventListener("submit", (event) => onCheck(event, cards));
  cards.tick();
  setInterval(cards.tick, 250);
  await connect(cards);
}

async function connect(cards) {
  const { follow } = await import("./live.js");
  const { arm } = await import("./arming.js");
  const refresh = () => cards.refresh().catch(() => {});
  const line = follow("/device/events", {
    hear(name) {
      if (name === "cards") refresh();
      if (name === "removed") leave(line, cards);
    },
    state(word) {
      if (word === "gone") return location.reload();
      const before = document.body.dataset.connection;
      document.body.dataset.connection = word;
      if (word === "connected") refresh();
      if (word === "offline" || before === "offline") cards.announce(lineWords(word));
      cards.redraw();
    },
  });
  watchForSleep(() => {
    refresh();
    // Whoever comes back to the page looks first, and then presses.
    for (const card of cards.pending()) if (card.open && !card.dataset.busy) arm(card);
  });
}

function lineWords(word) {
  return document.querySelector(`#connection [data-when="${word}"]`).textContent;
}

function onClick(event, cards) {
  const dismiss = event.target.closest("[data-dismiss]");
  const summary = event.target.closest("summary");
  if (dismiss) {
    event.preventDefault();
    cards.dismiss(dismiss.closest(".card"));
  } else if (summary?.parentElement.matches(":only-child[open]")) {
    // A single request does not fold away.
    event.preventDefault();
  }
}

async function onCheck(event, cards) {
  event.preventDefault();
  const button = event.target.querySelector("button");
  const failed = event.target.querySelector("[data-failed]");
  button.setAttribute("aria-busy", "true");
  failed.hidden = true;
  try {
    // A form with nothing in it, as the button sends it without this script.
    await cards.refresh({ path: "/device/check", method: "POST", body: new URLSearchParams() });
    if (!cards.pending().length) cards.announce(document.querySelector(".when-heard h2").textContent);
  } catch {
    // Without a connection the page says so already.
    const offline = document.body.dataset.connection === "offline";
    failed.hidden = offline;
    cards.announce(offline ? lineWords("offline") : failed.textContent);
  }
  button.removeAttribute("aria-busy");
}

/** This phone was removed: nothing of its person stays on the screen. */
function leave(line, cards) {
  line.stop();
  const removed = document.getElementById("removed").content.cloneNode(true);
  document.querySelector("header nav")?.remove();
  document.getElementById("main").replaceChildren(removed);
  const heading = document.querySelector("#main h1");
  document.title = heading.textContent;
  heading.focus();
  cards.forget();
}
