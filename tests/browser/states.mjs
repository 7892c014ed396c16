// Walks every state of /demo/states as people meet it: phone and desktop, light and dark, English and
// Arabic, 200 % text. Fails on anything that sticks out, on an accessibility violation, on a missing string.
//
//   node states.mjs http://127.0.0.1:8080 [--shots DIR] [--only NAME,NAME]

import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { VIEWPORTS, installed, launch } from "./browser.mjs";
import { missingStrings, sticksOut } from "./looks.mjs";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { shots: { type: "string" }, only: { type: "string" } },
});
const base = positionals[0];
if (!base) {
  console.error("usage: node states.mjs BASE_URL [--shots DIR] [--only NAME,NAME]");
  process.exit(2);
}

const SCHEMES = ["light", "dark"];
const AXE_RULES = { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] };
const axe = await readFile(installed.resolve("axe-core/axe.min.js"), "utf8");

const browser = await launch();
const failures = [];
let looks = 0;

try {
  const states = await listStates();
  if (options.shots) await mkdir(options.shots, { recursive: true });
  const walk = async ([viewport, size]) => {
    const page = await browser.newPage({ viewport: size, reducedMotion: "reduce" });
    for (const state of states) await look(page, state, viewport);
    await page.close();
  };
  await Promise.all(Object.entries(VIEWPORTS).map(walk));
} finally {
  await browser.close();
}

for (const failure of failures) console.error(failure);
console.log(`${looks} looks, ${failures.length} failures`);
process.exit(failures.length ? 1 : 0);

/** The index names every state and language; what it does not list does not exist. */
async function listStates() {
  const page = await browser.newPage();
  const answer = await page.goto(`${base}/demo/states`);
  if (!answer?.ok()) throw new Error(`${base}/demo/states answered ${answer?.status()}`);
  const paths = await page.$$eval("main a[href^='/demo/states/']", (links) => links.map((link) => link.getAttribute("href")));
  await page.close();
  const wanted = options.only?.split(",");
  const states = paths.map((path) => {
    const url = new URL(path, base);
    const name = url.pathname.split("/").at(-1);
    return { name, language: url.searchParams.get("lang") ?? "en", url: url.href };
  });
  states.push({ name: "index", language: "en", url: `${base}/demo/states` });
  return states.filter((state) => !wanted || wanted.includes(state.name));
}

async function look(page, state, viewport) {
  const said = [];
  const listen = (message) => ["error", "warning"].includes(message.type()) && said.push(message.text());
  // Aborted is what our own walking on does to a page that still loads.
  const lost = (request) => request.failure()?.errorText !== "net::ERR_ABORTED" && said.push(`${request.url()} failed`);
  const crashed = (error) => said.push(String(error));
  page.on("console", listen).on("requestfailed", lost).on("pageerror", crashed);
  const answer = await page.goto(state.url, { waitUntil: "load" });
  const where = `${state.name} ${state.language} ${viewport}`;
  if (!answer?.ok()) failures.push(`${where}: answered ${answer?.status()}`);
  // Longer than the buttons take to arm.
  if (await page.$(".answer")) await page.waitForTimeout(750);
  for (const scheme of SCHEMES) {
    await page.emulateMedia({ colorScheme: scheme });
    await check(page, `${where} ${scheme}`, [sticksOut, missingStrings], true);
    if (options.shots) {
      const file = `${state.name}.${state.language}.${viewport}.${scheme}.png`;
      await page.screenshot({ path: join(options.shots, file), fullPage: true });
    }
  }
  await page.evaluate(() => (document.documentElement.style.fontSize = "200%"));
  await check(page, `${where} 200 %`, [sticksOut], false);
  if (options.shots) {
    await page.screenshot({ path: join(options.shots, `${state.name}.${state.language}.${viewport}.200.png`), fullPage: true });
  }
  page.off("console", listen).off("requestfailed", lost).off("pageerror", crashed);
  failures.push(...said.map((line) => `${where}: the browser said: ${line}`));
}

async function check(page, where, questions, withAxe) {
  looks += 1;
  const report = (problems) => failures.push(...problems.map((problem) => `${where}: ${problem}`));
  for (const question of questions) report(await page.evaluate(question));
  if (withAxe) report(await violations(page));
}

async function violations(page) {
  const loaded = await page.evaluate(() => "axe" in window);
  if (!loaded) await page.evaluate(axe);
  const result = await page.evaluate((runOnly) => window.axe.run(document, { runOnly, resultTypes: ["violations"] }), AXE_RULES);
  return result.violations.map(
    ({ id, help, nodes }) => `axe ${id}: ${help}: ${nodes.map((node) => node.html.slice(0, 140)).join(" | ")}`,
  );
}
