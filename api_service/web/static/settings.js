// Settings of this browser: notifications and the language; and the account.

import { button, drawAvatar, find, h } from "./dom.js";
import { text } from "./messages.js";
import { notificationState, requestNotifications, saveNotifications } from "./notifications.js";
import { session, signOut, webConfig } from "./session.js";
import { refreshAccount } from "./shell.js";

const COOKIE = "phoenix_language";
const YEAR_S = 365 * 24 * 3600;
const FOCUS = "phoenix.languageChosen";

// Notifications

function drawNotifications() {
  const state = notificationState();
  const notify = find("notify", HTMLInputElement);
  notify.checked = state === "on";
  notify.disabled = state === "blocked" || state === "unsupported";
  find("permission").textContent = text.settingsPage.notifications[state];
}

async function toggleNotifications() {
  const isWanted = find("notify", HTMLInputElement).checked;
  saveNotifications(isWanted);
  if (isWanted) await requestNotifications();
  drawNotifications();
}

// Language

const chosenLanguage = () =>
  document.cookie
    .split("; ")
    .find((each) => each.startsWith(`${COOKIE}=`))
    ?.slice(COOKIE.length + 1) ?? "";

/** Remember the language for a year, or with "" the browser's own, and load the page in it. */
function choose(code) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  const age = code ? YEAR_S : 0;
  // oxlint-disable-next-line unicorn/no-document-cookie -- Safari and Firefox lack the cookie store on http
  document.cookie = `${COOKIE}=${code}; Path=/; Max-Age=${age}; SameSite=Lax${secure}`;
  sessionStorage.setItem(FOCUS, code);
  navigator.serviceWorker?.controller?.postMessage("language"); // it keeps pages
  location.reload();
}

function languageChoice(code, name, chosen) {
  const onchange = () => choose(code);
  const input = h("input", {
    type: "radio", name: "language", value: code, checked: code === chosen, onchange,
  });
  return h("label.settings-choice", input, h("span", code && { lang: code }, name));
}

function drawLanguages(languages) {
  const chosen = chosenLanguage() in languages ? chosenLanguage() : "";
  const choices = Object.entries({ "": text.settingsPage.browserLanguage, ...languages });
  find("languages").replaceChildren(
    ...choices.map(([code, name]) => languageChoice(code, name, chosen)),
  );
  if (sessionStorage.getItem(FOCUS) === null) return;
  sessionStorage.removeItem(FOCUS);
  /** @type {HTMLInputElement | null} */ (find("languages").querySelector(":checked"))?.focus();
}

// Account

function drawAccount() {
  const username = session()?.username;
  if (!username) {
    const signIn = h("a.button", { href: "/sign-in?next=/settings" }, text.signIn);
    find("account-content").replaceChildren(h("p.muted", text.settingsPage.signedOut), signIn);
    return;
  }
  const avatar = h("span.avatar", { "aria-hidden": "true" });
  drawAvatar(avatar, username);
  find("account-content").replaceChildren(
    h("p.settings-name", avatar, h("strong", { dir: "auto" }, `@${username}`)),
    h(
      "div.settings-actions",
      h("a.button", { href: `/soho/${username}` }, text.settingsPage.profile),
      h("a.button", { href: "/tokens" }, text.settingsPage.tokens),
      button(text.settingsPage.signOut, signOut),
    ),
  );
}

drawNotifications();
find("notify").addEventListener("change", toggleNotifications);
drawAccount();
if (session()) refreshAccount({ isPublic: true }).catch(() => {}); // without a connection, a banner says so
webConfig().then(
  ({ languages }) => drawLanguages(languages),
  () => drawLanguages({ [document.documentElement.lang]: text.languageName }),
);
