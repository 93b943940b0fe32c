// What surrounds each page: tabs, balance, account menu, and a banner while something is down.

import { call } from "./api.js";
import { showNotice, watchConnection } from "./connection.js";
import { drawAvatar, find, h } from "./dom.js";
import { say, text } from "./messages.js";
import { isUnverified, session, signOut } from "./session.js";
import { registerWorker } from "./worker.js";

const BALANCE = "phoenix.balance";
const QUEUE_CHECK_MS = 30_000;

export function showBalance(balance) {
  sessionStorage.setItem(BALANCE, balance);
  const [number, unit] = find("balance").querySelectorAll("b, b + span");
  number.textContent = say("{count}", { count: balance });
  unit.textContent = say(text.tokenUnit, { count: balance });
  find("balance").hidden = false;
}

/** Return the balance last shown, or null. */
export function knownBalance() {
  const balance = sessionStorage.getItem(BALANCE);
  return balance === null ? null : Number(balance);
}

/** Fetch the account and show its balance. A public page stays if the session has expired. */
export async function refreshAccount({ isPublic = false } = {}) {
  const { data } = await call("/api/me", { isPublic });
  showBalance(data.tokenBalance);
}

/** Show a banner while creations cannot be queued. */
export function watchQueue() {
  const check = async () => {
    if (document.hidden) return;
    const ready = await call("/api/health/ready", { anonymous: true }).catch(() => null);
    if (ready) showNotice("queue", ready.data.queue && !ready.data.queue.ok ? text.queueDown : "");
  };
  check();
  setInterval(check, QUEUE_CHECK_MS);
}

/** Lead a user whose email address is not verified to where that is done. */
function askToVerify() {
  const next = location.pathname + location.search;
  const href = `/sign-in?${new URLSearchParams({ mode: "verify", next })}`;
  find("banner").after(h("p.shell-banner", text.verifyEmail, h("a", { href }, text.verifyNow)));
}

function start() {
  const path = location.pathname;
  const username = session()?.username;
  const isOwnProfile = username && path === `/soho/${username}`;
  for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (
    document.querySelectorAll(".shell-tabs a")
  )) {
    const isDrafts = link.id === "drafts-link";
    if (path === new URL(link.href).pathname || (isDrafts && isOwnProfile))
      link.setAttribute("aria-current", "page");
    if (isDrafts && username) link.href = `/soho/${username}?tab=drafts`;
  }
  find("sign-in-link").hidden = Boolean(username) || path === "/sign-in";
  find("settings-link").hidden = Boolean(username) || path === "/settings";
  if (!username) return;
  find("brand", HTMLAnchorElement).href = "/create";
  const account = find("account-button");
  drawAvatar(account, username);
  account.setAttribute("aria-label", text.accountMenu(username));
  account.hidden = false;
  find("signed-in-as").textContent = text.signedInAs(username);
  find("profile-link", HTMLAnchorElement).href = `/soho/${username}`;
  find("sign-out").addEventListener("click", signOut);
  if (isUnverified() && path !== "/sign-in") askToVerify();
  const balance = knownBalance();
  if (balance !== null) showBalance(balance);
}

start();
watchConnection();
registerWorker();
