// A plugin serves a page that would approve what waits on the person's device page. It is opened in the browser in which
// they are signed in, so that every cookie of theirs is there.
//
//   node theft.mjs PHONE_LINK ISSUER INBOUND

import assert from "node:assert/strict";
import { createServer } from "node:http";

import { play, step, until } from "./browser.mjs";
import { PENDING, enrol } from "./phone.mjs";

const [phoneLink, issuer, inbound] = process.argv.slice(2);

await play(async (browser) => {
  const phone = await enrol(browser, phoneLink);
  const card = phone.locator(PENDING);
  await card.waitFor();
  const transaction = await card.getAttribute("data-transaction");
  // Without the watch for complaints of pages: this one has reason to complain.
  const thief = await browser.newContext({ storageState: await phone.context().storageState() });
  const theft = (target) => `${inbound}/pages/theft#${encodeURIComponent(target)}`;
  const waits = async () => assert.ok(await card.isVisible(), "the request waits");

  await step("the page is shown, and runs nothing", async () => {
    const page = await thief.newPage();
    const requests = [];
    page.on("request", (request) => requests.push(request.url()));
    await page.goto(theft(`${issuer} ${transaction}`));
    assert.equal(await page.locator("h1").textContent(), "served");
    assert.equal((await page.locator("body").innerText()).includes("script ran"), false);
    assert.deepEqual(requests.filter((url) => url.startsWith(issuer)), []);
    assert.equal(await page.evaluate(() => self.origin), "null");
    await waits();
  });

  // The same page on one more port of this host, and without what the plugins' listener adds to it: the second wall
  // stands without the first.
  const stolen = await (await fetch(`${inbound}/pages/theft`)).text();
  const bare = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(stolen));
  await new Promise((listening) => bare.listen(0, "127.0.0.1", listening));
  const opened = async (target, said) => {
    const page = await thief.newPage();
    const answers = [];
    page.on("response", (answer) => answers.push([answer.url(), answer.status()]));
    await page.goto(`http://127.0.0.1:${bare.address().port}/#${encodeURIComponent(target)}`);
    await until(said, async () => (await page.locator("body").innerText()).endsWith(said));
    await waits();
    return answers;
  };
  await step("a page that did run reads nothing of the device page", async () => {
    await opened(issuer, "script rankept out");
  });
  await step("and what it sends is not taken", async () => {
    const answers = await opened(`${issuer} ${transaction}`, "script ranposted");
    assert.deepEqual(answers.find(([url]) => url.endsWith("/device/decide")), [`${issuer}/device/decide`, 403]);
  });
  bare.close();
});
