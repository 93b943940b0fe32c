// Sharing an address: the system's dialog where there is one, else the clipboard.

import { button, h, toast } from "./dom.js";
import { text } from "./messages.js";

export const pagePath = ({ username, creationId }) =>
  `/soho/${encodeURIComponent(username)}/${creationId}`;

/** Return who sees a draft; right after a rollback, the API does not say. */
export const sharingOf = ({ sharing }) =>
  sharing ?? { url: null, collaborators: [], showsPrompt: false };

/** Copy an address; return what to tell the user. */
export async function copyAddress(url) {
  try {
    await navigator.clipboard.writeText(url);
    return text.linkCopied;
  } catch {
    return text.linkIs(url); // no permission, or no clipboard without HTTPS
  }
}

/** Share an address; return what to tell the user, or nothing if the system did. */
export async function shareAddress(url, title) {
  if (!navigator.share) return copyAddress(url);
  try {
    await navigator.share({ title, url });
    return "";
  } catch (error) {
    return error.name === "AbortError" ? "" : copyAddress(url);
  }
}

/**
 * Create the button that shares a publication's page. In a dialog, it shows its own message. With
 * `copies`, there is another button for the link alone where the system has its own dialog.
 * @param {Publication} item
 * @param {{ label?: string, copies?: boolean } & Record<string, unknown>} [options]
 */
export function shareButton(item, { label = text.share, copies = false, ...look } = {}) {
  const status = h("span.share-status", { role: "status" });
  const send = async (share) => {
    const url = new URL(pagePath(item), location.origin).href;
    const message = await share(url, item.caption || text.untitled(item));
    if (status.closest("dialog")) status.textContent = message;
    else if (message) toast(message);
  };
  const copy =
    copies &&
    Boolean(navigator.share) &&
    button(text.copyLink, () => send(copyAddress), { icon: "link", ...look });
  const share = button(label, () => send(shareAddress), { icon: "share", ...look });
  return h("span.share", share, copy, status);
}
