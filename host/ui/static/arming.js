// When the two buttons may be pressed: not before they stood there for a moment, not without a connection,
// and Approve not before the end of the message, and of everything else that is approved, was on the screen.

const MOMENT = 600;

/** card → what keeps its buttons from being armed. */
const guards = new WeakMap();

function guardOf(card) {
  if (!guards.has(card)) guards.set(card, { rested: false, read: false, timer: 0 });
  return guards.get(card);
}

/** Starts (again) the moment for which the buttons of an open card stand still. */
export function arm(card) {
  const guard = guardOf(card);
  guard.rested = false;
  clearTimeout(guard.timer);
  guard.timer = setTimeout(() => {
    guard.rested = true;
    show(card);
  }, MOMENT);
  watchTheEnd(card);
  show(card);
}

export function disarm(card) {
  const guard = guardOf(card);
  guard.rested = false;
  clearTimeout(guard.timer);
  show(card);
}

/** Draws what `guardOf` and the connection say. */
export function show(card) {
  const guard = guardOf(card);
  const offline = document.body.dataset.connection === "offline";
  const ready = guard.rested && !offline;
  setReady(card.querySelector("button[value='deny']"), ready);
  // What cannot be shown whole cannot be approved: then there is no such button.
  const approve = card.querySelector("button[value='approve']");
  if (approve) setReady(approve, ready && guard.read);
  const line = (name) => card.querySelector(`[data-progress="${name}"]`);
  line("offline").hidden = !offline;
  line("read-on").hidden = !approve || offline || !guard.rested || guard.read || card.dataset.state !== "pending";
}

function setReady(button, ready) {
  if (ready) button.removeAttribute("aria-disabled");
  else button.setAttribute("aria-disabled", "true");
}

/** Pressing Approve too early leads to what is still to be read, by eye, by key or by ear. */
export function leadToTheEnd(card) {
  const guard = guardOf(card);
  if (guard.rested && !guard.read) [...(guard.unseen ?? [])][0]?.scrollIntoView({ block: "center" });
}

function watchTheEnd(card) {
  const guard = guardOf(card);
  if (guard.read || guard.observer) return;
  guard.unseen = new Set(card.querySelectorAll("[data-end]"));
  const covered = card.querySelector(".answer").offsetHeight;
  guard.observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        guard.unseen.delete(target);
        guard.observer.unobserve(target);
      }
      if (guard.unseen.size) return;
      guard.read = true;
      guard.observer.disconnect();
      show(card);
    },
    // What the buttons cover was not seen.
    { rootMargin: `0px 0px -${covered}px 0px` },
  );
  for (const end of guard.unseen) guard.observer.observe(end);
}
