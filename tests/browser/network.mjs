// A phone on the local network: neither https nor loopback, where browsers say less about who sends a form. The
// console is asked for in the same way.
//
//   node network.mjs DEMO_URL PHONE_LINK CONSOLE_LINK
//
// The host must answer to the names phone.test and console.test.

import assert from "node:assert/strict";

import { play, screen, step } from "./browser.mjs";
import { PENDING, client, enrol, press } from "./phone.mjs";

const [demoUrl, ...links] = process.argv.slice(2);
const demo = client(new URL(demoUrl).origin);
/** The link under a name of ours, and the rule that leads the name there. */
const named = (link, name) => [link.replace(new URL(link).host, name), `MAP ${name} ${new URL(link).host}`];
const [[phoneLink, phoneRule], [consoleLink, consoleRule]] = [named(links[0], "phone.test"), named(links[1], "console.test")];

await play(
  async (browser) => {
    const phone = await step("a phone on the local network is enrolled", async () => {
      const phone = await enrol(browser, phoneLink);
      assert.equal(await phone.evaluate(() => isSecureContext), false, "what browsers make of this address");
      await phone.getByText("Not encrypted. Demo only.").waitFor();
      return phone;
    });
    await step("it answers", async () => {
      const asked = await demo.ask("Over the air");
      await press(phone.locator(PENDING), "Approve");
      await phone.getByRole("heading", { name: "Approved. Return to Demo client." }).waitFor();
      assert.equal(await demo.poll(asked), "tokens");
    });
    await step("it opens a link to a request", async () => {
      await phone.goto("http://phone.test/device#open=not.ours");
      await phone.getByRole("button", { name: "Show the request" }).click();
      await phone.getByRole("heading", { name: "This link was already used, or it is too old." }).waitFor();
      await phone.getByRole("link", { name: "Back to requests" }).click();
    });
    await step("it is removed", async () => {
      await phone.getByRole("link", { name: "History" }).click();
      await phone.getByText("Remove this phone").click();
      await phone.getByRole("button", { name: "Remove it now" }).click();
      await phone.getByRole("heading", { name: "This phone is no longer connected." }).waitFor();
    });
    await step("the operator signs in from elsewhere", async () => {
      const operator = await (await screen(browser, "desktop")).newPage();
      await operator.goto(consoleLink);
      await operator.getByRole("heading", { name: "1 plugin serving" }).waitFor();
    });
  },
  `${phoneRule}, ${consoleRule}`,
);
