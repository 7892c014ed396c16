// Approve, deny, report: sent once, and never believed before the server said so.

import { arm, disarm, leadToTheEnd } from "./arming.js";
import { announce, ask, replace, settle } from "./cards.js";

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The submit of a card's form. */
export function onSubmit(event) {
  const card = event.target.closest("[data-transaction]");
  const button = event.submitter;
  if (!card || !button) return;
  event.preventDefault();
  if (card.dataset.busy) return;
  if (button.getAttribute("aria-disabled") === "true") {
    if (button.value === "approve") hintAt(card);
    return;
  }
  if (document.body.hasAttribute("data-fixture")) return;
  decide(card, button.value);
}

function hintAt(card) {
  leadToTheEnd(card);
  const hint = card.querySelector('[data-progress="read-on"]');
  if (!hint.hidden) announce(hint.textContent);
}

async function decide(card, decision) {
  const { transaction } = card.dataset;
  card.dataset.busy = decision;
  progress(card, "sending");
  try {
    const body = new URLSearchParams({ transaction, decision });
    const { status, element } = await ask("/device/decide", { method: "POST", body });
    // 200 is our answer taken, 409 is what happened instead; both carry the card as it is now.
    if ([200, 409].includes(status) && element?.dataset.transaction === transaction) return replace(card, element);
    if ([401, 403].includes(status)) return location.reload();
  } catch {
    // The answer may have arrived all the same: find out below.
  }
  await findOut(card);
}

/** Asks until the server says what became of it. Nothing is sent a second time. */
async function findOut(card) {
  progress(card, "checking");
  let stillWaiting = 0;
  for (let wait = 1000; ; wait = Math.min(wait * 1.5, 5000)) {
    const answer = await settle(card).catch(() => "lost");
    if (answer === "settled" || !card.isConnected) return;
    // Once could be an answer still on its way; twice in a row is one that never came.
    stillWaiting = answer === "pending" ? stillWaiting + 1 : 0;
    if (stillWaiting > 1) break;
    await pause(wait);
  }
  delete card.dataset.busy;
  progress(card, "not-arrived");
  if (card.localName === "details") arm(card);
}

/** Shows one line of the answer's place; the buttons only stand there when there is something to press. */
function progress(card, name) {
  const lines = [...card.querySelectorAll("[data-progress]")];
  // A finished card has no such lines: its one button waits.
  if (!lines.length) return card.querySelector(".after button")?.toggleAttribute("disabled", name !== "not-arrived");
  const heldFocus = card.contains(document.activeElement);
  disarm(card);
  for (const line of lines) line.hidden = line.dataset.progress !== name;
  card.querySelector(".buttons").hidden = name !== "not-arrived";
  const line = card.querySelector(`[data-progress="${name}"]`);
  line.tabIndex = -1;
  // The pressed button is gone; without this the focus would fall back to the top of the page.
  if (heldFocus) line.focus();
  else if (name !== "sending") announce(line.textContent);
}
