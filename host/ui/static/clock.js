// The server's clock. The phone's own may be an hour wrong and is never asked what time it is.

/** Server milliseconds when `performance.now()` was 0. */
let origin = 0;

/** The server said `milliseconds`; `at` is when it said so, on this page's own stopwatch. */
export function learn(milliseconds, at) {
  if (Number.isFinite(milliseconds)) origin = milliseconds - at;
}

/** The page itself carries the time at which it was rendered, just before its first byte left. */
export function learnFromPage() {
  const [navigation] = performance.getEntriesByType("navigation");
  learn(Number(document.body.dataset.now), navigation?.responseStart ?? 0);
}

export function now() {
  return performance.now() + origin;
}

/** `1:42`, or `1:01:42`. */
export function spell(milliseconds) {
  const left = Math.max(0, Math.ceil(milliseconds / 1000));
  const [minutes, seconds] = [Math.floor(left / 60), String(left % 60).padStart(2, "0")];
  if (minutes < 60) return `${minutes}:${seconds}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${seconds}`;
}

// Digits stay European in every language, so that they can be compared with the other screen.
const { lang } = document.documentElement;
const region = navigator.languages.find((language) => language.startsWith(`${lang}-`)) ?? lang;
const locale = `${region}-u-nu-latn-hc-h23`;
const clock = { hour: "2-digit", minute: "2-digit" };
const forms = {
  clock: new Intl.DateTimeFormat(locale, clock),
  seconds: new Intl.DateTimeFormat(locale, { ...clock, second: "2-digit" }),
  day: new Intl.DateTimeFormat(locale, { ...clock, day: "numeric", month: "short" }),
};

/** Says every time below `root` in the reader's zone. */
export function tellTimes(root) {
  for (const time of root.querySelectorAll("time[data-form]")) {
    time.textContent = forms[time.dataset.form].format(new Date(time.dateTime));
    time.dir = time.dataset.form === "day" ? "auto" : "ltr";
  }
}

/** Calls `resync` when the stopwatch stood still, as it does while a phone sleeps. */
export function watchForSleep(resync) {
  let [wall, stopwatch] = [Date.now(), performance.now()];
  setInterval(() => {
    const slept = Date.now() - wall - (performance.now() - stopwatch);
    [wall, stopwatch] = [Date.now(), performance.now()];
    if (Math.abs(slept) > 2000) resync();
  }, 1000);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && resync());
  window.addEventListener("pageshow", (event) => event.persisted && resync());
}
