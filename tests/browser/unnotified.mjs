// Nobody is told about a request while no notify plugin serves: it waits, and only *Check now* finds it.
//
//   node unnotified.mjs DEMO_URL PHONE_LINK SECOND_PHONE_LINK

import assert from "node:assert/strict";

import { isMarked, play, screen, step } from "./browser.mjs";
import { PENDING, enrol, press } from "./phone.mjs";

const [demoUrl, phoneLink, secondLink] = process.argv.slice(2);

await play(async (browser) => {
  const phone = await enrol(browser, phoneLink);
  const second = await enrol(browser, secondLink);
  const demo = await (await screen(browser, "desktop")).newPage();
  const shop = demo.locator("#shop");

  await step("the demo page says that nothing serves", async () => {
    await demo.goto(demoUrl);
    await demo.getByText("No plugin is serving. Nobody is told about a request.").waitFor();
  });
  await step("Alice was not notified", async () => {
    await shop.getByRole("button", { name: "Pay 42.50 at Fern & Co" }).click();
    await shop.locator("strong", { hasText: "Alice was not notified: no notify plugin is serving" }).waitFor();
    // The page asks the server once more, as it does when somebody comes back to it.
    const asked = phone.waitForResponse((answer) => answer.url().endsWith("/device/cards"));
    await phone.evaluate(() => window.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
    assert.doesNotMatch(await (await asked).text(), /data-transaction/, "what the server has for the phone");
    assert.equal(await phone.locator(".card").count(), 0, "cards on the phone");
    assert.ok(await phone.getByRole("heading", { name: "No requests." }).isVisible());
  });
  await step("Check now finds it, for every phone of hers", async () => {
    await phone.getByRole("button", { name: "Check now" }).click();
    const card = phone.locator(PENDING);
    await card.waitFor();
    await second.locator(PENDING).waitFor();
    assert.ok(await isMarked(second), "the other phone's page was not loaded again");
    assert.equal(await card.locator(".message p").textContent(), await shop.locator('[data-field="binding_message"]').textContent());
    await press(card, "Approve");
    await shop.getByRole("heading", { name: "Paid. Thank you, Alice." }).waitFor();
    assert.ok(await isMarked(phone), "the phone's page was not loaded again");
  });
});
