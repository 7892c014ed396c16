// The console follows the server: when something changed, the page is fetched again and its middle replaced.

import { tellTimes } from "./clock.js";
import { follow } from "./live.js";

const fixture = document.body.hasAttribute("data-fixture");
const announcer = document.getElementById("announcer");

tellTimes(document);
showLogEnd();
if (!fixture) {
  signIn();
  if (document.querySelector("main[data-follows]")) followServer();
}

/** The token of a one-time link stands in the fragment; it leaves the address bar before it is used. */
function signIn() {
  const [, token] = location.hash.match(/^#login=(.+)$/) ?? [];
  if (!token) return;
  history.replaceState(null, "", location.pathname);
  const form = document.querySelector("form[data-when='link']");
  // Already signed in: the link stays unused.
  if (!form) return;
  const input = Object.assign(document.createElement("input"), { type: "hidden", name: "token", value: token });
  form.append(input);
  form.hidden = false;
  document.querySelector("[data-when='no-link']").hidden = true;
  form.submit();
}

function followServer() {
  let due = 0;
  // Under load many things change each second; the eye needs two looks a second at most.
  const soon = () => (due ||= setTimeout(() => ((due = 0), refresh().catch(() => {})), 500));
  // A plugin's page also follows what the plugin logs.
  const { plugin } = document.getElementById("main").dataset;
  follow(plugin ? `/events?plugin=${encodeURIComponent(plugin)}` : "/events", {
    hear: (name) => name === "changed" && soon(),
    state(word) {
      if (word === "gone") return location.reload();
      document.body.toggleAttribute("data-away", word === "offline");
      if (word === "connected") soon();
    },
  });
}

async function refresh() {
  const answer = await fetch(location.href, { cache: "no-store", headers: { "x-requested-with": "fetch" } });
  if (answer.status === 401 || answer.redirected) return location.reload();
  if (!answer.ok && answer.status !== 404) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const next = fresh.getElementById("main");
  const main = document.getElementById("main");
  if (!next) return;
  tellTimes(next);
  if (next.innerHTML === main.innerHTML) return;
  // Between press and release a button must stay where it is.
  if (main.querySelector("button:active")) return void setTimeout(() => refresh().catch(() => {}), 500);
  const headline = main.querySelector("h1")?.textContent;
  const keep = remember(main);
  patch(main, next);
  document.title = fresh.title;
  keep();
  const said = main.querySelector("h1")?.textContent;
  if (said !== headline) announcer.textContent = said ?? "";
}

/** Replaces what is different, part by part: what is not stays as it is, with what was typed and marked there. */
function patch(main, next) {
  for (const { id } of main.querySelectorAll("details[open][id]")) next.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
  const [parts, fresh] = [[...main.children], [...next.children]];
  if (parts.length !== fresh.length || parts.some((part, at) => part.id !== fresh[at].id)) return main.replaceChildren(...next.childNodes);
  parts.forEach((part, at) => {
    if (part.isEqualNode(fresh[at])) return;
    const [lines, more] = [part, fresh[at]].map((of) => of.querySelector(".log ol"));
    if (lines && more && grow(lines, more)) return;
    part.replaceWith(fresh[at]);
  });
}

/** A log only loses lines at its beginning and gains some at its end; `false` where it has become another. */
function grow(lines, more) {
  const first = more.firstElementChild;
  while (first && lines.firstElementChild && !lines.firstElementChild.isEqualNode(first)) lines.firstElementChild.remove();
  lines.append(...[...more.children].slice(lines.children.length).map((line) => line.cloneNode(true)));
  const words = (list) => list.textContent.replace(/\s+/gu, " ").trim();
  return words(lines) === words(more);
}

/** What a reader would lose: the focus, what was typed, and how far the log was scrolled. */
function remember(main) {
  const { activeElement } = document;
  const id = main.contains(activeElement) ? activeElement.id : "";
  const log = main.querySelector(".log");
  const atEnd = log && log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
  const top = log?.scrollTop ?? 0;
  const typed = [...main.querySelectorAll("input[type='text'][id]")].filter((input) => input.value !== input.defaultValue);
  return () => {
    for (const { id, value } of typed) {
      const input = document.getElementById(id);
      if (input) input.value = value;
    }
    if (id) document.getElementById(id)?.focus({ preventScroll: true });
    const fresh = main.querySelector(".log");
    if (fresh) fresh.scrollTop = atEnd ? fresh.scrollHeight : top;
  };
}

function showLogEnd() {
  const log = document.querySelector(".log");
  if (log) log.scrollTop = log.scrollHeight;
}
