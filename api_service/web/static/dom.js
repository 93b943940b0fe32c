// DOM elements from values. Strings become text, never markup.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  alert: "M12 4l9 16H3zM12 10v4M12 17v.01",
  bell: "M6 17v-6a6 6 0 0 1 12 0v6l1.500 2h-15zM10 21.500h4",
  check: "M5 12.500l4.500 4.500L19 7.500",
  close: "M6 6l12 12M18 6L6 18",
  link: "M10 14a4 4 0 0 0 5.700 0l3-3a4 4 0 0 0-5.700-5.700l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3a4 4 0 0 0 5.700 5.700l1-1",
  clock: "M12 7.500V12l3 2M12 3.500a8.500 8.500 0 1 0 .01 0",
  download: "M12 4v12M7 11l5 5 5-5M5 20h14",
  edit: "M4.500 19.500l1-4L16 5l3 3L8.500 18.500z",
  info: "M12 11v5M12 8v.01M12 3.500a8.500 8.500 0 1 0 .01 0",
  more: "M5 11.500a.6.6 0 1 0 .01 0M12 11.500a.6.6 0 1 0 .01 0M19 11.500a.6.6 0 1 0 .01 0",
  heart: "M12 20C7 16.500 3.500 13 3.500 9.300A4.500 4.500 0 0 1 12 7.100a4.500 4.500 0 0 1 8.500 2.200C20.500 13 17 16.500 12 20z",
  next: "M9 5l7 7-7 7",
  play: "M8 5.500v13l11-6.500z",
  previous: "M15 5l-7 7 7 7",
  publish: "M12 16V4M7 9l5-5 5 5M5 20h14",
  retry: "M20 11a8 8 0 1 0-2.300 6.300M20 5v6h-6",
  share:
    "M15.500 7.500l-7 3.500M8.500 13l7 3.500M18 3.700a2.500 2.500 0 1 0 .01 0M6 9.500a2.500 2.500 0 1 0 .01 0M18 15.300a2.500 2.500 0 1 0 .01 0",
  trash: "M5 7h14M10 7V4.500h4V7M7 7l1 13h8l1-13",
};

/**
 * Create an element from a tag with classes ("div.card"), optional attributes, and children.
 * A function is a listener (`onclick`), true an empty attribute; null and false are left out.
 * @template {string} Selector
 * @param {Selector} selector
 * @param {...(Child | Record<string, unknown>)} parts
 * @returns {ElementOf<Selector>}
 */
export function h(selector, ...parts) {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  const attributes = parts[0]?.constructor === Object ? parts.shift() : {};
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(.../** @type {(Node | string)[]} */ (parts.filter(Boolean)));
  return /** @type {ElementOf<Selector>} */ (element);
}

/** Create an SVG element with attributes and children; strings become text. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** Create a decorative icon: its parent needs an accessible name. */
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

/** Create a button. `kind` is its appearance: primary, bare, small, large. */
export function button(label, onclick, { kind = "", icon: shape = "", ...attributes } = {}) {
  const all = { type: "button", class: `button ${kind}`.trim(), onclick, ...attributes };
  return h("button", all, shape && icon(shape), label);
}

// A busy button keeps its focus, which `disabled` would take away.
export const isBusy = (element) => element.getAttribute("aria-disabled") === "true";
export const setBusy = (element, busy) => element.setAttribute("aria-disabled", String(busy));

/**
 * Return the element with this id, which the page must have.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} [type]
 */
export function find(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof (type ?? HTMLElement))) throw new TypeError(`#${id} is missing`);
  return /** @type {T} */ (found);
}

export const emptyState = (title, ...parts) => h("div.empty-state", h("h2", title), ...parts);

/**
 * Return an element of the page's frame, moved into the dialog that is open: what is outside of a modal
 * dialog is neither seen nor heard. It moves back when the dialog closes.
 */
function inFront(id) {
  const element = find(id);
  const dialog = [...document.querySelectorAll("dialog[open]")].at(-1);
  const host = dialog ?? document.body;
  if (element.parentElement === host) return element;
  host.append(element);
  const moveBack = () => element.parentElement === dialog && document.body.append(element);
  dialog?.addEventListener("close", moveBack, { once: true });
  return element;
}

/** Announce a text to screen readers, also if it is the same as before. */
export function announce(message) {
  const announcer = inFront("announcer");
  announcer.textContent = "";
  setTimeout(() => (announcer.textContent = message), 50);
}

const isInUse = (element) => element.matches(":hover, :focus-within");

/**
 * Show a short text for a while, with an optional link or button. It stays while it is in use.
 * @param {string} message
 * @param {HTMLElement} [action]
 */
export function toast(message, action, { milliseconds = 7000 } = {}) {
  let isOver = false;
  const end = () => setTimeout(() => isOver && !isInUse(shown) && shown.remove());
  const used = { onmouseleave: end, onfocusout: end };
  const shown = h("div.shell-toast", used, h("span", message), action);
  const toasts = inFront("toasts");
  for (const other of toasts.querySelectorAll(".shell-toast")) if (!isInUse(other)) other.remove();
  toasts.append(shown);
  announce(message);
  setTimeout(() => {
    isOver = true;
    end();
  }, milliseconds);
}

/** Color an avatar by its name, and show its initial. */
export function drawAvatar(element, name) {
  let hue = 0;
  for (const letter of name) hue = (hue * 31 + letter.codePointAt(0)) % 360;
  element.textContent = name[0];
  element.style.setProperty("--hue", String(hue));
}

/** Return how many dialogs are open. After an `await`, another number means a second click. */
export const openDialogs = () => document.querySelectorAll("dialog[open]").length;

/** @type {Map<string, Promise<Event>>} */
const styles = new Map();

/** Load a stylesheet of this folder once. A failure is ignored: the page works without it. */
export function loadStyle(name) {
  const { href } = new URL(name, import.meta.url);
  const load = (done) => {
    const onerror = (event) => {
      styles.delete(name);
      done(event);
    };
    document.head.append(h("link", { rel: "stylesheet", href, onload: done, onerror }));
  };
  const style = styles.get(name) ?? new Promise(load);
  styles.set(name, style);
  return style;
}
