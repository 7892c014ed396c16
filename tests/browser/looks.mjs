// Two questions asked inside the page. Each answers with a list of problems in words.

/** What reaches past the screen, or past a box that does not scroll. */
export function sticksOut() {
  const problems = [];
  const width = document.documentElement.clientWidth;
  const page = document.scrollingElement;
  if (page.scrollWidth > width) problems.push(`the page is ${page.scrollWidth} wide on a screen of ${width}`);
  const describe = (element) => `<${element.localName} class="${element.className}"> “${element.textContent.trim().slice(0, 40)}”`;
  for (const element of document.body.querySelectorAll("*")) {
    if (!element.checkVisibility({ visibilityProperty: true }) || element.closest(".unseen, svg, input")) continue;
    const scroller = element.parentElement?.closest("pre, [role='region']");
    const box = element.getBoundingClientRect();
    if (!scroller && box.width > 0 && (box.left < -0.5 || box.right > width + 0.5)) {
      problems.push(`${describe(element)} stands at ${Math.round(box.left)}…${Math.round(box.right)} of ${width}`);
    }
    const { overflowX, fontSize } = getComputedStyle(element);
    const squeezed = box.width < 3 * parseFloat(fontSize) && element.textContent.trim().length > 6;
    if (squeezed && element.matches("h1, h2, h3, p, button, summary")) problems.push(`${describe(element)} has room for a letter or two`);
    if (["auto", "scroll"].includes(overflowX)) continue;
    const cut = ["hidden", "clip"].includes(overflowX);
    const drawn = element.matches("button, .button, .card, .panel, .till, .message, .note, .badge, li, td");
    if ((cut || drawn) && !scroller && element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1) {
      problems.push(`${describe(element)} is ${element.scrollWidth} wide in ${element.clientWidth}`);
    }
  }
  const answers = [...document.querySelectorAll(".answer")].filter((answer) => answer.checkVisibility());
  for (const answer of answers) {
    const share = answer.getBoundingClientRect().height / window.innerHeight;
    if (share > 0.6) problems.push(`the answer covers ${Math.round(share * 100)} % of the screen`);
  }
  if (answers.length > 1) problems.push(`${answers.length} answers are open at once`);
  return problems;
}

/** Words that are not there, or stand there in another language than the page's. */
export function missingStrings() {
  const problems = [];
  const empty = "h1, h2, h3, button, a, label, li, dt, th, p:not([data-field]):not([role]):not([aria-hidden])";
  for (const element of document.body.querySelectorAll(empty)) {
    const visible = element.checkVisibility({ visibilityProperty: true });
    if (visible && !element.textContent.trim()) problems.push(`an empty ${element.outerHTML.slice(0, 100)}`);
  }
  if (!document.title.trim()) problems.push("the page has no title");
  const ours = document.body.cloneNode(true);
  for (const element of ours.querySelectorAll("noscript")) {
    element.replaceWith(...new DOMParser().parseFromString(element.textContent, "text/html").body.childNodes);
  }
  // Foreign strings, codes and times are not ours to translate; the rest is, hidden or not.
  for (const element of ours.querySelectorAll("bdi, code, pre, time, svg, script, [lang]")) element.remove();
  for (const template of ours.querySelectorAll("template")) template.replaceWith(template.content);
  const words = ours.textContent;
  for (const left of ["undefined", "null", "NaN", "{{", "}}", "[object"]) {
    if (words.includes(left)) problems.push(`the page says “${left}”`);
  }
  const stray = document.documentElement.lang === "ar" ? /[A-Za-z]{2,}[^\u0600-\u06ff]*/u : /[\u0590-\u06ff]+/u;
  const found = words.match(stray);
  if (found) problems.push(`not in the page's language: “${found[0].trim().slice(0, 60)}”`);
  return problems;
}
