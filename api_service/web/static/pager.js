// Endless scrolling: the pages of a list, loaded one after the other as its end comes into view.

import { call } from "./api.js";
import { button, find, h } from "./dom.js";
import { errorMessage } from "./errors.js";
import { text } from "./messages.js";
import { placeOf, rememberPlace } from "./place.js";

const PAGE_SIZE = 20;
const LIMIT_MAX = 50;
const RESTORED_PAGES_MAX = 10;

/** Focus the control of the next visible element of a list, of the previous, or the page. */
export function focusNear(element, control) {
  for (const way of ["nextElementSibling", "previousElementSibling"]) {
    for (let near = element[way]; near; near = near[way])
      if (!near.hidden) return near.querySelector(control).focus();
  }
  find("main").focus();
}

const nothing = () => {};

export class Pager {
  /** @type {string | null} */
  cursor = null;
  isAtEnd = false;
  /** How many items were taken from the current sources. */
  count = 0;
  /** @type {Promise<any> | null} */
  loading = null;
  answered = nothing;
  more = button(text.showMore, () => this.load());
  problem = h("div", { role: "alert" });
  observer = new IntersectionObserver(
    (entries) => entries.some((entry) => entry.isIntersecting) && this.load(),
    { rootMargin: "900px" },
  );

  /**
   * `take(items, isAtEnd)` adds a page to `list`; `below` shows the button and the errors. A
   * list has the address `path`, or several that are read one after the other: its `sources`.
   */
  constructor({ path = "", sources = [path], anonymous = false, list, below, take }) {
    this.options = { anonymous, list, take };
    this.sources = sources;
    this.more.hidden = true;
    this.below = below;
    below.hidden = true; // without a size, it does not move when the first page comes
    below.replaceChildren(this.problem, this.more);
  }

  /** Load the first page; after Back or a reload, load up to the place where the user was. */
  async start() {
    const { list } = this.options;
    const place = placeOf(list);
    rememberPlace(list, () => this.count);
    let error = await this.load(Math.min(LIMIT_MAX, place?.count || PAGE_SIZE));
    const isMissing = () => place && !error && !place.isLoaded() && !this.isAtEnd;
    for (let page = 1; page < RESTORED_PAGES_MAX && isMissing(); page += 1)
      error = await this.load(LIMIT_MAX);
    place?.show();
    return error;
  }

  /**
   * Load other sources from their start, and drop late answers of the earlier ones; `answered` is
   * called before the first page is taken or its error shown.
   */
  restart(sources, answered) {
    Object.assign(this, { sources, answered, cursor: null, isAtEnd: false, count: 0 });
    this.loading = null;
    return this.load();
  }

  /** Load the next page, or join the load in progress; return the error that it shows, or null. */
  load(limit = PAGE_SIZE) {
    if (this.loading) return this.loading;
    const loading = this.loadNext(limit).finally(() => {
      if (this.loading === loading) this.loading = null;
    });
    this.loading = loading;
    return loading;
  }

  async loadNext(limit) {
    if (this.isAtEnd) return null;
    const { sources } = this;
    const { list, anonymous } = this.options;
    list.setAttribute("aria-busy", "true");
    const [answer, error] = await call(this.address(limit), { anonymous }).then(
      ({ data }) => [data, null],
      (reason) => [null, reason],
    );
    if (sources !== this.sources) return null; // a late answer
    list.removeAttribute("aria-busy");
    this.answered();
    this.answered = nothing;
    if (answer) this.take(answer);
    this.show(error);
    const hasNothing = !error && !this.count; // a page can be empty though the list continues
    return hasNothing ? this.loadNext(limit) : error;
  }

  address(limit) {
    const { pathname, search } = new URL(this.sources[0], location.origin);
    const query = new URLSearchParams(search);
    query.set("limit", limit);
    if (this.cursor) query.set("cursor", this.cursor);
    return `${pathname}?${query}`;
  }

  take({ nextCursor, creations, transactions }) {
    const items = creations ?? transactions;
    this.cursor = nextCursor;
    this.count += items.length;
    this.isAtEnd = nextCursor === null && this.sources.length === 1;
    if (nextCursor === null && !this.isAtEnd) this.sources.shift();
    this.options.take(items, this.isAtEnd);
  }

  /** Show what comes below the list: skeletons until there is something, a button, or an error. */
  show(error) {
    const skeletons = document.getElementById("skeletons");
    if (skeletons) skeletons.hidden = Boolean(this.count || this.isAtEnd || error);
    this.below.hidden = this.isAtEnd && !error;
    this.problem.replaceChildren(error ? errorMessage(error) : "");
    this.more.textContent = error ? text.tryAgain : text.showMore;
    const hadFocus = document.activeElement === this.more;
    this.more.hidden = this.isAtEnd;
    if (hadFocus && this.isAtEnd) find("main").focus({ preventScroll: true });
    this.observer.unobserve(this.more); // without this, a button that stays in view fires only once
    if (!error) this.observer.observe(this.more);
  }
}
