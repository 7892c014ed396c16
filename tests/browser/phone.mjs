// The phone as a person holds it, and the client that asks: what the stories of this folder have in common.

import assert from "node:assert/strict";

import { mark, screen } from "./browser.mjs";

export const PENDING = '.card[data-state="pending"]';

/** A phone in a pocket of its own, enrolled by a one-time link, with the page open and listening. */
export async function enrol(browser, link, options) {
  const context = await screen(browser, "phone", options);
  const phone = await context.newPage();
  await phone.goto(link);
  await phone.getByRole("heading", { name: "Add this phone for Alice?" }).waitFor();
  assert.ok(!phone.url().includes("#"), `the token of the link left the address bar: ${phone.url()}`);
  await phone.getByRole("button", { name: "Add this phone" }).click();
  await connected(phone);
  await mark(phone);
  return phone;
}

export const connected = (phone) => phone.locator('body[data-connection="connected"]').waitFor();

/** The card of this transaction, or the only one there is. */
export const cardOf = (phone, transaction) => phone.locator(transaction ? `[data-transaction="${transaction}"]` : ".card");

/** Presses Approve or Deny, once the button is armed. */
export async function press(card, name) {
  const button = card.getByRole("button", { name, exact: true });
  await card.locator(`button[value="${name.toLowerCase()}"]:not([aria-disabled])`).waitFor();
  await button.click();
}

/** The countdown on a card, in seconds. */
export async function secondsLeft(card) {
  const [minutes, seconds] = (await card.locator("[data-countdown]").textContent()).split(":").map(Number);
  return minutes * 60 + seconds;
}

/** A client: the demo's, which anybody can be, unless it is another. */
export function client(base, credential = "demo:demo-secret") {
  const authorization = `Basic ${Buffer.from(credential).toString("base64")}`;
  const send = async (path, form) => {
    const answer = await fetch(`${base}${path}`, { method: "POST", headers: { authorization }, body: new URLSearchParams(form) });
    return answer.json();
  };
  return {
    /** Asks for Alice's approval: the `auth_req_id`. */
    async ask(binding_message, more = {}) {
      const asked = await send("/bc-authorize", { scope: "openid profile", login_hint: "alice", binding_message, ...more });
      assert.ok(asked.auth_req_id, JSON.stringify(asked));
      return asked.auth_req_id;
    },
    /** One poll: "tokens", or the error. */
    async poll(auth_req_id) {
      const told = await send("/token", { grant_type: "urn:openid:params:grant-type:ciba", auth_req_id });
      return told.id_token ? "tokens" : told.error;
    },
  };
}
