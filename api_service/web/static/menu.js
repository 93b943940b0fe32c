// A menu of actions behind a button. Keys: arrows, Home, End; Escape returns to the button.

import { button, h, icon } from "./dom.js";

const GAP_PX = 6;
const EDGE_PX = 8;
const WIDTH_PX = 240;
const MOVED_PX = 4;

const topOf = (element) => element.getBoundingClientRect().top;

/**
 * Create the button and its menu. `choices()` returns what can be chosen when the menu opens.
 * @param {string} label
 * @param {() => { label: string, icon: string, act: () => void }[]} choices
 */
export function menuButton(label, choices, look = {}) {
  const name = { icon: "more", "aria-label": label, title: label };
  const opener = button("", null, { ...look, ...name });
  opener.setAttribute("aria-haspopup", "menu");
  opener.setAttribute("aria-expanded", "false");
  const menu = h("div.menu", { role: "menu", "aria-label": label, popover: "auto" });
  /** @returns {HTMLElement[]} */
  const items = () => [...menu.querySelectorAll("button")];
  let isFromEnd = false;
  let openedAt = 0;

  const close = () => menu.matches(":popover-open") && menu.hidePopover();
  const choose = (act) => {
    close(); // returns the focus to the button, where a dialog leaves it again
    act();
  };
  const item = (choice) =>
    h(
      "button.menu-item",
      { type: "button", role: "menuitem", tabindex: "-1", onclick: () => choose(choice.act) },
      icon(choice.icon),
      choice.label,
    );

  opener.popoverTargetElement = menu;
  opener.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    event.stopPropagation();
    isFromEnd = event.key === "ArrowUp";
    menu.showPopover();
  });
  menu.addEventListener("beforetoggle", ({ newState }) => {
    if (newState !== "open") return;
    menu.replaceChildren(...choices().map(item));
    openedAt = topOf(opener);
    place(menu, opener.getBoundingClientRect());
  });
  menu.addEventListener("toggle", ({ newState }) => {
    const isOpen = newState === "open";
    opener.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) return removeEventListener("scroll", onScroll, true);
    addEventListener("scroll", onScroll, true);
    items().at(isFromEnd ? -1 : 0)?.focus();
    isFromEnd = false;
  });
  menu.addEventListener("keydown", (event) => onKey(event, menu, close));
  // A scroll event may come late, after a scroll that ended before the menu opened.
  const onScroll = () => Math.abs(topOf(opener) - openedAt) > MOVED_PX && close();
  return h("span.menu-anchor", opener, menu);
}

function onKey(event, menu, close) {
  event.stopPropagation(); // a viewer around it has its own keys
  const items = [...menu.children];
  const index = items.indexOf(document.activeElement);
  const target = {
    ArrowDown: items[(index + 1) % items.length],
    ArrowUp: items.at(index - 1),
    Home: items[0],
    End: items.at(-1),
  }[event.key];
  if (event.key === "Tab") close();
  if (!target) return;
  event.preventDefault();
  target.focus();
}

/** Put the menu above or below its button, where there is more room. */
function place(menu, { top, bottom, left, right }) {
  const height = document.documentElement.clientHeight;
  const width = document.documentElement.clientWidth;
  const isBelow = bottom < height - top;
  const room = (isBelow ? height - bottom : top) - GAP_PX - EDGE_PX;
  const isLeft = right > WIDTH_PX + EDGE_PX;
  const inset = [
    isBelow ? `${bottom + GAP_PX}px` : "auto",
    isLeft ? `${width - right}px` : "auto",
    isBelow ? "auto" : `${height - top + GAP_PX}px`,
    isLeft ? "auto" : `${Math.max(EDGE_PX, Math.min(left, width - WIDTH_PX - EDGE_PX))}px`,
  ];
  menu.style.setProperty("inset", inset.join(" "));
  menu.style.setProperty("max-height", `${room}px`);
}
