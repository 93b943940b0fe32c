// One creation for operators: its media, its line of time, and what they can do with it.

import { adminCall, post, Refused } from "./admin_api.js";
import { labels, when } from "./admin_messages.js";
import { confirmAct, facts } from "./admin_parts.js";
import { announce, button, find, h } from "./dom.js";
import { errorMessage } from "./errors.js";
import { setSource, videoPlayer } from "./media.js";
import { text } from "./messages.js";

const CREATION_ID = /^[a-z2-7]{26}$/;

export const isCreationId = (query) => CREATION_ID.test(query);

/** Open the dialog of a creation; `changed` is called after an act. */
export function openCreation(creationId, changed = () => {}) {
  const problem = h("div", { role: "alert" });
  const body = h("div.admin-creation", h("p.muted", labels.looking));
  const close = button(text.close, () => sheet.close(), { kind: "small" });
  const sheet = h(
    "dialog.sheet.admin-sheet",
    { "aria-labelledby": "creation-title", onclose: () => sheet.remove() },
    h("div.admin-head", h("h2", { id: "creation-title" }, labels.creation), close),
    problem,
    body,
  );
  find("main").append(sheet);
  sheet.showModal();
  const load = async () => {
    try {
      const story = await adminCall(`creations/${creationId}`);
      body.replaceChildren(...partsOf(story, act));
    } catch (error) {
      if (!(error instanceof Refused)) body.replaceChildren(errorMessage(error));
    }
  };
  const act = (name, { title, hint, done }) =>
    confirmAct({
      title,
      hint,
      submitLabel: labels[name],
      needsReason: true,
      place: problem,
      send: (reason) => post(`creations/${creationId}/${name}`, { reason }),
      after: () => {
        announce(done);
        close.focus(); // the button that opened the question may soon be gone
        changed();
        load();
      },
    });
  return load();
}

function partsOf({ creationId, userId, creation, timeline, logsUrl, logsHint }, act) {
  return [
    creation ? media(creation) : h("p.message", labels.creationDeleted),
    h(
      "section",
      h("h3", labels.timeline),
      h("ol.admin-timeline", ...timeline.map(momentOf)),
    ),
    facts({
      Id: creationId,
      [labels.owner]: creation ? `@${creation.username} (${userId})` : userId,
      [labels.status]: creation && labels.creationFacts(creation),
      [labels.prompt]: creation && creation.prompt,
      [labels.caption]: creation && creation.caption,
    }),
    logsUrl &&
      h("a.button.small", { href: logsUrl, target: "_blank", rel: "noreferrer" }, labels.logs),
    logsHint && h("p.admin-logs", `${labels.logsCommand}: `, h("code", logsHint)),
    creation && actions(creation, act),
  ].filter(Boolean);
}

const momentOf = ({ at, what, detail, actor }) =>
  h(
    "li",
    { "data-what": what },
    h("time", { datetime: at }, when(at)),
    h("b", labels.happened(what)),
    h("span.muted", labels.by(actor)),
    detail && h("p", detail),
  );

function media(creation) {
  if (!creation.mediaUrl) return null;
  const label = labels.mediaOf(creation);
  if (creation.type === "video")
    return videoPlayer(creation, { controls: true, class: "admin-media", "aria-label": label });
  const image = h("img.admin-media", { alt: label });
  setSource(image, creation.mediaUrl);
  return image;
}

function actions({ status, publishAt, sharing }, act) {
  const isOpen = status === "published" || publishAt || sharing.url || sharing.collaborators.length;
  const unpublish = () =>
    act("unpublish", {
      title: labels.unpublishTitle,
      hint: labels.unpublishHint,
      done: labels.unpublished,
    });
  const remove = () =>
    act("delete", { title: labels.deleteTitle, hint: labels.deleteHint, done: labels.deleted });
  if (status === "pending" || status === "processing") return null;
  return h(
    "div.sheet-actions",
    isOpen && button(labels.unpublish, unpublish, { kind: "small" }),
    button(labels.delete, remove, { kind: "small", icon: "trash" }),
  );
}

/** Create a button that opens a creation; `about` tells several of them apart. */
export function opener(label, about, creationId, changed) {
  const open = button(label, () => openCreation(creationId, changed), { kind: "small" });
  open.append(h("span.visually-hidden", about));
  return open;
}

