// A phone whose clock is wrong shows and does the same as any other: only the server's clock counts.
//
//   node wrong_clock.mjs BASE_URL PHONE_LINK MINUTES

import assert from "node:assert/strict";

import { isMarked, mark, play, step } from "./browser.mjs";
import { PENDING, client, connected, enrol, press, secondsLeft } from "./phone.mjs";

const [base, phoneLink, minutes] = process.argv.slice(2);
const SKEW = Number(minutes) * 60_000;
/** How far a countdown may be behind on a busy machine, in seconds: little beside an hour. */
const LAG = 10;

/** In the page, before anything of it runs. The stopwatch of a phone whose clock is wrong is right. */
function beWrong(skew) {
  const Right = Date;
  globalThis.Date = class extends Right {
    constructor(...given) {
      super(...(given.length ? given : [Right.now() + skew]));
    }

    static now() {
      return Right.now() + skew;
    }
  };
}

/** Runs what starts a request, and says when it will end at the earliest and at the latest, in milliseconds. */
async function end(seconds, start) {
  const before = Date.now();
  await start();
  // Ends are whole seconds.
  return { earliest: before + (seconds - 1) * 1000, latest: Date.now() + (seconds + 1) * 1000 };
}

await play(async (browser) => {
  const demo = client(base);
  const phone = await step("a phone with a wrong clock is enrolled", async () => {
    const phone = await enrol(browser, phoneLink, { timezoneId: "UTC", locale: "en-GB" });
    await phone.context().addInitScript(beWrong, SKEW);
    await phone.reload();
    await connected(phone);
    const off = (await phone.evaluate(() => Date.now())) - Date.now();
    assert.ok(Math.abs(off - SKEW) < 60_000, `its clock is ${off} ms off`);
    await mark(phone);
    return phone;
  });
  const card = phone.locator(PENDING);

  async function showsWhatIsLeft({ earliest, latest }) {
    const before = Date.now();
    const shown = await secondsLeft(card);
    const least = (earliest - Date.now()) / 1000 - LAG;
    const most = (latest - before) / 1000 + LAG;
    assert.ok(least <= shown && shown <= most, `${shown} s left, expected ${least} to ${most}`);
  }

  await step("a card that arrives shows the right time left", async () => {
    let asked;
    const when = await end(120, async () => (asked = await demo.ask("Clock one")));
    await card.waitFor();
    await showsWhatIsLeft(when);
    await phone.reload();
    await connected(phone);
    await mark(phone);
    // This time it stood in the page from the start.
    await showsWhatIsLeft(when);
    await press(card, "Approve");
    await phone.getByRole("heading", { name: "Approved. Return to Demo client." }).waitFor();
    assert.equal(await demo.poll(asked), "tokens");
    await phone.getByRole("link", { name: "Done" }).click();
  });
  await step("a request expires when the server says so", async () => {
    let asked;
    const when = await end(20, async () => (asked = await demo.ask("Clock two", { requested_expiry: 20 })));
    await card.waitFor();
    await showsWhatIsLeft(when);
    await card.locator('button[value="approve"]:not([aria-disabled])').waitFor();
    const answered = phone.waitForFunction(() => !document.querySelector(".card .answer")?.checkVisibility()).then(() => Date.now());
    const sentence = phone.getByRole("heading", { name: /^Expired at / });
    await sentence.waitFor();
    const gone = await answered;
    assert.ok(gone >= when.earliest - 2000, `the buttons went ${when.earliest - gone} ms too early`);
    assert.equal(await demo.poll(asked), "expired_token", "the server says the same");
    const clock = (milliseconds) => new Date(milliseconds).toISOString().slice(11, 16);
    const sentences = [when.earliest, when.latest].map(
      (at) => `Expired at ${clock(at)}. Nothing was approved. Start again on the other device.`,
    );
    assert.ok(sentences.includes(await sentence.textContent()), `${await sentence.textContent()} is none of ${sentences}`);
    await phone.getByRole("link", { name: "Done" }).click();
  });
  await step("deny, and the history says when", async () => {
    const asked = await demo.ask("Clock three");
    await card.waitFor();
    await press(card, "Deny");
    await phone.getByRole("heading", { name: "Denied. No access was given." }).waitFor();
    assert.equal(await demo.poll(asked), "access_denied");
    assert.ok(await isMarked(phone), "the page was not loaded again");
    await phone.goto(`${base}/device/history`);
    const exact = await phone.locator(".entry .when time").first().getAttribute("datetime");
    assert.ok(Math.abs(Date.parse(exact) - Date.now()) < 60_000, exact);
    const shown = await phone.locator(".entry .when time").first().textContent();
    assert.ok(shown.includes(exact.slice(11, 16)), `${shown} says ${exact}`);
  });
});
