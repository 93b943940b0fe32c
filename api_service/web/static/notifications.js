// Notices of finished creations: announced, counted in the title, and as system notifications.

import { announce, button, find } from "./dom.js";
import { text } from "./messages.js";

let unseenCount = 0;

function showUnseen(count) {
  unseenCount = count;
  document.title = document.title.replace(/^\(\d+\) /, "");
  if (count) document.title = `(${count}) ${document.title}`;
  const badge = find("ready-count");
  badge.textContent = String(count);
  badge.setAttribute("aria-label", text.newCount(count));
  badge.hidden = !count;
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) showUnseen(0);
});

export function notifyFinished(creation) {
  const message = text.finished(creation);
  announce(message);
  if (!document.hidden) return;
  showUnseen(unseenCount + 1);
  if (globalThis.Notification?.permission !== "granted") return;
  try {
    const notification = new Notification(message, { body: creation.prompt, tag: "phoenix" });
    notification.onclick = () => globalThis.focus();
  } catch {
    // Some phones allow notifications of installed apps only; the title has the count.
  }
}

/** Show a button that requests the permission, if the user has not decided yet. */
export function offerNotifications() {
  if (globalThis.Notification?.permission !== "default") return;
  const request = async () => {
    await Notification.requestPermission();
    offer.remove();
  };
  const offer = button(text.notifyMe, request, { kind: "bare", icon: "bell" });
  find("page-actions").prepend(offer);
}
