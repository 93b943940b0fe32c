// What an owner can do with a draft. Each action takes the list and a card of it.

import { postAction } from "./api.js";
import { deleteLater } from "./deletion.js";
import { announce, find, h, openDialogs, toast } from "./dom.js";
import { chargeMessage, errorMessage } from "./errors.js";
import { loadLate, openShareSheet } from "./late.js";
import { wake } from "./live.js";
import { text } from "./messages.js";
import { saveForm } from "./session.js";
import { editCaption } from "./sheet.js";

export async function view(list, card) {
  const { Viewer } = await loadLate("viewer.js", "viewer.css");
  const items = list.creations().filter(({ status }) => status === "draft");
  const index = items.indexOf(card.creation);
  if (index < 0 || openDialogs()) return; // it changed, or a second click
  const viewer = new Viewer(items, index, {
    describe: ({ prompt }) => h("p", prompt),
    closed: (shown) => {
      list.groups.select(shown);
      list.cards.get(shown.creationId)?.article.querySelector(".media-open, .card")?.focus();
    },
  });
  viewer.open();
}

export function publish(list, { creation: { creationId, type, caption } }) {
  return editCaption({
    title: text.publishTitle({ type }),
    submitLabel: text.publish,
    value: caption,
    send: (edited) => postAction(creationId, "publish", { caption: edited }),
    done: () => {
      list.drop(creationId);
      // If the live change came first, the focused element is already gone.
      if (!list.element.contains(document.activeElement)) find("main").focus();
      toast(text.published, h("a", { href: "/soho/explore" }, text.seeOnExplore));
    },
  });
}

export const share = (list, { creation }) =>
  openShareSheet(creation, (changed) => list.take(changed));

export function remove(list, card) {
  const { creationId } = card.creation;
  const cancel = deleteLater(creationId, {
    deleted: () => list.drop(creationId),
    failed: (error) => {
      card.restore();
      card.showProblem(errorMessage(error));
    },
  });
  card.showUndo(() => {
    if (!cancel()) return;
    card.restore();
    announce(text.restored);
  });
  announce(text.undoHint);
}

export function edit(_, { creation: { type, prompt, aspectRatio, duration } }) {
  saveForm({ kind: type, prompt, formats: { [type]: aspectRatio }, ...(duration && { duration }) });
  location.assign("/create");
}

export const retry = (list, card) => post(list, card, "retry", { debits: card.creation.debits });
export const cancel = (list, card) => post(list, card, "cancel");

async function post(list, card, action, json = {}) {
  if (card.isBusy) return;
  card.isBusy = true;
  const { creationId, cost } = card.creation;
  try {
    const { data } = await postAction(creationId, action, json);
    list.take(data.creation);
    wake();
  } catch (error) {
    card.showProblem(action === "retry" ? chargeMessage(error, cost) : errorMessage(error));
  }
  card.isBusy = false;
}
