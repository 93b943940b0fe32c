// Variations that were created together: one card with a strip to choose which of them it shows.

import { h, icon } from "./dom.js";
import { setSource } from "./media.js";
import { text } from "./messages.js";

/** Return the first variation first, and the others in an order that every page shows. */
const byNumber = (groupId) => (a, b) => {
  const [first, second] = [a, b].map(({ creation }) => creation.creationId);
  if (first === groupId || second === groupId) return first === groupId ? -1 : 1;
  return first < second ? -1 : 1;
};

/** The groups of a drafts list. One that has a single variation left is a card like any other. */
export class Groups {
  /** @type {Map<string, GroupCard>} */
  cards = new Map();

  constructor(list) {
    this.list = list;
  }

  /** Return the element of the list that shows a card. */
  topOf(card) {
    return this.cards.get(card.creation.groupId)?.element ?? card.element;
  }

  /** Gather the cards of a group, or show the last one that is left without it. */
  gather(groupId) {
    if (!groupId) return;
    const members = [...this.list.cards.values()].filter(
      ({ creation }) => creation.groupId === groupId,
    );
    const group = this.cards.get(groupId);
    if (members.length > 1) {
      const shown = group ?? new GroupCard(groupId);
      if (!group) members[0].element.before(shown.element);
      this.cards.set(groupId, shown);
      shown.show(members.sort(byNumber(groupId)));
    } else if (group) {
      this.cards.delete(groupId);
      group.dissolve(members);
    }
  }

  /** Update a variation in its strip. */
  refresh({ creationId, groupId }) {
    this.cards.get(groupId)?.refresh(creationId);
  }

  /** Show the card of an element of the list, or of one of its groups, and return its article. */
  reveal(element) {
    const card = this.list.cards.get(element?.dataset.id);
    if (card) this.select(card.creation);
    return card?.article ?? element?.querySelector("li:not(.group-other) > article");
  }

  /** Let a group's card show this variation. */
  select({ creationId, groupId }) {
    this.cards.get(groupId)?.choose(creationId);
  }
}

class GroupCard {
  members = [];
  /** The variation that was asked for; without one, the first is shown. */
  chosenId = "";
  /** @type {Map<string, Choice>} */
  choices = new Map();
  legend = h("legend.visually-hidden");
  strip = h("fieldset.group-strip", this.legend);
  items = h("ul.group-items");

  constructor(groupId) {
    this.groupId = groupId;
    this.element = h("li.group", { "data-group": groupId }, this.strip, this.items);
  }

  /** Show these cards. What has the focus keeps it. */
  show(members) {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    this.members = members;
    this.legend.textContent = text.variations(members.length);
    this.strip.style.setProperty("--count", String(members.length));
    const ids = members.map(({ creation }) => creation.creationId);
    for (const [id, { element }] of this.choices) {
      if (ids.includes(id)) continue;
      element.remove();
      this.choices.delete(id);
    }
    for (const [place, id] of ids.entries()) this.place(place, id);
    this.select(ids.includes(this.chosenId) ? this.chosenId : ids[0]);
    for (const id of ids) this.refresh(id);
    if (focused?.isConnected && focused !== document.activeElement)
      focused.focus({ preventScroll: true });
  }

  place(place, creationId) {
    const choice = this.choices.get(creationId) ?? new Choice(this, creationId);
    this.choices.set(creationId, choice);
    const { element } = this.members[place];
    if (this.items.children[place] !== element)
      this.items.insertBefore(element, this.items.children[place] ?? null);
    const next = this.strip.children[place + 1]; // the legend is the first child
    if (next !== choice.element) this.strip.insertBefore(choice.element, next ?? null);
  }

  choose(creationId) {
    this.chosenId = creationId;
    this.select(creationId);
  }

  select(creationId) {
    for (const { creation, element } of this.members)
      element.classList.toggle("group-other", creation.creationId !== creationId);
    const choice = this.choices.get(creationId);
    if (choice) choice.input.checked = true;
  }

  refresh(creationId) {
    const number = this.members.findIndex(({ creation }) => creation.creationId === creationId);
    if (number >= 0) this.choices.get(creationId)?.draw(number + 1, this.members[number]);
  }

  dissolve(members) {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    for (const { element } of members) {
      element.classList.remove("group-other");
      this.element.before(element);
    }
    this.element.remove();
    const target = focused?.isConnected ? focused : members[0]?.article;
    if (target !== document.activeElement && focused !== document.body)
      target?.focus({ preventScroll: true });
  }
}

/** A variation in the strip: a radio button with its picture or its state. */
class Choice {
  label = h("span.visually-hidden");
  picture = h("img", { alt: "", decoding: "async", hidden: true });
  percent = h("span");
  face = h("span.group-face");

  constructor(group, creationId) {
    const onchange = () => group.choose(creationId);
    this.input = h("input", { type: "radio", name: `group-${group.groupId}`, onchange });
    this.element = h("label.group-choice", this.input, this.face, this.label);
  }

  draw(number, { creation, progress }) {
    const { status, stage, thumbnailUrl, mediaUrl } = creation;
    const isReady = status === "draft";
    const percent = stage === "queued" ? "…" : text.percent(Math.floor(progress.percent));
    if (this.percent.textContent !== percent) this.percent.textContent = percent;
    if (this.creation === creation && this.number === number) return; // only time has passed
    this.creation = creation;
    this.number = number;
    this.element.dataset.status = status;
    this.label.textContent = text.variation(number, text.stateOf(creation));
    if (isReady) setSource(this.picture, thumbnailUrl ?? mediaUrl);
    this.picture.hidden = !isReady;
    this.face.replaceChildren(
      isReady ? this.picture : status === "failed" ? icon("alert") : this.percent,
    );
  }
}
