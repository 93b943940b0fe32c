// Selection mode of the drafts: checkboxes on the cards, and what can be done with many at once.

import { call } from "./api.js";
import { announce, button, find, h, isBusy, setBusy, toast } from "./dom.js";
import { errorMessage } from "./errors.js";
import { bulkProblem, text } from "./messages.js";

const SELECTED_MAX = 50;
const BULK_TIMEOUT_MS = 60_000;
const READY = new Set(["draft"]);
const SETTLED = new Set(["draft", "failed"]);

export class Selection {
  isOn = false;
  isRunning = false;
  selected = new Set();
  /** @type {HTMLInputElement | null} */
  anchor = null;
  count = h("p.selection-count", { "aria-live": "polite" });
  result = h("div", { role: "alert" });

  constructor(list, toggle) {
    this.list = list;
    this.toggle = toggle;
    const act = (run, look) => button("", () => this.run(run), { kind: "small", ...look });
    this.publishButton = act(() => this.publish(), { icon: "publish" });
    this.downloadButton = act(() => this.download(), {});
    this.deleteButton = act(() => this.confirmDelete(), { icon: "trash" });
    this.bar = h(
      "div.selection-bar",
      { role: "toolbar", "aria-label": text.selectionBar, hidden: true, tabindex: "-1" },
      this.count,
      button(text.selectAll, () => this.selectAll(), { kind: "small bare" }),
      button(text.done, () => this.leave(), { kind: "small bare" }),
      this.publishButton,
      this.downloadButton,
      this.deleteButton,
    );
    find("list").before(this.result);
    find("list").after(this.bar);
    this.observer = new MutationObserver(() => this.sync());
    list.element.addEventListener("click", (event) => this.clicked(event));
    list.element.addEventListener("keydown", (event) => this.pressed(event));
    this.bar.addEventListener("keydown", (event) => this.pressed(event));
  }

  enter() {
    this.isOn = true;
    this.result.replaceChildren();
    this.observe();
    this.sync();
    (this.boxes().find((box) => !box.disabled) ?? this.bar).focus();
    announce(text.selectionHint);
  }

  leave() {
    this.isOn = false;
    this.selected = new Set(); // a request in progress keeps the one it was started with
    this.observer.disconnect();
    for (const box of this.boxes()) box.remove();
    this.sync();
    this.toggle.focus();
  }

  observe() {
    const changes = { childList: true, subtree: true, attributeFilter: ["data-status"] };
    this.observer.observe(this.list.element, changes);
  }

  /** @returns {HTMLInputElement[]} */
  boxes() {
    return [...this.list.element.querySelectorAll("input.card-select")];
  }

  /** Give every card its checkbox, which covers the card, and forget cards that are gone. */
  sync() {
    this.list.element.classList.toggle("selecting", this.isOn);
    this.toggle.setAttribute("aria-pressed", String(this.isOn));
    this.bar.hidden = !this.isOn;
    for (const [id, card] of this.list.cards) {
      const hadFocus = card.article.contains(document.activeElement);
      card.article.inert = this.isOn && !card.isDeleted;
      if (this.isOn) this.syncBox(id, card, hadFocus);
    }
    for (const id of this.selected) if (!this.list.cards.has(id)) this.selected.delete(id);
    if (this.isOn && document.activeElement === document.body) this.bar.focus();
    this.showCounts();
  }

  /** A card whose deletion can be undone has no checkbox, which would cover its button. */
  syncBox(id, { element, creation, isDeleted }, hadFocus) {
    let box = element.querySelector("input.card-select");
    if (isDeleted) {
      this.selected.delete(id);
      return box?.remove();
    }
    if (!box) {
      box = h("input.card-select", { type: "checkbox", value: id });
      element.append(box);
    }
    const isSettled = SETTLED.has(creation.status);
    if (!isSettled) this.selected.delete(id);
    box.disabled = !isSettled || this.isRunning;
    if (hadFocus) (box.disabled ? this.bar : box).focus();
    const label = text.selectCard(creation);
    if (box.getAttribute("aria-label") !== label) box.setAttribute("aria-label", label);
    box.checked = this.selected.has(id);
  }

  /** Return the selected creations in one of these states, in the order of the page. */
  chosen(statuses) {
    const all = this.list.creations();
    return all.filter((each) => this.selected.has(each.creationId) && statuses.has(each.status));
  }

  showCounts() {
    const counts = [
      { shown: this.publishButton, label: text.publishCount, statuses: READY },
      { shown: this.downloadButton, label: text.downloadCount, statuses: READY },
      { shown: this.deleteButton, label: text.deleteCount, statuses: SETTLED },
    ];
    for (const { shown, label, statuses } of counts) {
      const { length } = this.chosen(statuses);
      shown.replaceChildren(...shown.querySelectorAll("svg"), label(length));
      setBusy(shown, length === 0 || this.isRunning);
    }
    const selected = text.selectedCount(this.selected.size);
    if (this.count.textContent !== selected) this.count.textContent = selected;
  }

  clicked(event) {
    if (!event.target.matches("input.card-select")) return;
    const range = event.shiftKey && this.anchor ? this.between(this.anchor, event.target) : [];
    this.select([...range, event.target], event.target.checked);
    this.anchor = event.target;
  }

  between(one, other) {
    const boxes = this.boxes();
    const [from, to] = [boxes.indexOf(one), boxes.indexOf(other)].sort((a, b) => a - b);
    return from < 0 ? [] : boxes.slice(from, to + 1);
  }

  select(boxes, isSelected) {
    for (const box of boxes) {
      if (box.disabled) continue;
      if (!isSelected) this.selected.delete(box.value);
      else if (this.selected.size < SELECTED_MAX) this.selected.add(box.value);
      else announce(text.selectionFull(SELECTED_MAX));
      box.checked = this.selected.has(box.value);
    }
    this.showCounts();
  }

  selectAll() {
    this.select(this.boxes(), true);
  }

  /** Arrows move between the checkboxes; with Shift they select; Escape leaves the mode. */
  pressed(event) {
    if (!this.isOn) return;
    if (event.key === "Escape") return this.leave();
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step || !event.target.matches("input.card-select")) return;
    event.preventDefault();
    const boxes = this.boxes().filter((box) => !box.disabled);
    const next = boxes[boxes.indexOf(event.target) + step];
    if (!next) return;
    if (event.shiftKey) this.select([event.target, next], true);
    this.anchor = next;
    next.focus();
  }

  /** Run an action once at a time, during which the selection does not change; show why it failed. */
  async run(action) {
    if (this.isRunning) return;
    this.isRunning = true;
    this.result.replaceChildren();
    this.bar.setAttribute("aria-busy", "true");
    try {
      const done = action();
      this.sync();
      await done;
    } catch (error) {
      this.result.replaceChildren(errorMessage(error));
    }
    this.bar.removeAttribute("aria-busy");
    this.isRunning = false;
    this.sync();
  }

  publish() {
    if (isBusy(this.publishButton)) return;
    return this.send("publish", this.chosen(READY), text.publishedCount);
  }

  async download() {
    if (isBusy(this.downloadButton)) return;
    const { selected } = this;
    const creationIds = this.chosen(READY).map(({ creationId }) => creationId);
    const path = "/api/generate/drafts/zip";
    const { data } = await call(path, { method: "POST", json: { creationIds } });
    h("a", { href: data.downloadUrl, download: true }).click();
    if (this.selected === selected) this.leave();
    toast(text.downloading(creationIds.length, data.sizeBytes));
  }

  confirmDelete() {
    if (isBusy(this.deleteButton)) return;
    const chosen = this.chosen(SETTLED);
    const confirmed = () => {
      sheet.close();
      this.run(() => this.send("delete", chosen, text.deletedCount));
    };
    const label = text.deleteCount(chosen.length);
    const sheet = h(
      "dialog.sheet",
      { "aria-labelledby": "delete-title", onclose: () => sheet.remove() },
      h("h2", { id: "delete-title" }, text.deleteTitle(chosen.length)),
      h("p", text.deleteForGood),
      h(
        "div.sheet-actions",
        button(text.cancel, () => sheet.close(), { kind: "bare" }),
        button(label, confirmed, { kind: "primary" }),
      ),
    );
    find("main").append(sheet);
    sheet.showModal();
  }

  /** Carry out an action on each; drop what succeeded, and name what failed. */
  async send(action, creations, describe) {
    const { selected } = this;
    const creationIds = creations.map(({ creationId }) => creationId);
    const { data } = await call("/api/generate/drafts/bulk", {
      method: "POST",
      json: { action, creationIds },
      signal: AbortSignal.timeout(BULK_TIMEOUT_MS),
    });
    const failed = data.results.filter(({ ok }) => !ok);
    const prompts = new Map(creations.map(({ creationId, prompt }) => [creationId, prompt]));
    if (this.selected === selected) this.leave();
    for (const { ok, creationId } of data.results) if (ok) this.list.drop(creationId);
    const done = data.results.length - failed.length;
    if (done) toast(describe(done));
    if (failed.length) this.showFailures(failed, prompts);
  }

  showFailures(failed, prompts) {
    const lines = failed.map(({ creationId, code }) =>
      h("li", h("bdi", h("strong", prompts.get(creationId))), ` ${bulkProblem(code)}`),
    );
    const title = h("strong", text.failedCount(failed.length));
    this.result.replaceChildren(h("div.message", title, h("ul.selection-failures", ...lines)));
  }
}
