// What an operator does to a plugin in the console: each button changes something, at once, and the audit log says so.
//
//   node operators.mjs CONSOLE_LINK BASE_URL [--shots DIR]
//
// `inbox` serves, and has served another version before; `rules` follows the orders of requests, and asks for storage.

import assert from "node:assert/strict";
import { join } from "node:path";

import { isMarked, mark, play, screen, step, until } from "./browser.mjs";
import { client } from "./phone.mjs";

const [link, base, , shots] = process.argv.slice(2);

await play(async (browser) => {
  const operator = await (await screen(browser, "desktop")).newPage();
  const plugin = (name) => new URL(`/plugins/${name}`, operator.url()).href;
  const button = (name) => operator.getByRole("button", { name, exact: true });
  const said = (name) => operator.locator(".said > div", { has: operator.locator(`dt:text-is("${name}")`) });
  const fact = (name) => operator.locator("#state .facts > div", { has: operator.locator(`dt:text-is("${name}")`) }).locator("dd");

  const lines = operator.locator(".log .line");
  const logged = async (begins) => (await lines.allInnerTexts()).filter((line) => line.startsWith(begins));
  /** Has `rules` follow an order. */
  const orders = (...list) => client(base).ask("Logs", { request_context: JSON.stringify({ to: "rules", orders: list }) });

  await step("the operator signs in, and opens a plugin", async () => {
    await operator.goto(link);
    await operator.getByRole("link", { name: "inbox", exact: true }).click();
    await operator.getByRole("heading", { name: "inbox", exact: true, level: 1 }).waitFor();
    assert.match(await said("mode").innerText(), /enforce/);
  });
  await step("calls are counted while one looks, and nothing that is typed meanwhile is lost", async () => {
    await mark(operator);
    await operator.getByRole("textbox", { name: "Order" }).fill("77");
    await client(base).ask("Counted");
    const hook = operator.locator(".hook", { has: operator.getByRole("heading", { name: "notify", exact: true }) });
    await hook.waitFor();
    await hook.getByText("How long they took, in numbers").click();
    const rows = hook.locator(".numbers tbody td");
    await until("a call is in the table", async () => (await rows.allInnerTexts()).reduce((sum, calls) => sum + Number(calls), 0) >= 1);
    assert.ok((await hook.locator("svg rect").count()) >= 1, "it is drawn");
    await client(base).ask("Counted too");
    await until("the next one is too", async () => (await rows.allInnerTexts()).reduce((sum, calls) => sum + Number(calls), 0) >= 2);
    assert.equal(await operator.getByRole("textbox", { name: "Order" }).inputValue(), "77");
    assert.ok(await isMarked(operator), "the page was not loaded again");
    if (shots) await operator.screenshot({ path: join(shots, "counted.png"), fullPage: true });
  });
  await step("an order is set, said by whom, and taken back", async () => {
    await button("Set order").click();
    await said("order").getByText("Set by operator (console)").waitFor();
    assert.match(await said("order").innerText(), /77[^]*its file says 100/);
    await button("As its file says").click();
    await button("As its file says").waitFor({ state: "detached" });
    assert.match(await said("order").innerText(), /100/);
  });
  await step("turned off it is off, and turned on it serves", async () => {
    await button("Turn off").click();
    await operator.locator(".badge", { hasText: "off" }).first().waitFor();
    assert.match(await fact("version").innerText(), /none serving/);
    await button("Turn on").click();
    await button("Turn off").waitFor();
    assert.match(await fact("version").innerText(), /0002/);
  });
  await step("an earlier version serves again by its button", async () => {
    await operator.getByRole("button", { name: /^Roll back to 0001/ }).first().click();
    await until("it serves", async () => /0001/.test(await fact("version").innerText()));
    await operator.getByText("rolled back by operator (console)").first().waitFor();
  });
  await step("a line is in the log without a look for it, and what is marked there stays", async () => {
    await operator.goto(plugin("rules"));
    await mark(operator);
    for (const key of ["first", "second"]) {
      await orders(["setting", key]);
      await until(`the log has ${key}`, async () => (await logged("setting:")).length === (key === "first" ? 1 : 2));
      if (key === "first") await lines.first().evaluate((line) => void (window.firstLine = line));
    }
    assert.ok(await lines.first().evaluate((line) => line === window.firstLine), "the line is the same one");
    assert.ok(await isMarked(operator), "the page was not loaded again");
  });
  await step("what it is refused it is allowed by a button, and by another it is taken back", async () => {
    await orders(["get", "a"]);
    await operator.locator("#may li", { hasText: "storage" }).getByText("refused once").waitFor();
    await button("Allow storage").click();
    await button("Revoke storage").waitFor();
    await orders(["get", "b"]);
    await until("it was allowed", async () => (await logged("get: Ok(None)")).length === 1);
    await button("Revoke storage").click();
    await button("Allow storage").waitFor();
    await orders(["get", "c"]);
    await until("it was refused", async () => (await logged("get: Err(")).length === 2);
    if (shots) await operator.screenshot({ path: join(shots, "rules.png"), fullPage: true });
  });
  await step("what cannot be done is said, and changes nothing", async () => {
    const answer = await operator.evaluate(async () => {
      const form = new URLSearchParams({ order: "first" });
      const answer = await fetch(`${location.pathname}/set`, { method: "POST", body: form });
      return [answer.status, await answer.text()];
    });
    assert.equal(answer[0], 409);
    assert.match(answer[1], /It was not done/);
  });
  await step("the audit log has each act, with who and when", async () => {
    await operator.getByRole("navigation").getByRole("link", { name: "Audit", exact: true }).click();
    await operator.getByRole("heading", { name: "Audit log", level: 1 }).waitFor();
    await operator.getByRole("textbox", { name: "Only lines with" }).fill("inbox");
    await button("Show").click();
    await operator.waitForURL(/word=inbox/);
    /** What each line says, and when and by whom it was done. */
    const shown = async () => {
      const lines = await operator.locator(".audit li").all();
      return Promise.all(lines.map(async (line) => Promise.all([0, 1].map((at) => line.locator("p").nth(at).innerText()))));
    };
    const here = (lines) => lines.filter(([, by]) => by.includes("operator (console)"));
    const rows = here(await shown());
    const acts = rows.map(([act]) => act);
    assert.deepEqual(
      acts.map((act) => act.replace(/[0-9a-f]{64}/u, "DIGEST")),
      [
        "plugin rollback inbox DIGEST",
        "plugin set inbox set to mode enforce",
        "plugin set inbox set to mode off",
        "plugin set inbox set as its file says",
        "plugin set inbox set to order 77",
      ],
    );
    assert.ok(rows.every(([, by]) => /\d\d:\d\d · /u.test(by)), "each says when");
    if (shots) await operator.screenshot({ path: join(shots, "audit.png"), fullPage: true });
    await operator.getByRole("textbox", { name: "Only lines with" }).fill("storage");
    await button("Show").click();
    await operator.waitForURL(/word=storage/);
    const allowed = here(await shown()).map(([act]) => act);
    assert.deepEqual(allowed, ["plugin allow --revoke rules --storage", "plugin allow rules --storage"]);
  });
});
