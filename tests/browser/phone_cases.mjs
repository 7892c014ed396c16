// What can come between a person and their answer, on the real device page.
//
//   node phone_cases.mjs CASE BASE_URL PHONE_LINK [SECOND_PHONE_LINK]

import assert from "node:assert/strict";

import { isMarked, play, screen, step } from "./browser.mjs";
import { PENDING, client, connected, enrol, press } from "./phone.mjs";

const [name, base, ...links] = process.argv.slice(2);
const demo = client(base);
/** One that may ask for payments, and whose newer requests take the place of the older. */
const bank = client(base, "bank:a secret of the bank's");
const heading = (phone, text) => phone.getByRole("heading", { name: text });
const PIXEL = { userAgent: "Mozilla/5.0 (Linux; Android 15; Pixel 8) Chrome/130" };
/** The card of this message, whatever became of it. */
const cardSaying = (phone, message) => phone.locator(".card", { hasText: message });

const cases = {
  /** Arrivals join below, and neither a button nor the focus moves. */
  async several(browser) {
    const phone = await step("a phone is enrolled", () => enrol(browser, links[0]));
    const [first, second] = ["First of two", "Second of two"].map((message) => cardSaying(phone, message));
    const asked = [];
    await step("one request stands open", async () => {
      asked.push(await demo.ask("First of two"));
      await first.locator('button[value="approve"]:not([aria-disabled])').waitFor();
      assert.equal(await phone.title(), "(1) Requests");
    });
    await step("a second joins below, and nothing moves", async () => {
      const deny = first.getByRole("button", { name: "Deny" });
      await deny.focus();
      const places = () =>
        first.evaluate((card) => [card, ...card.querySelectorAll("button")].map((each) => each.getBoundingClientRect().top));
      const before = await places();
      // It ends sooner, and still does not push in.
      asked.push(await demo.ask("Second of two", { requested_expiry: 60 }));
      await second.waitFor();
      assert.equal(await phone.title(), "(2) Requests");
      assert.deepEqual(await places(), before, "the first card and its buttons");
      assert.ok(await deny.evaluate((button) => button === document.activeElement), "the focus is where it was");
      assert.ok(await phone.evaluate(() => document.querySelector(".card").textContent.includes("First of two")), "it joined below");
      assert.equal(await phone.locator(".card[open]").count(), 1, "open cards");
      await phone.locator("#announcer", { hasText: "New request from Demo client." }).waitFor({ state: "attached" });
    });
    await step("each is answered by itself", async () => {
      await press(first, "Deny");
      await heading(phone, "Denied. No access was given.").waitFor();
      assert.equal(await phone.title(), "(1) Requests");
      assert.ok(await phone.locator(".card").first().evaluate((card) => card === document.activeElement), "the focus is on the outcome");
      assert.equal(await second.getAttribute("open"), null, "the other stays folded");
      await second.locator("summary").click();
      await press(second, "Approve");
      await heading(phone, "Approved. Return to Demo client.").waitFor();
      assert.equal(await phone.title(), "Requests");
      assert.deepEqual([await demo.poll(asked[0]), await demo.poll(asked[1])], ["access_denied", "tokens"]);
      assert.ok(await isMarked(phone), "the page was not loaded again");
    });
  },

  /** Without a connection there is no answer to give, and none is kept for later. */
  async offline(browser) {
    const phone = await step("a request stands open", async () => {
      const phone = await enrol(browser, links[0]);
      await demo.ask("Into a tunnel");
      await phone.locator('button[value="approve"]:not([aria-disabled])').waitFor();
      return phone;
    });
    const card = phone.locator(PENDING);
    await step("the connection goes, and the answer with it", async () => {
      await phone.context().setOffline(true);
      await card.getByText("No connection. You cannot answer yet.").waitFor();
      for (const answer of ["deny", "approve"]) {
        const button = card.locator(`button[value="${answer}"]`);
        assert.equal(await button.getAttribute("aria-disabled"), "true");
        await button.dispatchEvent("click");
      }
      assert.ok(await card.getByRole("button", { name: "Approve" }).isVisible(), "no answer is on its way");
    });
    await step("it comes back, and nothing was sent meanwhile", async () => {
      const checked = phone.waitForResponse((answer) => answer.url().endsWith("/device/cards"));
      await phone.context().setOffline(false);
      await connected(phone);
      assert.match(await (await checked).text(), /data-state="pending"/, "the server still waits");
      await press(card, "Approve");
      await heading(phone, "Approved. Return to Demo client.").waitFor();
      assert.ok(await isMarked(phone), "the page was not loaded again");
    });
    await step("a server that cannot look is not taken for one that found nothing", async () => {
      const check = "**/device/check";
      const failed = phone.getByText("That did not work. Check again in a moment.");
      await phone.route(check, (route) => route.fulfill({ status: 503, body: "" }));
      await phone.getByRole("button", { name: "Check now" }).click();
      await phone.locator("#check .failed").waitFor();
      assert.ok(await failed.first().isVisible());
      await phone.unroute(check);
      await phone.getByRole("button", { name: "Check now" }).click();
      await phone.locator("#check .failed").waitFor({ state: "hidden" });
    });
    await step("with nothing to answer it is said just as well", async () => {
      await phone.getByRole("link", { name: "Done" }).click();
      await heading(phone, "No requests.").waitFor();
      await phone.context().setOffline(true);
      await heading(phone, "No connection. You cannot answer yet.").waitFor();
      await phone.context().setOffline(false);
      await heading(phone, "No requests.").waitFor();
    });
  },

  /** An answer whose reply is lost: the server's state is shown, never a guess. */
  async "no reply"(browser) {
    const phone = await step("a phone is enrolled", () => enrol(browser, links[0]));
    const decide = "**/device/decide";
    await step("the answer arrived, its reply did not", async () => {
      const asked = await demo.ask("Lost on the way back");
      await phone.route(decide, async (route) => {
        await route.fetch();
        await route.abort();
      });
      const settled = pledge();
      await phone.route("**/device/cards/*", async (route) => {
        await settled.promise;
        await route.continue();
      });
      await press(phone.locator(PENDING), "Approve");
      await phone.getByText("Checking whether your answer arrived…").waitFor();
      settled.resolve();
      await heading(phone, "Approved. Return to Demo client.").waitFor();
      assert.equal(await demo.poll(asked), "tokens");
      await phone.getByRole("link", { name: "Done" }).click();
    });
    await step("the answer did not arrive, and can be given again", async () => {
      await phone.unrouteAll();
      await phone.route(decide, (route) => route.abort());
      const asked = await demo.ask("Lost on the way there");
      const card = phone.locator(PENDING);
      await press(card, "Approve");
      await card.getByText("Your answer did not arrive. Nothing was decided; you can answer again.").waitFor();
      await phone.unrouteAll();
      await press(card, "Deny");
      await heading(phone, "Denied. No access was given.").waitFor();
      assert.equal(await demo.poll(asked), "access_denied");
    });
  },

  /** Two phones of one person: the other one says who answered, and takes a report. */
  async elsewhere(browser) {
    const [phone, other] = await step("two phones are enrolled", async () => [
      // Their names are the same: which of them answered is not told by it.
      await enrol(browser, links[0], PIXEL),
      await enrol(browser, links[1], PIXEL),
    ]);
    await step("answered on one, the other says so", async () => {
      await demo.ask("Two phones");
      await other.locator(PENDING).waitFor();
      await press(phone.locator(PENDING), "Approve");
      await heading(phone, "Approved. Return to Demo client.").waitFor();
      await heading(other, /^Approved on Chrome on Android at \d\d:\d\d\.$/).waitFor();
      assert.equal(await phone.getByRole("button", { name: "That wasn’t me" }).count(), 0, "who answered need not wonder");
    });
    await step("that wasn't me", async () => {
      await other.getByRole("button", { name: "That wasn’t me" }).click();
      await heading(other, "Noted: this was not you.").waitFor();
    });
    await step("the history of either names the phone", async () => {
      for (const page of [phone, other]) {
        await page.goto(`${base}/device/history`);
        await page.locator(".entry", { hasText: "on Chrome on Android" }).waitFor();
      }
    });
  },

  /** A phone that is removed shows nothing of its person any more. */
  async removed(browser) {
    const phone = await step("a request stands open", async () => {
      const phone = await enrol(browser, links[0]);
      await demo.ask("For nobody else");
      await phone.locator(PENDING).waitFor();
      return phone;
    });
    await step("it is removed in another tab", async () => {
      const tab = await phone.context().newPage();
      await tab.goto(`${base}/device/history`);
      await tab.getByText("Remove this phone").click();
      await tab.getByRole("button", { name: "Remove it now" }).click();
      await tab.getByText("This phone is not connected yet.").or(tab.getByText("This phone is no longer connected.")).first().waitFor();
    });
    await step("nothing is left on the screen", async () => {
      await heading(phone, "This phone is no longer connected.").waitFor();
      assert.ok(await isMarked(phone), "it did not take a reload");
      const words = await phone.locator("body").innerText();
      for (const left of ["For nobody else", "Demo client", "Alice", "History"]) {
        assert.ok(!words.includes(left), `“${left}” is still there`);
      }
      assert.equal(await phone.title(), "This phone is no longer connected.");
      await phone.reload();
      assert.ok(!(await phone.content()).includes("Alice"), "nor after a reload");
    });
  },

  /** Links that add a phone, opened where one is connected already. */
  async "links again"(browser) {
    const phone = await step("a phone is enrolled", () => enrol(browser, links[0]));
    await step("a link that is not used yet stays unused", async () => {
      await phone.goto(links[1]);
      await heading(phone, "This phone is already connected for Alice.").waitFor();
      await phone.getByRole("link", { name: "Back to requests" }).click();
      await heading(phone, "No requests.").waitFor();
    });
    await step("a used link says so, and who is connected", async () => {
      await phone.goto(links[0]);
      await heading(phone, "This link was already used, or it is too old.").waitFor();
      await phone.locator("[data-when=used]", { hasText: "This phone is already connected for Alice." }).waitFor();
      await phone.getByRole("link", { name: "Back to requests" }).click();
      await connected(phone);
    });
    await step("the unused one adds another phone, and the used one does not", async () => {
      await enrol(browser, links[1]);
      const third = await (await screen(browser, "phone")).newPage();
      await third.goto(links[0]);
      await heading(third, "Ask for a new link.").waitFor();
      assert.equal(await third.getByRole("button", { name: "Add this phone" }).count(), 0);
    });
  },

  /** What is approved beyond scopes is said, and Approve waits until all of it was on the screen. */
  async payments(browser) {
    const phone = await step("a phone is enrolled", () => enrol(browser, links[0]));
    const payment = (value, creditor) => ({ type: "payment", amount: value, creditor });
    const details = (...list) => ({ authorization_details: JSON.stringify(list) });
    const card = phone.locator(PENDING);
    const approve = card.locator('button[value="approve"]');
    await step("one payment is said before the message, and approved", async () => {
      const asked = await bank.ask("One payment", details(payment("42.50 EUR", "בנק הנמל")));
      await card.getByText("Pay 42.50 EUR to בנק הנמל").waitFor();
      const order = await card.evaluate((card) => [...card.children].map((part) => part.className).filter((name) => name));
      assert.deepEqual(order.slice(0, 3), ["details", "message", "scopes"]);
      await press(card, "Approve");
      await heading(phone, "Approved. Return to Harbour Bank.").waitFor();
      assert.ok(await phone.locator(".finished", { hasText: "Pay 42.50 EUR to בנק הנמל" }).isVisible(), "the outcome says what was approved");
      assert.equal(await bank.poll(asked), "tokens");
      await phone.getByRole("link", { name: "Done" }).click();
    });
    await step("twenty are read to the end before they can be approved", async () => {
      // Each takes several lines: between the first screen and the last there are more.
      const creditor = (number) => `Creditor ${number} ${"of the house of Brandvold ".repeat(3)}`;
      const twenty = Array.from({ length: 20 }, (_, number) => payment(`${number + 1}.00 EUR`, creditor(number + 1)));
      const asked = await bank.ask("Twenty payments", details(...twenty));
      await card.locator('button[value="deny"]:not([aria-disabled])').waitFor();
      assert.equal(await approve.getAttribute("aria-disabled"), "true");
      await card.getByText("Read all of it, then you can approve.").waitFor();
      // Jumping to the end is not reading what lies between.
      await phone.evaluate(() => window.scrollTo(0, document.body.scrollHeight));
      await card.locator("[data-end]").last().evaluate((end) => new Promise((seen) => new IntersectionObserver(seen).observe(end)));
      assert.equal(await approve.getAttribute("aria-disabled"), "true");
      // Pressing leads to what is still unread.
      const pressed = () => approve.evaluate((button) => button.getAttribute("aria-disabled") === "true" && (button.click(), true));
      for (let presses = 0; await pressed(); presses += 1) {
        assert.ok(presses < 25, "Approve leads on until all was read");
        await phone.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
      }
      await press(card, "Approve");
      await heading(phone, "Approved. Return to Harbour Bank.").waitFor();
      assert.equal(await bank.poll(asked), "tokens");
    });
    await step("the history says what was approved", async () => {
      await phone.goto(`${base}/device/history`);
      await phone.locator(".entry", { hasText: "Pay 42.50 EUR to בנק הנמל" }).waitFor();
    });
  },

  /** A newer request of the same client takes the place of the one that waits. */
  async superseded(browser) {
    const phone = await step("a phone is enrolled", () => enrol(browser, links[0]));
    const [first, second] = ["The first try", "The second try"].map((message) => cardSaying(phone, message));
    const asked = [];
    await step("the first can be answered", async () => {
      asked.push(await bank.ask("The first try"));
      await first.locator('button[value="approve"]:not([aria-disabled])').waitFor();
    });
    await step("the second takes its place, by itself", async () => {
      asked.push(await bank.ask("The second try"));
      await heading(phone, "A newer request took its place. Nothing was approved here.").waitFor();
      assert.equal(await first.locator("button").count(), 0, "there is nothing left to answer");
      await press(second, "Approve");
      await heading(phone, "Approved. Return to Harbour Bank.").waitFor();
      assert.ok(await isMarked(phone), "the page was not loaded again");
      assert.deepEqual([await bank.poll(asked[0]), await bank.poll(asked[1])], ["access_denied", "tokens"]);
    });
    await step("the history says so, and that nobody answered", async () => {
      await phone.goto(`${base}/device/history`);
      const entry = phone.locator(".entry", { hasText: "The first try" });
      assert.match(await entry.innerText(), /Replaced by a newer request\n/);
    });
  },

  /** The same forms, refreshed by hand. */
  async "no JavaScript"(browser) {
    const context = await screen(browser, "phone", { javaScriptEnabled: false });
    const phone = await context.newPage();
    await step("the link's code is typed in", async () => {
      const [page, code] = links[0].split("#enrol=");
      await phone.goto(page);
      await phone.getByLabel("The part of your link after the = sign").fill(code);
      await phone.getByRole("button", { name: "Add this phone" }).click();
      await phone.locator("noscript .by-hand").waitFor();
    });
    await step("approved by form", async () => {
      const asked = await demo.ask("By hand one");
      await phone.getByRole("button", { name: "Check now" }).click();
      await phone.getByText("By hand one").waitFor();
      await phone.getByRole("button", { name: "Approve" }).click();
      await heading(phone, "Approved. Return to Demo client.").waitFor();
      assert.equal(await demo.poll(asked), "tokens");
    });
    await step("denied by form", async () => {
      const asked = await demo.ask("By hand two");
      await phone.getByRole("button", { name: "Check now" }).click();
      await phone.getByRole("button", { name: "Deny" }).click();
      await heading(phone, "Denied. No access was given.").waitFor();
      assert.equal(await demo.poll(asked), "access_denied");
    });
    await step("a page that was removed meanwhile says so when a form is sent", async () => {
      await demo.ask("By hand three");
      await phone.getByRole("button", { name: "Check now" }).click();
      await phone.getByText("By hand three").waitFor();
      const tabs = [await context.newPage(), await context.newPage()];
      await tabs[0].goto(`${base}/device`);
      await tabs[1].goto(`${base}/device/history`);
      await tabs[1].getByText("Remove this phone").click();
      await tabs[1].getByRole("button", { name: "Remove it now" }).click();
      await heading(tabs[1], "This phone is no longer connected.").waitFor();
      await phone.getByRole("button", { name: "Approve" }).click();
      await heading(phone, "This phone is no longer connected.").waitFor();
      await tabs[0].getByRole("button", { name: "Check now" }).click();
      await heading(tabs[0], "This phone is no longer connected.").waitFor();
    });
  },

  /** Two people of one name. */
  async namesakes(browser) {
    const phone = await step("a phone is enrolled", () => enrol(browser, links[0]));
    await step("a link for another Alice is not taken for one of hers", async () => {
      await phone.goto(links[1]);
      await heading(phone, "Add this phone for Alice?").waitFor();
      await phone.getByRole("button", { name: "Add this phone" }).waitFor();
    });
  },

  /** Links that were sent by mail or chat: another site leads here. */
  async "another site"(browser) {
    const phone = await step("a phone is enrolled", () => enrol(browser, links[0]));
    const follow = async (page) => {
      await page.route("http://mail.test/**", (route) =>
        route.fulfill({ contentType: "text/html", body: `<a href="${base}/device#open=not.ours">Answer</a>` }),
      );
      await page.goto("http://mail.test/");
      await page.getByRole("link", { name: "Answer" }).click();
    };
    await step("it is offered what the link leads to", async () => {
      await follow(phone);
      await heading(phone, "Someone asks to confirm that it is you.").waitFor();
      await phone.getByRole("button", { name: "Show the request" }).waitFor();
    });
    await step("a link that is used says where its request is", async () => {
      await phone.getByRole("button", { name: "Show the request" }).click();
      await phone.getByText("it is on your list here too").waitFor();
    });
    await step("another site can follow, and send nothing", async () => {
      await phone.route("http://evil.test/**", (route) =>
        route.fulfill({ contentType: "text/html", body: `<form method="post" action="${base}/device/remove"><button>Win</button></form>` }),
      );
      await phone.goto("http://evil.test/");
      const [answer] = await Promise.all([
        phone.waitForResponse((answer) => answer.url().endsWith("/device/remove")),
        phone.getByRole("button", { name: "Win" }).click(),
      ]);
      assert.equal(answer.status(), 403);
      await phone.goto(`${base}/device`);
      await connected(phone);
    });
    await step("a phone that nobody is connected with says what the link is", async () => {
      const other = await (await screen(browser, "phone")).newPage();
      await follow(other);
      // The page comes with the same heading over other words, until its script has seen the link.
      await other.getByText("Your link leads to a request").waitFor();
      await heading(other, "This phone is not connected yet.").first().waitFor();
      // The token leaves the address bar; the browser tells of that a moment later.
      await other.waitForURL((url) => url.hash === "");
    });
  },

  /** Each visit begins the year anew for which a phone stays connected. */
  async "a year"(browser) {
    const phone = await step("a phone is enrolled", () => enrol(browser, links[0]));
    const session = async () => (await phone.context().cookies(`${base}/device`)).find((cookie) => cookie.name === "ciba_device");
    const inDays = (days) => Date.now() / 1000 + days * 24 * 3600;
    await step("its session is about to end", async () => {
      await phone.context().addCookies([{ ...(await session()), expires: inDays(1) }]);
      assert.ok((await session()).expires < inDays(2));
    });
    await step("a visit renews it", async () => {
      const { value } = await session();
      await phone.goto(`${base}/device`);
      await connected(phone);
      const renewed = await session();
      assert.ok(renewed.expires > inDays(300), new Date(renewed.expires * 1000).toISOString());
      assert.deepEqual([renewed.value, renewed.httpOnly, renewed.sameSite], [value, true, "Lax"]);
    });
  },
};

function pledge() {
  let resolve;
  return { promise: new Promise((kept) => (resolve = kept)), resolve: () => resolve() };
}

assert.ok(name in cases, `CASE is one of: ${Object.keys(cases).join(", ")}`);
await play(cases[name]);
