// What several parts of the operators' page use: facts, lists with pages, dialogs with a question.

import { adminCall, Refused } from "./admin_api.js";
import { labels } from "./admin_messages.js";
import { button, find, h, isBusy, setBusy, toast } from "./dom.js";
import { errorMessage, sentence } from "./errors.js";
import { text } from "./messages.js";

const LIMIT = "20";

/** Create a list of names and values; a value that is null is left out. */
export function facts(pairs) {
  const present = Object.entries(pairs).filter(([, value]) => value !== null && value !== "");
  const items = present.map(([name, value]) => h("div", h("dt", name), h("dd", { dir: "auto" }, value)));
  return h("dl.admin-facts", ...items);
}

/** Show an error in an element, unless the page already says that it is for operators. */
export function showError(element, error) {
  if (!(error instanceof Refused)) element.replaceChildren(errorMessage(error));
}

/** Show the error of an act whose dialog was closed; `place` may be in a closed one, too. */
function showLate(place, title, error) {
  const isShown = place.isConnected && !place.closest("dialog:not([open])");
  if (isShown) showError(place, error);
  else if (!(error instanceof Refused)) toast(`${title} ${sentence(error)}`);
}

/** Run an action of a button; it is busy until then, and the error is shown in `place`. */
export async function busyWhile(element, place, action) {
  if (isBusy(element)) return;
  setBusy(element, true);
  place.replaceChildren();
  try {
    await action();
  } catch (error) {
    showError(place, error);
  } finally {
    setBusy(element, false);
  }
}

/** A list that continues page by page with a button. */
export class PagedList {
  /** @type {string | null} */
  cursor = null;
  /** @type {Promise<void> | null} */
  reloading = null;

  /** `item` creates the element of one of the things called `key` in a page. */
  constructor({ title, path, key, empty, item }) {
    this.path = path;
    this.key = key;
    this.item = item;
    this.list = h("ol.admin-list");
    this.empty = h("p.muted", { hidden: true }, empty);
    this.problem = h("div", { role: "alert" });
    const hidden = h("span.visually-hidden", labels.more(title));
    this.more = button(text.showMore, () => this.next(), { kind: "small" });
    this.more.hidden = true;
    this.more.append(hidden);
    const below = h("div", this.empty, this.more, this.problem);
    const about = { "aria-label": title };
    this.element = h("section.admin-section", about, h("h3", title), this.list, below);
  }

  /** Load as much again as the list shows, which it shows until then. The newest reload counts. */
  reload() {
    const reloading = this.fetchShown().then(
      (page) => reloading === this.reloading && this.start(page),
      (error) => reloading === this.reloading && showError(this.problem, error),
    );
    this.reloading = reloading;
    return reloading;
  }

  /** Fetch the first page, and those after it that the list shows, as one. */
  async fetchShown() {
    const page = await this.fetch();
    while (page.nextCursor && page[this.key].length < this.list.childElementCount) {
      const next = await this.fetch({ cursor: page.nextCursor });
      page[this.key].push(...next[this.key]);
      page.nextCursor = next.nextCursor;
    }
    return page;
  }

  fetch(after = {}) {
    return adminCall(`${this.path}?${new URLSearchParams({ limit: LIMIT, ...after })}`);
  }

  /** Show a first page. */
  start(page) {
    this.list.replaceChildren();
    this.problem.replaceChildren();
    this.add(page);
    this.empty.hidden = page[this.key].length > 0;
  }

  add(page) {
    const items = page[this.key].map(this.item);
    this.list.append(...items);
    this.cursor = page.nextCursor;
    this.more.hidden = !this.cursor;
    return items;
  }

  next() {
    return busyWhile(this.more, this.problem, async () => {
      const page = await this.following();
      if (!page) return;
      const [first] = this.add(page);
      first?.setAttribute("tabindex", "-1");
      first?.focus(); // the button moves, or is gone
    });
  }

  /** Fetch the page after the last one, if there is one, also if the list is reloaded meanwhile. */
  async following() {
    const { reloading } = this;
    await reloading;
    const page = this.cursor && (await this.fetch({ cursor: this.cursor }));
    return reloading === this.reloading ? page : this.following();
  }
}

/** Create a field with a label and an optional hint. */
export function field(label, input, hint = "") {
  if (hint) input.setAttribute("aria-describedby", `${input.id}-hint`);
  return h(
    "div",
    h("label.form-label", { for: input.id }, label),
    input,
    hint && h("p.form-hint", { id: `${input.id}-hint` }, hint),
  );
}

export const inputFor = (id, attributes = {}) =>
  h("input.form-field", { id, autocomplete: "off", ...attributes });

/**
 * Ask before an act. With `needsReason`, the dialog has a field whose text `send` gets. It stays
 * open with the error if `send` fails; if it was closed before, `place` shows the error. After
 * an act, `after` is called when the dialog is closed: only now can the focus move elsewhere.
 */
export function confirmAct({
  title,
  hint,
  submitLabel,
  needsReason = false,
  send,
  after = () => {},
  place,
}) {
  place.replaceChildren();
  const problem = h("div", { role: "alert" });
  const reason = inputFor("act-reason", { maxlength: "500" });
  const submit = h("button.button.primary", submitLabel);
  const onsubmit = (event) => {
    event.preventDefault();
    if (needsReason && !reason.value.trim()) {
      problem.replaceChildren(h("p.message", labels.reasonMissing));
      return reason.focus();
    }
    return busyWhile(submit, problem, async () => {
      try {
        await send(reason.value.trim());
      } catch (error) {
        if (sheet.open) throw error;
        return showLate(place, title, error);
      }
      sheet.close();
      after();
    });
  };
  const sheet = h(
    "dialog.sheet",
    { "aria-labelledby": "act-title", onclose: () => sheet.remove() },
    h(
      "form",
      { onsubmit, novalidate: true },
      h("h2", { id: "act-title" }, title),
      h("p", hint),
      needsReason && field(labels.reason, reason, labels.reasonHint),
      problem,
      h("div.sheet-actions", button(text.cancel, () => sheet.close(), { kind: "bare" }), submit),
    ),
  );
  find("main").append(sheet);
  sheet.showModal();
}
