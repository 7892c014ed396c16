// The list of requests: arrivals join below, outcomes replace their card, and neither moves a button or the focus.

import { arm, disarm, show } from "./arming.js";
import { learn, now, spell, tellTimes } from "./clock.js";

const list = document.getElementById("cards");
const announcer = document.getElementById("announcer");
const words = document.title.replace(/^\(\d+\) /, "");

export const pending = () => [...list.querySelectorAll('[data-state="pending"]')];
const find = (transaction) => list.querySelector(`[data-transaction="${CSS.escape(transaction)}"]`);

/** The transactions whose outcome was read. */
const dismissed = new Set();

let announcing;

/** Reads a text aloud for those who do not see it appear. */
export function announce(text) {
  announcer.textContent = "";
  clearTimeout(announcing);
  announcing = setTimeout(() => (announcer.textContent = text.trim()), 50);
}

/** Asks for a fragment. Its clock is taken from the middle of the journey. */
export async function ask(path, options = {}) {
  const started = performance.now();
  const headers = { "x-requested-with": "fetch" };
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(8000), ...options, headers });
  const landed = performance.now();
  const template = document.createElement("template");
  template.innerHTML = await answer.text();
  const element = template.content.firstElementChild;
  if (element) learn(Number(element.dataset.now), (started + landed) / 2);
  return { status: answer.status, element };
}

/** The whole list as the server has it. */
export async function refresh(options) {
  const { status, element } = await ask(options?.path ?? "/device/cards", options);
  // This phone may not ask any more: the page itself knows best what to show then.
  if ([401, 403].includes(status)) return location.reload();
  if (status !== 200 || element?.id !== "cards") throw new Error(`the list answered ${status}`);
  merge([...element.children]);
}

function merge(cards) {
  const known = new Set(cards.map((card) => card.dataset.transaction));
  const arrived = [];
  for (const card of cards) {
    const present = find(card.dataset.transaction);
    if (dismissed.has(card.dataset.transaction)) continue;
    if (!present) arrived.push(join(card));
    else if (!present.dataset.busy && present.dataset.state !== card.dataset.state) replace(present, card);
    else if (!present.dataset.busy) adoptNote(present, card);
  }
  for (const card of pending()) {
    if (!known.has(card.dataset.transaction) && !card.dataset.busy) settle(card).catch(() => {});
  }
  const said = arrived.map((card) => card.querySelector('[data-say="arrived"]')?.textContent ?? "");
  if (said.length) announce(said.join(" "));
  settleDown();
}

/** A newcomer joins below. It opens only where nothing else is open to be answered. */
function join(card) {
  const waiting = card.dataset.state === "pending";
  const free = !pending().some((other) => other.open);
  if (card.localName === "details") card.open = waiting && free;
  card.classList.add("arriving");
  list.append(card);
  prepare(card);
  return card;
}

/** A plugin may add its note to a card that was found by hand before. */
function adoptNote(present, card) {
  const [old, fresh] = [present, card].map((each) => each.querySelector(".note"));
  if (!fresh || old) return;
  present.querySelector(".answer").before(fresh);
}

/** Puts the server's newer card where the old one stood, and the focus with it. */
export function replace(old, card) {
  const focused = old.contains(document.activeElement);
  const wasOpen = old.open;
  if (card.localName === "details") card.open = Boolean(wasOpen);
  old.replaceWith(card);
  prepare(card);
  if (focused && wasOpen !== false) (card.querySelector("summary") ?? card).focus();
  else if (card.localName === "article") announce(card.querySelector("h2").textContent);
  const notCounted = card.querySelector(".not-counted");
  if (notCounted) announce(notCounted.textContent);
  settleDown();
}

/** Asks what became of one card. Says whether the server answered. */
export async function settle(card) {
  const { status, element } = await ask(`/device/cards/${encodeURIComponent(card.dataset.transaction)}`);
  if ([401, 403].includes(status)) location.reload();
  else if ([404, 410].includes(status)) remove(card);
  else if (status !== 200 || !element?.dataset.transaction) throw new Error(`the card answered ${status}`);
  else if (element.dataset.state !== "pending") replace(card, element);
  else return "pending";
  return "settled";
}

/** The person has read it. The server shows an outcome for a while; here it does not come back. */
export function dismiss(card) {
  dismissed.add(card.dataset.transaction);
  remove(card);
}

export function remove(card) {
  const focused = card.contains(document.activeElement);
  const next = card.nextElementSibling ?? card.previousElementSibling;
  card.remove();
  if (focused) (next?.querySelector("summary, a, button") ?? document.querySelector("#check button")).focus();
  settleDown();
}

/** Makes a card of the list or of the page ready: times, arming. */
export function prepare(card) {
  tellTimes(card);
  if (card.dataset.state !== "pending") return;
  card.addEventListener("toggle", () => card.open && arm(card));
  if (card.open) arm(card);
  else disarm(card);
}

/** What depends on the list as a whole. */
function settleDown() {
  const waiting = pending().length;
  document.title = waiting ? `(${waiting}) ${words}` : words;
  document.getElementById("nothing").hidden = list.childElementCount > 0;
}

/** The connection changed: every open card's buttons follow. */
export function redraw() {
  for (const card of pending()) show(card);
}

/** After the list left the page: no step may look for it. */
export function forget() {
  list.replaceChildren();
  clearTimeout(announcing);
  announcer.textContent = "";
}

/** One step of the countdown, on the server's clock. */
export function tick() {
  for (const card of pending()) {
    const left = Number(card.dataset.expires) - now();
    card.querySelector("[data-countdown] bdi").textContent = spell(left);
    if (left < 30_000 && !("urgent" in card.dataset)) {
      card.dataset.urgent = "";
      if (left > 0) announce(card.querySelector('[data-say="half-a-minute"]').textContent);
    }
    if (left <= 0 && !card.dataset.busy) expire(card);
  }
}

/** Its time is over here: no answer any more. What happened to it only the server knows. */
async function expire(card) {
  card.dataset.busy = "expiring";
  card.querySelector(".answer").hidden = true;
  // A server one tick behind still says "pending"; a lost line says nothing. Both are asked again.
  const answer = await settle(card).catch(() => "lost");
  if (answer !== "settled") setTimeout(() => delete card.dataset.busy, 1500);
}
