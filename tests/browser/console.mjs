// The console's pages of clients, keys and requests, and the banner of the conformance switch.
//
//   node console.mjs CONSOLE_LINK BASE_URL ODD_CLIENT [BANNER]
//
// ODD_CLIENT is a client_id that has to be quoted in an address. With BANNER, every page says these words in its banner;
// without, no page has one.

import assert from "node:assert/strict";

import { play, screen, step } from "./browser.mjs";
import { client } from "./phone.mjs";

const [link, base, odd, banner] = process.argv.slice(2);

await play(async (browser) => {
  const operator = await (await screen(browser, "desktop")).newPage();
  const heading = (name) => operator.getByRole("heading", { name, exact: true, level: 1 });
  const open = (name) => operator.getByRole("navigation").getByRole("link", { name, exact: true }).click();
  const fact = (name) => operator.locator(".registered > div", { has: operator.locator(`dt code:text-is("${name}")`) }).locator("dd");
  /** What stands on every page, whatever it shows. */
  const bannered = async () => {
    const notes = operator.getByRole("note").filter({ hasText: "Conformance mode" });
    assert.equal(await notes.count(), banner ? 1 : 0, `banners on ${operator.url()}`);
    if (banner) for (const words of banner.split("|")) assert.ok((await notes.innerText()).includes(words), `the banner says “${words}”`);
  };

  await step("the operator signs in", async () => {
    await operator.goto(link);
    await operator.getByRole("link", { name: "Requests" }).waitFor();
    await bannered();
  });
  await step("every client is listed, with how it proves itself and hears", async () => {
    await open("Clients");
    await heading("Clients").waitFor();
    const row = operator.locator(".rows > li", { has: operator.getByRole("link", { name: "Demo client", exact: true }) });
    for (const words of ["demo", "with the demo", "client_secret_basic", "poll"]) {
      assert.ok((await row.innerText()).includes(words), `the row says “${words}”`);
    }
    await bannered();
  });
  await step("one of them says what is registered, and no secret", async () => {
    await operator.getByRole("link", { name: "Demo client", exact: true }).click();
    await heading("Demo client").waitFor();
    assert.equal(await fact("long_poll").count(), 0, "what is not registered is not said");
    assert.equal(await fact("backchannel_token_delivery_mode").innerText(), "poll");
    assert.ok(!(await operator.content()).includes("demo-secret"), "the secret is not on the page");
    await bannered();
  });
  await step("a name that needs quoting leads to its page, and a name that is none to a sentence", async () => {
    await operator.getByRole("link", { name: "All clients" }).click();
    await heading("Clients").waitFor();
    await operator.getByRole("link", { name: odd, exact: true }).click();
    await heading(odd).waitFor();
    await operator.goto(new URL("/clients/nobody", operator.url()).href);
    await heading("There is no client called nobody").waitFor();
    await bannered();
  });
  await step("each key says what it does and what comes next", async () => {
    await open("Keys");
    await heading("Keys").waitFor();
    for (const alg of ["ES256", "PS256", "RS256", "EdDSA"]) {
      const row = operator.locator(".rows > li", { has: operator.getByRole("heading", { name: alg, exact: true }) });
      // RSA keys are made while the host runs already; the page follows.
      await row.locator(".badge", { hasText: "active" }).waitFor();
    }
    await operator.getByText("ciba-host key rotate").waitFor();
    await bannered();
  });
  await step("a request says how its client hears of it, and leads to the client", async () => {
    await open("Requests");
    await heading("Requests").waitFor();
    await client(base).ask("For nobody to see");
    const row = operator.locator("tbody tr").first();
    await row.locator(".badge", { hasText: "pending" }).waitFor();
    assert.equal(await row.locator(".words").innerText(), "poll");
    assert.ok(!(await operator.content()).includes("For nobody to see"), "the binding message is the person's own");
    await bannered();
    await row.getByRole("link", { name: "demo", exact: true }).click();
    await heading("Demo client").waitFor();
  });
});
