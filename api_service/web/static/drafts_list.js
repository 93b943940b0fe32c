// The cards of the drafts page, merged from pages, snapshots and single changes.

import { call, creationPath, isUnfinished } from "./api.js";
import { Card } from "./card.js";
import { emptyState, find, h } from "./dom.js";
import { Groups } from "./groups.js";
import { text } from "./messages.js";
import { notifyFinished } from "./notifications.js";

const isNewer = (a, b) =>
  a.createdAt > b.createdAt || (a.createdAt === b.createdAt && a.creationId > b.creationId);

export class DraftsList {
  /** @type {Map<string, Card>} */
  cards = new Map();
  watched = new Set();
  isLoaded = false;
  groups = new Groups(this);
  element = h("ul.card-list", { id: "cards" });
  empty = emptyState(
    text.noDrafts,
    h("p.muted", text.noDraftsHint),
    h("a.button.primary", { href: "/create" }, text.createSomething),
  );

  /** `watchedMax` is the size of a full snapshot: a smaller one has all drafts. */
  constructor(parent, watchedMax) {
    this.watchedMax = watchedMax;
    this.empty.hidden = true;
    parent.replaceChildren(this.element, this.empty);
  }

  /** Return the creations, newest first. */
  creations() {
    const all = [...this.cards.values()].map(({ creation }) => creation);
    return all.sort((a, b) => (isNewer(a, b) ? -1 : 1));
  }

  /** Add a page of older drafts. */
  append(creations) {
    for (const creation of creations) this.take(creation);
    this.settle();
  }

  merge({ creations, gone, isSnapshot }) {
    if (isSnapshot) this.watched.clear();
    for (const { creationId } of creations) this.watched.add(creationId);
    for (const creation of creations) this.take(creation);
    if (isSnapshot) this.dropMissing(creations);
    for (const id of gone) this.watched.delete(id);
    for (const id of gone) {
      if (this.watched.size < this.watchedMax) this.drop(id);
      else this.recheck(id);
    }
    this.settle();
  }

  take(creation) {
    const card = this.cards.get(creation.creationId);
    if (creation.status === "published") return this.drop(creation.creationId);
    if (!card) return this.insert(creation);
    if (creation.updatedAt < card.creation.updatedAt) return; // a late, older response
    const wasUnfinished = isUnfinished(card.creation);
    card.update(creation);
    this.groups.refresh(creation);
    if (wasUnfinished && !isUnfinished(creation)) notifyFinished(creation);
  }

  insert(creation) {
    const card = new Card(creation, this);
    const next = this.creations().find((other) => isNewer(creation, other));
    const nextCard = next && this.cards.get(next.creationId);
    this.element.insertBefore(card.element, nextCard ? this.groups.topOf(nextCard) : null);
    this.cards.set(creation.creationId, card);
    this.groups.gather(creation.groupId);
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

  /** Show or hide the empty state; at first, focus the card named in the URL. */
  settle() {
    this.empty.hidden = this.cards.size > 0;
    if (this.isLoaded) return;
    this.isLoaded = true;
    const card = this.cards.get(location.hash.slice(1));
    this.groups.reveal(card?.element)?.focus({ preventScroll: true });
  }
}
