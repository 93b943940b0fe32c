// Endless scrolling: the pages of a list, loaded one after the other as its end comes into view.

import { call } from "./api.js";
import { button, find } from "./dom.js";
import { errorMessage } from "./errors.js";
import { text } from "./messages.js";

/** Focus the control of the next visible element of a list, of the previous, or the page. */
export function focusNear(element, control) {
  for (const way of ["nextElementSibling", "previousElementSibling"]) {
    for (let near = element[way]; near; near = near[way])
      if (!near.hidden) return near.querySelector(control).focus();
  }
  find("main").focus();
}

export class Pager {
  /** @type {string | null} */
  cursor = null;
  isAtEnd = false;
  /** @type {Promise<any> | null} */
  loading = null;
  more = button(text.showMore, () => this.load());
  observer = new IntersectionObserver(
    (entries) => entries.some((entry) => entry.isIntersecting) && this.load(),
    { rootMargin: "900px" },
  );

  /** `take(creations)` adds a page to `list`; `below` shows the button and the errors. */
  constructor({ path, anonymous = false, list, below, take }) {
    this.options = { path, anonymous, list, below, take };
  }

  /** Load the next page, or join the load in progress; return the error that it shows, or null. */
  load() {
    this.loading ??= this.loadNext().finally(() => (this.loading = null));
    return this.loading;
  }

  async loadNext() {
    if (this.isAtEnd) return null;
    const { path, anonymous, list, below, take } = this.options;
    list.setAttribute("aria-busy", "true");
    const query = new URLSearchParams({ limit: "20", ...(this.cursor && { cursor: this.cursor }) });
    try {
      const { data } = await call(`${path}?${query}`, { anonymous });
      this.cursor = data.nextCursor;
      this.isAtEnd = this.cursor === null;
      take(data.creations ?? data.transactions);
    } catch (error) {
      below.replaceChildren(errorMessage(error), this.more);
      return error;
    } finally {
      list.removeAttribute("aria-busy");
    }
    below.replaceChildren(...(this.isAtEnd ? [] : [this.more]));
    this.observer.unobserve(this.more); // without this, a button that stays in view fires only once
    this.observer.observe(this.more);
    return null;
  }
}
