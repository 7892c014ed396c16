// What stands behind the counter: the plugins, the figures, the steps. Drawn in place, so that nothing that
// is being read or has the focus is taken away.

const behind = document.querySelector(".behind");
const part = (root, name) => root.querySelector(`[data-field="${name}"]`);
const copyOf = (name) => behind.querySelector(`[data-template="${name}"]`).content.firstElementChild.cloneNode(true);

/** How long "1 → 2" stays to be seen. */
const FLIP = 15_000;

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function showStatus(status) {
  for (const name of ["started", "finished", "failed"]) write(part(behind, name), status[name].toLocaleString("en"));
  write(part(behind, "pid"), String(status.pid));
  write(part(behind, "uptime"), spellUptime(status.uptime_s));
  part(behind, "failed").parentElement.classList.toggle("bad", status.failed > 0);
  behind.querySelector("[data-traffic]").setAttribute("aria-checked", String(status.traffic));
  behind.querySelector("[data-no-plugins]").hidden = status.plugins.length > 0;
  const strip = behind.querySelector("[data-plugins]");
  const names = new Set(status.plugins.map((plugin) => plugin.name));
  for (const item of [...strip.children]) if (!names.has(item.dataset.plugin)) item.remove();
  for (const plugin of status.plugins) showPlugin(strip, plugin);
}

function showPlugin(strip, plugin) {
  let item = strip.querySelector(`[data-plugin="${CSS.escape(plugin.name)}"]`);
  if (!item) {
    item = copyOf("plugin");
    item.dataset.plugin = plugin.name;
    strip.append(item);
  }
  const before = part(item, "spoken").textContent;
  if (before && before !== plugin.spoken) flip(item, before);
  // "1 → 2" is news of a swap, not of a refusal.
  if (plugin.state !== "serving") part(item, "before").hidden = true;
  item.className = plugin.state;
  write(part(item, "name"), plugin.name);
  write(part(item, "spoken"), plugin.spoken);
  write(part(item, "digest"), plugin.digest ?? "");
  write(part(item, "sentence"), plugin.sentence);
  write(part(item, "message"), plugin.message ?? "");
  part(item, "message").hidden = !plugin.message;
}

function flip(item, before) {
  const element = part(item, "before");
  write(element, before);
  element.hidden = false;
  clearTimeout(item.flipping);
  item.flipping = setTimeout(() => (element.hidden = true), FLIP);
}

/** As the server spells it: coarse, so that it can be seen not to start again from nothing. */
function spellUptime(seconds) {
  if (seconds < 60) return `${seconds} s`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}

export function showSteps(steps) {
  const list = behind.querySelector("[data-steps]");
  behind.querySelector("[data-no-steps]").hidden = steps.length > 0;
  behind.querySelector("[data-own-steps]").hidden = steps.length === 0;
  while (list.children.length > steps.length) list.lastElementChild.remove();
  steps.forEach((step, index) => {
    const item = list.children[index] ?? list.appendChild(copyOf("step"));
    write(item.querySelector("summary"), step.title);
    write(part(item, "curl"), step.curl);
    write(part(item, "answer"), step.answer);
  });
}
