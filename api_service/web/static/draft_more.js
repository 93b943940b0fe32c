// What is needed less often: a draft's file, its link, and all about it.

import { call, creationPath } from "./api.js";
import { button, find, h, isBusy, setBusy, toast } from "./dom.js";
import { edit } from "./creation_actions.js";
import { errorMessage, sentence } from "./errors.js";
import { date, say, text, tokens } from "./messages.js";
import { copyAddress, sharingOf } from "./share.js";

/** Save the file. The link makes the browser save it, also from another origin. */
export async function download(_, { creation: { creationId } }) {
  const { data } = await call(`${creationPath(creationId)}/download`);
  h("a", { href: data.downloadUrl, download: true }).click();
}

/** Copy the draft's link. Without one, ask first: everyone who has the link can see the draft. */
export async function copyLink(list, { creation }) {
  const { url } = sharingOf(creation);
  if (url) return toast(await copyAddress(url));
  const problem = h("div", { role: "alert" });
  const onclick = async () => {
    if (isBusy(create)) return;
    setBusy(create, true);
    try {
      const path = `${creationPath(creation.creationId)}/share`;
      const { data } = await call(path, { method: "POST", json: {} });
      list.take(data.creation);
      const message = await copyAddress(data.creation.sharing.url);
      sheet.close();
      toast(message);
    } catch (error) {
      if (sheet.open) problem.replaceChildren(errorMessage(error));
      else toast(sentence(error));
    }
    setBusy(create, false);
  };
  const create = button(text.draft.createAndCopy, onclick, { kind: "primary", icon: "link" });
  const sheet = openSheet(
    text.draft.createLinkTitle,
    h("p.muted", text.linkHint),
    problem,
    (cancel) => h("div.sheet-actions", cancel(text.cancel), create),
  );
}

export function showDetails(list, card) {
  const { creation } = card;
  const { type, prompt, aspectRatio, duration, width, height, model, createdAt, cost } = creation;
  const facts = {
    format: `${text.names[type]} · ${text.formats[aspectRatio]} (${aspectRatio})`,
    seconds: duration && text.seconds(duration),
    size: width && say(text.draft.pixels, { width: String(width), height: String(height) }),
    model,
    created: date(createdAt),
    cost: tokens(cost),
  };
  const rows = Object.entries(facts)
    .filter(([, value]) => value)
    .map(([name, value]) => h("div", h("dt", text.draft.facts[name]), h("dd", value)));
  const again = button(text.draft.usePrompt, () => edit(list, card), { icon: "edit" });
  const words = { dir: "auto", tabindex: "0", role: "group", "aria-label": text.draft.prompt };
  openSheet(
    text.draft.details,
    h("p.details-prompt", words, prompt),
    h("dl.details-facts", ...rows),
    (close) => h("div.sheet-actions", again, close(text.done)),
  );
}

/** Open a dialog. The last part gets what creates its button to close. */
function openSheet(title, ...parts) {
  const close = (label) => button(label, () => sheet.close(), { kind: "bare" });
  const actions = parts.pop()(close);
  const sheet = h(
    "dialog.sheet.details",
    { "aria-labelledby": "details-title", onclose: () => sheet.remove() },
    h("h2", { id: "details-title" }, title),
    ...parts,
    actions,
  );
  find("main").append(sheet);
  sheet.showModal();
  return sheet;
}
