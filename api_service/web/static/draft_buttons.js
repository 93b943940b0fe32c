// The buttons of a ready draft: publish, share, and a menu with all others.

import * as actions from "./creation_actions.js";
import { button } from "./dom.js";
import { loadLate } from "./late.js";
import { menuButton } from "./menu.js";
import { text } from "./messages.js";
import { publishLater } from "./retention.js";

/** Carry out an action of `draft_more.js`, which is loaded when it is first used. */
const late =
  (name) =>
  async (...parts) =>
    (await loadLate("draft_more.js", "details.css"))[name](...parts);
const lateActions = {
  download: late("download"),
  copyLink: late("copyLink"),
  showDetails: late("showDetails"),
};

const bare = { kind: "small bare" };

export const publishButton = (act) =>
  button(text.publish, () => act(actions.publish), { kind: "small", icon: "publish" });

export const shareIcon = (act) => {
  const name = { icon: "share", "aria-label": text.share, title: text.share };
  return button("", () => act(actions.share), { ...bare, ...name });
};

export const downloadIcon = (act) => {
  const label = text.draft.download;
  const name = { icon: "download", "aria-label": label, title: label };
  return button("", () => act(lateActions.download), { ...bare, ...name });
};

export const trashIcon = (act) => {
  const name = { icon: "trash", "aria-label": text.delete, title: text.delete };
  return button("", () => act(actions.remove), { ...bare, ...name });
};

const again = (act) => ({
  label: text.draft.usePrompt,
  icon: "edit",
  act: () => act(actions.edit),
});
const removal = (act) => ({ label: text.delete, icon: "trash", act: () => act(actions.remove) });

/** Create the menu of a ready draft. `act(action)` carries out what was chosen. */
export const menuOf = (act) =>
  menuButton(
    text.draft.more,
    () => [
      { label: text.publishLater, icon: "clock", act: () => act(publishLater) },
      { label: text.draft.download, icon: "download", act: () => act(lateActions.download) },
      { label: text.copyLink, icon: "link", act: () => act(lateActions.copyLink) },
      { label: text.draft.details, icon: "info", act: () => act(lateActions.showDetails) },
      again(act),
      removal(act),
    ],
    bare,
  );

/** Create the menu of a creation that failed. */
export const menuOfFailed = (act) =>
  menuButton(text.draft.more, () => [again(act), removal(act)], bare);
