// The sixty seconds that explain it, played on the real pages: Alice pays, approves, and meanwhile an operator
// replaces the plugin that lights up her phone, with `cp`.
//
//   node story.mjs DEMO_URL PHONE_LINK CONSOLE_LINK PID [--shots DIR]
//
// Prints one `ok …` line for each step; the first failure ends it, names the step, and exits with status 1. Runs
// where the host was started, because the commands it copies from the demo page may name files from there. --shots
// puts the README's two pictures into DIR.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";

import { isMarked, mark, play, screen, step, until } from "./browser.mjs";
import { PENDING, enrol, press } from "./phone.mjs";

const { values: options, positionals } = parseArgs({ allowPositionals: true, options: { shots: { type: "string" } } });
assert.equal(positionals.length, 4, "arguments: DEMO_URL PHONE_LINK CONSOLE_LINK PID");
const [demoUrl, phoneLink, consoleLink, pid] = positionals;

const NOTE = "We never phone you to ask you to approve";

await play(async (browser) => {
  const { phone, demo, operator } = await step("three screens open", async () => {
    // The README shows the small picture at its full size: its letters are to be sharp.
    const phone = await enrol(browser, phoneLink, options.shots && { deviceScaleFactor: 1.5 });
    await phone.getByRole("heading", { name: "No requests." }).waitFor();
    const demo = await (await screen(browser, "desktop")).newPage();
    await demo.goto(demoUrl);
    const operator = await (await screen(browser, "desktop")).newPage();
    await operator.goto(consoleLink);
    await operator.getByRole("link", { name: "Requests" }).waitFor();
    assert.ok(!operator.url().includes("#"), `the token of the link left the address bar: ${operator.url()}`);
    for (const page of [demo, operator]) await mark(page);
    return { phone, demo, operator };
  });
  const shop = demo.locator("#shop");
  const figure = async (name) => Number((await demo.locator(`.figures [data-field="${name}"]`).textContent()).replaceAll(",", ""));
  const plugin = demo.locator('[data-plugin="inbox"]');
  const strip = async () => ({
    before: (await plugin.locator('[data-field="before"]').isVisible()) ? await plugin.locator('[data-field="before"]').textContent() : "",
    serving: await plugin.locator('[data-field="spoken"]').textContent(),
    says: await plugin.locator('[data-field="sentence"]').textContent(),
  });

  /** Pays, and waits for the card that the plugin puts on the phone. Nobody presses *Check now*. */
  async function pay() {
    await shop.getByRole("button", { name: "Pay 42.50 at Fern & Co" }).click();
    const card = phone.locator(PENDING);
    const untold = shop.locator('[data-field="not_notified"]');
    await until("a card appears, or the shop says why none will", async () => (await card.isVisible()) || (await untold.isVisible()));
    if (!(await card.isVisible())) assert.fail(`no card appeared. The demo page says: ${await untold.textContent()}`);
    const message = await shop.locator('[data-field="binding_message"]').textContent();
    assert.match(message, /^Pay 42\.50, code [0-9A-Z]{4}$/);
    assert.equal(await card.locator(".message p").textContent(), message, "both screens say the same");
    assert.equal(await card.locator("h2").textContent(), "Fern & Co");
    return card;
  }

  const note = async (card) => ((await card.locator(".note").isVisible()) ? card.locator(".note p").textContent() : "");

  async function approve(card) {
    await press(card, "Approve");
    await phone.getByRole("heading", { name: "Approved. Return to Fern & Co." }).waitFor();
    await shop.getByRole("heading", { name: "Paid. Thank you, Alice." }).waitFor();
    await phone.getByRole("link", { name: "Done" }).click();
  }

  async function deny(card) {
    await press(card, "Deny");
    await phone.getByRole("heading", { name: "Denied. No access was given." }).waitFor();
    await shop.getByRole("heading", { name: "Alice said no" }).waitFor();
    await phone.getByRole("link", { name: "Done" }).click();
  }

  /** Runs a command that stands on the demo page, as people do: copied, and pasted into a shell. */
  async function paste(what) {
    const command = await demo.locator(".tries li", { hasText: what }).locator("code").textContent();
    assert.match(command, /^cp \S+ \S+$/);
    await promisify(execFile)("sh", ["-c", command]);
  }

  const nothingFailed = async () => assert.equal(await figure("failed"), 0, "authentications that failed");
  /** Traffic goes on: more of it ends after this than had ended before. */
  const goesOn = async () => {
    const before = await figure("finished");
    await until("more authentications finish", async () => (await figure("finished")) > before);
    await nothingFailed();
  };

  const first = await step("the card appears by itself", async () => {
    // Whoever happens to press where a card appears has not read it: both buttons are pressed as soon as they exist.
    await phone.evaluate(() => {
      const tooEarly = new MutationObserver(() => {
        const buttons = document.querySelectorAll(".card .answer button");
        for (const button of buttons) button.click();
        if (buttons.length) tooEarly.disconnect();
      });
      tooEarly.observe(document.getElementById("cards"), { childList: true });
    });
    const card = await pay();
    assert.equal(await note(card), "", "the first version adds no note");
    assert.equal(await phone.title(), "(1) Requests");
    await shop.getByText(/^notified by inbox 1\.0\.0 in \d+ µs$/).waitFor();
    return card;
  });
  await step("approved, and the shop has the claims", async () => {
    assert.equal(await first.getAttribute("data-state"), "pending", "a press in the first moment does not count");
    await approve(first);
    const rows = shop.locator(".claims > div");
    const subject = await rows.filter({ hasText: "Who sub" }).locator("dd").textContent();
    await rows.filter({ hasText: /^Confirmed auth_time\d\d:\d\d:\d\d$/ }).waitFor();
    await shop.getByText("All claims as JSON, and the ID token").click();
    const claims = JSON.parse(await shop.locator('[data-field="raw_claims"]').textContent());
    assert.equal(claims.aud, "fern");
    assert.equal(claims.sub, subject);
    assert.ok(!("acr" in claims), "nothing was proven, so there is no acr");
    await shop.getByRole("button", { name: "Next customer" }).click();
  });
  await step("twenty a second start and finish", async () => {
    await demo.getByRole("switch", { name: "20 a second" }).click();
    await until("twenty have finished", async () => (await figure("finished")) >= 20);
    await nothingFailed();
    await operator.getByRole("heading", { name: "1 plugin serving" }).waitFor();
  });
  await step("a new version by cp", async () => {
    await paste("A new version");
    await until("the strip flips 1 → 2", async () => {
      const now = await strip();
      return now.before === "1" && now.serving === "2" && now.says === "serving";
    });
    await goesOn();
  });
  await step("the next card carries its note", async () => {
    const card = await pay();
    assert.equal(await note(card), NOTE);
    await shop.getByText(/^notified by inbox 2\.0\.0 in/).waitFor();
    if (options.shots) await shoot(phone, demo, card);
    await deny(card);
    await shop.getByRole("button", { name: "Start over" }).click();
  });
  await step("a broken file is refused", async () => {
    await paste("A broken file");
    await plugin.and(demo.locator(".refused")).waitFor();
    assert.deepEqual(await strip(), { before: "", serving: "2", says: "refused, 2 still serving" }, "the last good version serves");
    assert.match(await plugin.locator('[data-field="message"]').innerText(), /core module/, "why it was refused");
    await operator.getByRole("heading", { name: "1 file refused, last good serving" }).waitFor();
    await goesOn();
  });
  await step("and the last good version goes on", async () => {
    const card = await pay();
    assert.equal(await note(card), NOTE);
    await approve(card);
    await shop.getByRole("button", { name: "Next customer" }).click();
  });
  await step("back to the first version", async () => {
    await paste("Back to the first version");
    await until("the strip flips 2 → 1", async () => {
      const now = await strip();
      return now.before === "2" && now.serving === "1" && now.says === "serving";
    });
    await operator.getByRole("heading", { name: "1 plugin serving" }).waitFor();
    const card = await pay();
    assert.equal(await note(card), "");
    await deny(card);
  });
  await step("nothing was lost", async () => {
    await demo.getByRole("switch", { name: "20 a second" }).click();
    await until("all that started has finished", async () => {
      const off = (await demo.getByRole("switch").getAttribute("aria-checked")) === "false";
      return off && (await figure("started")) === (await figure("finished"));
    });
    await nothingFailed();
    assert.equal(await demo.locator('[data-field="pid"]').textContent(), pid, "the same process all the time");
    await operator.getByRole("link", { name: "inbox" }).click();
    const timeline = await operator.locator(".timeline > li").evaluateAll((entries) => entries.map((entry) => entry.className));
    assert.deepEqual(timeline.slice(0, 4), ["serving", "refused", "serving", "serving"], "what happened to the file, newest first");
    for (const page of [phone, demo]) assert.ok(await isMarked(page), `${page.url()} was not loaded again`);
  });
});

/** The README's pictures: both screens at the same moment. */
async function shoot(phone, demo, card) {
  await card.locator('button[value="approve"]:not([aria-disabled])').waitFor();
  await demo.evaluate(() => {
    document.activeElement.blur();
    window.scrollTo(0, 0);
  });
  await demo.screenshot({ path: join(options.shots, "demo.png") });
  await phone.screenshot({ path: join(options.shots, "phone.png") });
}
