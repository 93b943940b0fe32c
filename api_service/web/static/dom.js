// Elements made from values. Strings become text, never markup.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  alert: "M12 4l9 16H3zM12 10v4M12 17v.01",
  after: "M9 5l7 7-7 7",
  before: "M15 5l-7 7 7 7",
  bell: "M6 17v-6a6 6 0 0 1 12 0v6l1.500 2h-15zM10 21.500h4",
  check: "M5 12.500l4.500 4.500L19 7.500",
  close: "M6 6l12 12M18 6L6 18",
  play: "M8 5.500v13l11-6.500z",
  plus: "M12 5v14M5 12h14",
  publish: "M12 16V4M7 9l5-5 5 5M5 20h14",
  retry: "M20 11a8 8 0 1 0-2.300 6.300M20 5v6h-6",
  trash: "M5 7h14M10 7V4.500h4V7M7 7l1 13h8l1-13",
};

/** Make an element: `on..` are listeners, true is an empty attribute, null and false are nothing. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== false));
  return element;
}

/** Make an icon; it is decoration, so whatever holds it has a name of its own. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", name === "play" ? "icon filled" : "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Make a button. `kind` is its look: primary, bare, small. */
export function button(words, onclick, { kind = "", icon: shape = null, ...attributes } = {}) {
  const look = { type: "button", class: `button ${kind}`.trim(), onclick, ...attributes };
  return h("button", look, shape && icon(shape), words);
}

export const find = (id) => document.getElementById(id);

/** Say something to whoever does not see it, also if it was said before. */
export function say(words) {
  find("said").textContent = "";
  setTimeout(() => (find("said").textContent = words), 50);
}

/** Show a few words for a while; a link or a button may follow them. */
export function toast(words, link = null, { milliseconds = 7000 } = {}) {
  const shown = h("div", { class: "toast" }, h("span", {}, words), link);
  find("toasts").replaceChildren(shown);
  say(words);
  setTimeout(() => shown.remove(), milliseconds);
}

export const tokens = (count) =>
  `${count.toLocaleString("en")} ${count === 1 ? "token" : "tokens"}`;

export const clock = (time) =>
  new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

/** A colour for a name: the same name always has the same. */
export function hue(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 360;
  return sum;
}

/** Make a button that presses itself when it comes near, once for each `watch()`. */
export function nearby(words, load) {
  const made = button(words, load);
  const watcher = new IntersectionObserver(
    (entries) => entries.some((entry) => entry.isIntersecting) && load(),
    { rootMargin: "900px" },
  );
  made.watch = () => {
    watcher.unobserve(made); // what is in view all the time would not be told again
    watcher.observe(made);
  };
  return made;
}
