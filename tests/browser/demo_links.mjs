// The demo page opens the phone and the console, however often and for whomever: each press makes a link of its own.
//
//   node demo_links.mjs DEMO_URL

import assert from "node:assert/strict";

import { play, screen, step } from "./browser.mjs";
import { connected } from "./phone.mjs";

const [demoUrl] = process.argv.slice(2);

await play(async (browser) => {
  const openDemo = async () => {
    const demo = await (await screen(browser, "desktop")).newPage();
    await demo.goto(demoUrl);
    return demo;
  };
  const press = async (demo, name) => {
    const opened = demo.context().waitForEvent("page");
    await demo.getByRole("button", { name }).click();
    return opened;
  };
  const demo = await openDemo();
  await step("the phone is opened, and added", async () => {
    const phone = await press(demo, "Open the phone");
    await phone.getByRole("heading", { name: "Add this phone for Alice?" }).waitFor();
    assert.notEqual(new URL(phone.url()).origin, new URL(demoUrl).origin, "the phone has a listener of its own");
    await phone.getByRole("button", { name: "Add this phone" }).click();
    await connected(phone);
  });
  await step("opened again, its link is not a used one", async () => {
    const phone = await press(demo, "Open the phone");
    await phone.getByRole("heading", { name: "This phone is already connected for Alice." }).waitFor();
  });
  await step("the console is opened", async () => {
    const operator = await press(demo, "Open the console");
    await operator.getByRole("heading", { name: "1 plugin serving" }).waitFor();
  });
  await step("somebody else opens both", async () => {
    const other = await openDemo();
    const phone = await press(other, "Open the phone");
    await phone.getByRole("heading", { name: "Add this phone for Alice?" }).waitFor();
    const operator = await press(other, "Open the console");
    await operator.getByRole("heading", { name: "1 plugin serving" }).waitFor();
  });
  await step("no other page can have such a link", async () => {
    for (const path of ["/demo/phone", "/demo/console"]) {
      const headers = { origin: "http://elsewhere.test" };
      const answer = await fetch(new URL(path, demoUrl), { method: "POST", redirect: "manual", headers });
      assert.deepEqual([answer.status, answer.headers.get("location")], [403, null], path);
    }
  });
});
