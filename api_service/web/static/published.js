// A user's publications; the owner can edit a caption, unpublish and delete.

import { call, creationPath, postAction } from "./api.js";
import { deleteLater, UNDO_MS } from "./deletion.js";
import { button, emptyState, find, h, toast } from "./dom.js";
import { sentence } from "./errors.js";
import { openShareSheet } from "./late.js";
import { text } from "./messages.js";
import { session } from "./session.js";
import { editCaption } from "./sheet.js";
import { refreshAccount } from "./shell.js";
import { Wall } from "./wall.js";

export function showPublished(username, isOwn) {
  const hint = isOwn && h("p.muted", text.nothingPublishedHint);
  const grid = h("div.wall", { id: "wall" });
  find("list").replaceChildren(grid);
  const wall = new Wall(grid, find("more"), {
    path: `/api/profiles/${encodeURIComponent(username)}`,
    actions: (item, viewer) => isOwn && ownerActions(wall, item, viewer),
    empty: () => emptyState(text.nothingPublished, hint),
  });
  wall.pager.start().then((error) => error?.status === 404 && showNotFound(username));
  if (session()) refreshAccount({ isPublic: true }).catch(() => {});
}

function showNotFound(username) {
  const explore = h("a.button", { href: "/soho/explore" }, text.explore);
  find("list").replaceChildren(emptyState(text.userNotFound(username), explore));
  find("more").replaceChildren();
}

function ownerActions(wall, item, viewer) {
  const { creationId, caption } = item;
  const problem = h("div", { role: "alert" });

  const showError = (error) => problem.replaceChildren(h("p", sentence(error)));
  const recaption = () => {
    problem.replaceChildren();
    return editCaption({
      title: text.editCaption,
      submitLabel: text.save,
      value: caption,
      send: (edited) => postAction(creationId, "publish", { caption: edited }),
      done: ({ data }) => {
        wall.setCaption(creationId, data.creation.caption);
        if (viewer.dialog.open) viewer.draw();
      },
    }).catch(showError);
  };
  const share = () => {
    problem.replaceChildren();
    const creation = call(creationPath(creationId)).then(({ data }) => data.creation);
    return openShareSheet(creation, () => {}).catch(showError);
  };
  const unpublish = async () => {
    try {
      await postAction(creationId, "unpublish");
      wall.remove(creationId);
      const drafts = `/soho/${session()?.username}?tab=drafts`;
      toast(text.unpublished, h("a", { href: drafts }, text.seeDrafts));
    } catch (error) {
      problem.replaceChildren(h("p", sentence(error)));
    }
  };
  const remove = () => {
    viewer.dialog.close();
    wall.setHidden(creationId, true);
    const restore = (message) => {
      wall.setHidden(creationId, false);
      toast(message);
    };
    const cancel = deleteLater(creationId, {
      deleted: () => wall.remove(creationId),
      failed: (error) => restore(sentence(error)),
    });
    const undo = () => {
      if (!cancel()) return;
      restore(text.restored);
      wall.focus(creationId);
    };
    const undoButton = button(text.undo, undo, { kind: "small" });
    const hasFocus = () => undoButton === document.activeElement;
    setTimeout(() => hasFocus() && wall.focus(creationId), UNDO_MS); // before the toast ends
    toast(text.deleted, undoButton, { milliseconds: UNDO_MS });
    undoButton.focus();
  };

  const buttons = [
    button(text.editCaption, recaption, { kind: "small" }),
    button(text.sharingOf, share, { kind: "small" }),
    button(text.unpublish, unpublish, { kind: "small" }),
    button(text.delete, remove, { kind: "small", icon: "trash" }),
  ];
  return h("div", h("div.viewer-actions", ...buttons), problem);
}
