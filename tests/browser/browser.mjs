// What the scripts of this folder share: the browser, the screens of the people in it, and steps that have names.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";

// What tests/node installs serves every test.
export const installed = createRequire(new URL("../node/package.json", import.meta.url));
const { chromium } = installed("playwright-core");

export const VIEWPORTS = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };

/** Longer than anything here takes on a busy machine. It bounds a wait, it measures nothing. */
export const PATIENCE = 60_000;

/** `rules` lead names of ours to addresses, for example "MAP phone.test 127.0.0.1:8090". */
export function launch(rules = "") {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...(rules ? [`--host-resolver-rules=${rules}`] : []),
    ],
  });
}

let doing = "the browser starts";
const wrong = [];

/** One step of a story, by its name: what a failure is called. */
export async function step(name, act) {
  doing = name;
  const result = await act();
  assert.deepEqual(wrong, [], "what pages complained about");
  console.log(`ok ${name}`);
  return result;
}

/** Plays a story in a browser of its own. What fails says in which step. */
export async function play(story, rules) {
  const browser = await launch(rules);
  try {
    await story(browser);
    console.log("ok all");
  } catch (error) {
    console.log(`failed ${doing}: ${error.stack}`);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

/** A screen with cookies of its own. */
export async function screen(browser, viewport, options = {}) {
  const phone = viewport === "phone" ? { isMobile: true, hasTouch: true } : {};
  const context = await browser.newContext({ viewport: VIEWPORTS[viewport], ...phone, ...options });
  context.setDefaultTimeout(PATIENCE);
  context.on("page", watch);
  return context;
}

/** A script that threw, or something that the content policy kept out, is a failure of whichever step it happens in. */
function watch(page) {
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => message.text().includes("Content Security Policy") && wrong.push(message.text()));
}

/** Looks again until there is something to see. */
export async function until(what, look) {
  for (const end = performance.now() + PATIENCE; ; await pause(100)) {
    const seen = await look();
    if (seen) return seen;
    assert.ok(performance.now() < end, `this did not happen: ${what}`);
  }
}

/** Marks a page. A page that was loaded again has lost its mark. */
export const mark = (page) => page.evaluate(() => void (window.marked = true));
export const isMarked = (page) => page.evaluate(() => window.marked === true);
