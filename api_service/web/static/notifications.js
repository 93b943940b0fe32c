// Notices of finished creations: announced, counted in the title, and as system notifications.

import { announce, button, find, h } from "./dom.js";
import { text } from "./messages.js";

const CHOICE = "phoenix.notifications";
const OFF = "off";

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
  if (notificationState() !== "on") return;
  try {
    const notification = new Notification(message, { body: creation.prompt, tag: "phoenix" });
    notification.onclick = () => globalThis.focus();
  } catch {
    // Some phones allow notifications of installed apps only; the title has the count.
  }
}

/**
 * Return whether this browser shows notifications: on, off, blocked by the browser, or unsupported.
 * "ask" is off until the browser has asked for the permission.
 */
export function notificationState() {
  const permission = globalThis.Notification?.permission;
  if (!permission) return "unsupported";
  if (permission === "denied") return "blocked";
  if (localStorage.getItem(CHOICE) === OFF) return OFF;
  return permission === "granted" ? "on" : "ask";
}

/** Remember in this browser whether the user wants notifications. */
export function saveNotifications(isWanted) {
  if (isWanted) localStorage.removeItem(CHOICE);
  else localStorage.setItem(CHOICE, OFF);
}

export async function requestNotifications() {
  if (notificationState() === "ask") await Notification.requestPermission();
}

/** Show a button that requests the permission, if the user has not decided yet. */
export function offerNotifications() {
  if (notificationState() !== "ask") return;
  const request = async () => {
    await requestNotifications();
    offer.remove();
  };
  const name = { "aria-label": text.notifyMe, title: text.notifyMe };
  const label = h("span.page-action-label", text.notifyMe); // a phone shows the icon only
  const offer = button(label, request, { kind: "bare", icon: "bell", ...name });
  find("page-actions").prepend(offer);
}
