// Which drafts are shown: their state, their kind, and the words that are searched for.

import { h, svg } from "./dom.js";
import { say, text } from "./messages.js";

const TYPING_MS = 250;
const QUERY_LENGTH_MAX = 200; // as in the API's search
const GLASS = "M10.500 4a6.500 6.500 0 1 0 .01 0M15.500 15.500l5 5";
const STATUSES = {
  "": [],
  "in-progress": ["pending", "processing"],
  draft: ["draft"],
  failed: ["failed"],
};
const TYPES = new Set(["", "image", "video"]);

const folded = (words) => words.normalize("NFKC").toLowerCase();

/** A filter. The API has one status a request, so that it can take several requests to fill. */
export class Filter {
  constructor({ status = "", type = "", q = "" }) {
    this.status = status in STATUSES ? status : "";
    this.type = TYPES.has(type) ? type : "";
    this.q = q.trim().slice(0, QUERY_LENGTH_MAX);
  }

  /** The words are not in the address, which servers log, but in the history's entry. */
  static ofPage() {
    const query = Object.fromEntries(new URLSearchParams(location.search));
    return new Filter({ ...query, q: history.state?.q });
  }

  get isEmpty() {
    return !this.status && !this.type && !this.q;
  }

  get values() {
    const all = { status: this.status, type: this.type, q: this.q };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value));
  }

  /** The addresses of the API whose pages have what is shown. */
  get sources() {
    const path = this.q ? "/api/me/creations" : "/api/generate/drafts";
    const statuses = STATUSES[this.status];
    const queries = statuses.length
      ? statuses.map((status) => ({ ...this.values, status }))
      : [this.values];
    return queries.map((query) => `${path}?${new URLSearchParams(query)}`);
  }

  /** Whether a creation's state and kind are shown. A search shows published ones, too. */
  accepts({ status, type }) {
    if (this.type && type !== this.type) return false;
    if (this.status) return STATUSES[this.status].includes(status);
    return status !== "published" || Boolean(this.q);
  }

  /**
   * Whether a creation has all words: nearly the API's rule, whose case folding knows more letters
   * (there "ß" is "ss"). A page that the API found is not asked again.
   */
  finds({ prompt, caption }) {
    const all = folded(`${prompt}\n${caption ?? ""}`);
    return folded(this.q)
      .split(/\s+/)
      .every((word) => all.includes(word));
  }
}

/** The form of the filter. It keeps the history's entry up to date. */
export class Filters {
  count = h("p.filters-count", { role: "status" });
  timer = 0;

  /** @param {(filter: Filter) => void} changed */
  constructor(parent, changed) {
    const words = text.draftsList;
    this.changed = changed;
    this.filter = Filter.ofPage();
    this.search = h("input.filters-search", {
      type: "search",
      "aria-label": words.search,
      placeholder: words.search,
      maxlength: QUERY_LENGTH_MAX,
      enterkeyhint: "search",
      autocomplete: "off",
      dir: "auto",
      oninput: () => this.changeSoon(),
    });
    const glass = svg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" });
    glass.append(svg("path", { d: GLASS }));
    const onsubmit = (event) => {
      event.preventDefault();
      this.change();
    };
    const onchange = (event) => event.target.type === "radio" && this.change();
    this.form = h(
      "form.filters-form",
      { role: "search", "aria-label": words.filters, onsubmit, onchange },
      h("div.filters-field", glass, this.search),
      h(
        "div.filters-choices",
        choices("status", words.state, { all: "", ...STATUS_NAMES }, words),
        choices("type", words.kind, { all: "", images: "image", videos: "video" }, words),
      ),
    );
    this.show();
    parent.replaceChildren(this.form, this.count);
  }

  /** Show the filter in the form. */
  show() {
    const { status, type, q } = this.filter;
    if (this.search.value.trim() !== q) this.search.value = q;
    for (const radio of /** @type {NodeListOf<HTMLInputElement>} */ (
      this.form.querySelectorAll("input[type=radio]")
    ))
      radio.checked = radio.value === { status, type }[radio.name];
  }

  changeSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.change(), TYPING_MS);
  }

  change() {
    const chosen = Object.fromEntries(
      [...new FormData(this.form)].map(([name, value]) => [name, String(value)]),
    );
    this.apply(new Filter({ ...chosen, q: this.search.value }));
  }

  clear() {
    this.search.value = "";
    this.apply(new Filter({}));
    this.search.focus();
  }

  apply(filter) {
    clearTimeout(this.timer);
    const isSame = JSON.stringify(filter.values) === JSON.stringify(this.filter.values);
    if (isSame) return;
    this.filter = filter;
    this.show();
    const { q, ...inAddress } = filter.values;
    const query = new URLSearchParams({ tab: "drafts", ...inAddress });
    history.replaceState({ ...history.state, q }, "", `?${query}`);
    this.changed(filter);
  }

  /** Show how many creations were found, and whether there can be more. */
  showCount(count, isComplete) {
    const { results, resultsSoFar } = text.draftsList;
    const isSilent = this.filter.isEmpty || (!isComplete && !count);
    const message = isSilent ? "" : say(isComplete ? results : resultsSoFar, { count });
    if (this.count.textContent !== message) this.count.textContent = message;
  }
}

const STATUS_NAMES = { inProgress: "in-progress", ready: "draft", failed: "failed" };

/** Return a segmented control: one radio button a value. */
function choices(name, legend, values, words) {
  const choice = ([key, value]) =>
    h("label.filters-choice", h("input", { type: "radio", name, value }), h("span", words[key]));
  return h(
    "fieldset.filters-group",
    h("legend.visually-hidden", legend),
    ...Object.entries(values).map(choice),
  );
}
