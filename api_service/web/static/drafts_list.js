// The cards of the drafts page, merged from pages, snapshots and single changes.

import { call, creationPath, isUnfinished } from "./api.js";
import { Card } from "./card.js";
import { button, emptyState, find, h, openDialogs } from "./dom.js";
import { Groups } from "./groups.js";
import { text } from "./messages.js";
import { notifyFinished } from "./notifications.js";
import { PublishedCard } from "./published_card.js";

const isNewer = (a, b) =>
  a.createdAt > b.createdAt || (a.createdAt === b.createdAt && a.creationId > b.creationId);

export class DraftsList {
  /** @type {Map<string, Card | PublishedCard>} */
  cards = new Map();
  /** Cards of an earlier filter, to show again as they are. */
  spare = new Map();
  /** The newest known state of each creation, shown or not. */
  known = new Map();
  /** Cards that the filter no longer shows, but that are in use. */
  leaving = new Set();
  watched = new Set();
  isComplete = false;
  /** @type {import("./pager.js").Pager | null} */
  pager = null;
  /** Called after each change; the viewer sets it while it is open. */
  changed = () => {};
  groups = new Groups(this);
  element = h("ul.card-list", { id: "cards" });
  noDrafts = emptyState(
    text.noDrafts,
    h("p.muted", text.noDraftsHint),
    h("a.button.primary", { href: "/create" }, text.createSomething),
  );

  /**
   * `watchedMax` is the size of a full snapshot: a smaller one has all drafts. `clear()` clears the
   * filter; `settled()` is called after each change.
   */
  constructor(parent, { watchedMax, filter, clear, settled }) {
    this.watchedMax = watchedMax;
    this.filter = filter;
    this.settled = settled;
    this.noResults = emptyState(
      text.draftsList.noResults,
      h("p.muted", text.draftsList.noResultsHint),
      button(text.draftsList.clear, clear),
    );
    this.noDrafts.hidden = true;
    this.noResults.hidden = true;
    parent.replaceChildren(this.element, this.noDrafts, this.noResults);
    const sweepSoon = () => setTimeout(() => this.sweep());
    this.element.addEventListener("focusout", sweepSoon);
    document.addEventListener("close", sweepSoon, true);
  }

  /** Return the creations, newest first. */
  creations() {
    const all = [...this.cards.values()].map(({ creation }) => creation);
    return all.sort((a, b) => (isNewer(a, b) ? -1 : 1));
  }

  /** Make room for the creations of another filter. */
  reset(filter) {
    this.filter = filter;
    this.spare = this.cards;
    this.cards = new Map();
    this.leaving.clear();
    this.groups = new Groups(this);
    for (const { element, article } of this.spare.values()) {
      element.classList.remove("group-other");
      article.classList.remove("new");
      article.inert = false;
      element.querySelector(".card-select")?.remove();
    }
    this.element.replaceChildren();
    this.isComplete = false;
    this.settle();
  }

  /** Add a page of older drafts, of which the last one makes the list complete. */
  append(creations, isComplete) {
    for (const creation of creations) this.take(creation, { isFound: true });
    this.isComplete = isComplete;
    this.settle();
  }

  merge({ creations, gone, isSnapshot }) {
    if (isSnapshot) this.watched.clear();
    for (const { creationId } of creations) this.watched.add(creationId);
    for (const creation of creations) this.take(creation);
    if (isSnapshot) this.dropMissing(creations);
    for (const id of gone) this.watched.delete(id);
    for (const id of gone) {
      if (this.watched.size < this.watchedMax && !this.filter.q) this.drop(id);
      else this.recheck(id);
    }
    this.settle();
  }

  /** Take a state of a creation, unless a later one is known. `isFound`: the API found its words. */
  take(received, { isFound = false } = {}) {
    const { creationId } = received;
    const before = this.known.get(creationId);
    const creation = before?.updatedAt > received.updatedAt ? before : received;
    this.known.set(creationId, creation);
    this.show(creation, isFound);
    if (before && isUnfinished(before) && !isUnfinished(creation)) notifyFinished(creation);
  }

  show(creation, isFound) {
    const { creationId, status } = creation;
    const card = this.cards.get(creationId);
    const isPublished = status === "published";
    const isAccepted = this.filter.accepts(creation);
    if (isPublished && !isAccepted) return this.drop(creationId);
    if (!card) {
      if (isAccepted && (isFound || this.filter.finds(creation))) this.insert(creation);
      return;
    }
    if (card instanceof PublishedCard !== isPublished) {
      this.drop(creationId);
      return this.insert(creation);
    }
    card.update(creation);
    this.groups.refresh(creation);
    if (isAccepted) this.leaving.delete(creationId);
    else this.leaving.add(creationId);
  }

  insert(creation) {
    const card = this.cardFor(creation);
    const next = this.creations().find((other) => isNewer(creation, other));
    const nextCard = next && this.cards.get(next.creationId);
    this.element.insertBefore(card.element, nextCard ? this.groups.topOf(nextCard) : null);
    this.cards.set(creation.creationId, card);
    this.groups.gather(card.creation.groupId);
  }

  cardFor(creation) {
    const Kind = creation.status === "published" ? PublishedCard : Card;
    const spare = this.spare.get(creation.creationId);
    this.spare.delete(creation.creationId);
    if (!(spare instanceof Kind)) return new Kind(creation, this);
    spare.update(creation);
    return spare;
  }

  /** Drop what the filter no longer shows, but not while it has the focus, an undo or a dialog. */
  sweep() {
    if (openDialogs()) return;
    for (const id of this.leaving) {
      const card = this.cards.get(id);
      if (card?.isDeleted || card?.article.contains(document.activeElement)) continue;
      this.leaving.delete(id);
      this.drop(id);
    }
  }

  drop(creationId) {
    const card = this.cards.get(creationId);
    if (!card) return;
    const neighbor = card.element.nextElementSibling ?? card.element.previousElementSibling;
    const hadFocus = card.element.contains(document.activeElement);
    card.element.remove();
    this.cards.delete(creationId);
    this.groups.gather(card.creation.groupId);
    if (hadFocus) (this.groups.reveal(neighbor) ?? find("main")).focus();
    this.settle();
  }

  /** Drop what is newer than the oldest of a snapshot but not in it. */
  dropMissing(creations) {
    const ids = new Set(creations.map(({ creationId }) => creationId));
    const hasAll = creations.length < this.watchedMax;
    const oldest = creations.reduce((a, b) => (!a || isNewer(a, b) ? b : a), null);
    for (const creation of this.creations()) {
      if (creation.status === "published") continue;
      if (!ids.has(creation.creationId) && (hasAll || isNewer(creation, oldest)))
        this.drop(creation.creationId);
    }
  }

  /** Check whether a creation was deleted, or only left the newest that are watched. */
  async recheck(creationId) {
    if (!this.cards.has(creationId)) return;
    try {
      const { data } = await call(creationPath(creationId));
      this.take(data.creation);
    } catch (error) {
      if (error.status === 404) this.drop(creationId);
    }
  }

  /** Focus a creation, which may be older than the pages that are loaded; a user who acts comes first. */
  async goTo(creationId, { preventScroll = false } = {}) {
    if (!creationId || document.getElementById(creationId)) return; // or it names an element
    if (!this.cards.has(creationId)) {
      const answer = await call(creationPath(creationId)).catch(() => null);
      if (answer) this.take(answer.data.creation);
      this.settle();
    }
    if (document.activeElement !== document.body) return;
    const card = this.cards.get(creationId);
    this.groups.reveal(card?.element)?.focus({ preventScroll });
  }

  /** Show or hide the empty state. */
  settle() {
    this.sweep();
    const isEmpty = this.isComplete && this.cards.size === 0;
    this.noDrafts.hidden = !isEmpty || !this.filter.isEmpty;
    this.noResults.hidden = !isEmpty || this.filter.isEmpty;
    this.settled();
    this.changed();
  }
}
