// One-time links. Their token stands in the fragment, which no server log, proxy or link scanner sees, and
// using it takes a press of a button.

const section = document.getElementById("enrol");
const screens = [...document.querySelectorAll("main > section, main > .quiet-state")];

export function openLinks() {
  readFragment();
  window.addEventListener("hashchange", readFragment);
  section?.querySelector("[data-look-again]")?.addEventListener("click", () => look(section.dataset.token));
}

function readFragment() {
  const [, kind, token] = location.hash.match(/^#(enrol|open)=(.+)$/) ?? [];
  if (!kind) return;
  // Out of the address bar and the history: the link is in nobody's way and on nobody's screenshot.
  history.replaceState(null, "", location.pathname + location.search);
  if (kind === "enrol" && section) look(token);
  if (kind === "open") offer(token);
}

/** Whose link is it? Looking does not use it up. */
async function look(token) {
  section.dataset.token = token;
  only(section);
  section.dataset.link = "looking";
  try {
    const body = new URLSearchParams({ token });
    const answer = await fetch("/device/enrol/look", { method: "POST", body, headers: { "x-requested-with": "fetch" } });
    if (answer.ok) ask(token, await answer.json());
    else section.dataset.link = [400, 404, 410].includes(answer.status) ? "used" : "unreachable";
  } catch {
    section.dataset.link = "unreachable";
  }
  section.querySelector(`[data-when="${section.dataset.link}"] [tabindex="-1"]`)?.focus();
}

function ask(token, { user_id: userId, user_name: userName }) {
  const form = section.querySelector("form[data-when='ready']");
  const known = document.getElementById("requests")?.dataset.user;
  if (known === userId) {
    section.dataset.link = "already";
    return;
  }
  form.querySelector("h1 bdi").textContent = userName;
  putToken(form, token);
  proposeName();
  section.dataset.link = "ready";
}

/** A link to one request: for a phone that is connected already. */
function offer(token) {
  const open = document.getElementById("open");
  if (!open) return isForAnother();
  putToken(open.querySelector("form"), token);
  only(open);
  open.querySelector("h1").focus();
}

/** On a phone that nobody is connected with, a link to a request is not lost without a word. */
function isForAnother() {
  if (!section) return;
  only(section);
  section.dataset.link = "of-request";
  section.querySelector("[data-when='of-request'] h1").focus();
}

function putToken(form, token) {
  const input = form.querySelector("input[name='token']") ?? document.createElement("input");
  Object.assign(input, { type: "hidden", name: "token", value: token });
  form.append(input);
  form.addEventListener("submit", () => form.querySelector("button").setAttribute("aria-disabled", "true"), { once: true });
}

function only(shown) {
  for (const screen of screens) screen.hidden = screen !== shown;
}

export function proposeName() {
  const name = section?.querySelector("input[name='name']");
  if (name) name.value ||= guessName(name.dataset.guess);
}

/** "Chrome on Android": good enough to tell two phones apart, and the person can change it. */
function guessName(pattern) {
  const agent = navigator.userAgent;
  const first = (pairs) => pairs.find(([word]) => agent.includes(word))?.[1] ?? "";
  const browser = first([
    ["Edg", "Edge"],
    ["OPR", "Opera"],
    ["SamsungBrowser", "Samsung Internet"],
    ["Firefox", "Firefox"],
    ["FxiOS", "Firefox"],
    ["Chrome", "Chrome"],
    ["CriOS", "Chrome"],
    ["Safari", "Safari"],
  ]);
  const system = first([
    ["iPhone", "iPhone"],
    ["iPad", "iPad"],
    ["Android", "Android"],
    ["Windows", "Windows"],
    ["Macintosh", "Mac"],
    ["Linux", "Linux"],
  ]);
  return browser && system ? pattern.replace("{browser}", browser).replace("{system}", system) : browser || system;
}
