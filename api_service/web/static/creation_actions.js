// What an owner can do with a draft.

import { call, creationPath } from "./api.js";
import { deleteLater } from "./deletion.js";
import { announce, find, h, toast } from "./dom.js";
import { chargeMessage, errorMessage } from "./errors.js";
import { wake } from "./live.js";
import { text } from "./messages.js";
import { saveForm } from "./session.js";
import { editCaption } from "./sheet.js";

/** Return the actions of a list's cards. */
export const creationActions = (list) => ({
  view: (creation) => view(list, creation),
  publish: ({ creation }) => publish(list, creation),
  remove: (card) => remove(list, card),
  retry: (card) => post(list, card, "retry", { debits: card.creation.debits }),
  cancel: (card) => post(list, card, "cancel", {}),
  edit: ({ creation }) => edit(creation),
});

async function view(list, creation) {
  const { openViewer } = await import("./viewer.js");
  const items = list.creations().filter(({ status }) => status === "draft");
  openViewer(items, items.indexOf(creation), {
    describe: ({ prompt }) => h("p", prompt),
    closed: ({ creationId }) =>
      list.cards.get(creationId)?.article.querySelector(".media-open, .card")?.focus(),
  });
}

function publish(list, { creationId, type, caption }) {
  return editCaption({
    title: text.publishTitle({ type }),
    submitLabel: text.publish,
    value: caption,
    send: (edited) =>
      call(creationPath(creationId, "publish"), { method: "POST", json: { caption: edited } }),
    done: () => {
      list.drop(creationId);
      // If the live change came first, the focused element is already gone.
      if (!list.element.contains(document.activeElement)) find("main").focus();
      toast(text.published, h("a", { href: "/soho/explore" }, text.seeOnExplore));
    },
  });
}

function remove(list, card) {
  const { creationId } = card.creation;
  const cancel = deleteLater(creationId, {
    deleted: () => list.drop(creationId),
    failed: (error) => {
      card.restore();
      card.showProblem(errorMessage(error));
    },
  });
  card.showUndo(() => {
    cancel();
    card.restore();
    announce(text.restored);
  });
  announce(text.undoHint);
}

function edit({ type, prompt, aspectRatio, duration }) {
  saveForm({ kind: type, prompt, formats: { [type]: aspectRatio }, ...(duration && { duration }) });
  location.assign("/create");
}

async function post(list, card, action, json) {
  if (card.isBusy) return;
  card.isBusy = true;
  const { creationId, cost } = card.creation;
  try {
    const { data } = await call(creationPath(creationId, action), { method: "POST", json });
    list.take(data.creation);
    wake();
  } catch (error) {
    card.showProblem(action === "retry" ? chargeMessage(error, cost) : errorMessage(error));
  }
  card.isBusy = false;
}
