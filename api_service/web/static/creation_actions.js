// What an owner can do with a draft. Each action takes the list and a card of it.

import { call, creationPath, postAction } from "./api.js";
import { deleteLater } from "./deletion.js";
import { announce, find, h, openDialogs, toast } from "./dom.js";
import { chargeMessage, errorMessage } from "./errors.js";
import { loadLate, openShareSheet } from "./late.js";
import { wake } from "./live.js";
import { text } from "./messages.js";
import { saveForm, savedForm } from "./session.js";
import { editCaption } from "./sheet.js";

export async function view(list, card) {
  const [{ Viewer }, { openDraft }] = await Promise.all([
    loadLate("viewer.js", "viewer.css"),
    loadLate("draft_viewer.js", "viewer.css"),
  ]);
  if (!openDialogs()) openDraft(Viewer, list, card); // else it was a second click
}

/**
 * Publish a draft; the viewer that shows it, if any, closes.
 * @param {import("./viewer.js").Viewer} [viewer]
 */
export function publish(list, { creation: { creationId, type, caption } }, viewer) {
  return editCaption({
    title: text.publishTitle({ type }),
    submitLabel: text.publish,
    value: caption,
    send: (edited) => postAction(creationId, "publish", { caption: edited }),
    done: ({ data }) => {
      list.take(data.creation);
      list.settle();
      viewer?.dialog.close();
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

/** Fill in the create form. It takes the place of the viewer's entry, so that Back skips that. */
export function edit(_, { creation: { type, prompt, aspectRatio, duration } }) {
  const saved = savedForm();
  const formats = { ...saved.formats, [type]: aspectRatio };
  saveForm({ ...saved, kind: type, prompt, formats, ...(duration && { duration }) });
  if (history.state?.viewer) location.replace("/create");
  else location.assign("/create");
}

export function retry(list, card) {
  const { cost, debits } = card.creation;
  return post(list, card, "retry", { json: { debits }, explain: (error) => chargeMessage(error, cost) });
}

export const cancel = (list, card) =>
  post(list, card, "cancel", { explain: (error) => explainCancel(list, card, error) });

/** What cannot be cancelled has changed: show that, and then why. */
async function explainCancel(list, { creation }, error) {
  const isFinished = error.code === "illegal_transition";
  if (!isFinished && error.code !== "already_started") return errorMessage(error);
  try {
    const { data } = await call(creationPath(creation.creationId));
    list.take(data.creation);
  } catch {
    // the next live change brings it
  }
  return isFinished ? h("p.message", text.draft.alreadyFinished) : errorMessage(error);
}

/** Send an action; show the error that prevented it. */
async function post(list, card, action, { json = {}, explain }) {
  if (card.isBusy) return;
  card.isBusy = true;
  try {
    const { data } = await postAction(card.creation.creationId, action, json);
    list.take(data.creation);
    wake();
  } catch (error) {
    card.showProblem(await explain(error));
  } finally {
    card.isBusy = false;
  }
}
