// What surrounds every page: where one is, the balance, the account's menu, the queue's banner.

import { call } from "./api.js";
import { find, hue, tokens } from "./dom.js";
import { session, signOut } from "./session.js";

const BALANCE = "phoenix.balance";
const LOOK_EVERY_MS = 30_000;

/** Show a balance, in every place of the page. */
export function showBalance(count) {
  sessionStorage.setItem(BALANCE, count);
  const [number, unit] = tokens(count).split(" ");
  const balance = find("balance");
  balance.querySelector("b").textContent = number;
  balance.querySelector("b + span").textContent = unit;
  balance.hidden = false;
}

/** Return the balance that was shown last, or null. */
export function knownBalance() {
  const kept = sessionStorage.getItem(BALANCE);
  return kept === null ? null : Number(kept);
}

/** Ask for the account and show its balance. */
export async function account() {
  const { data } = await call("/api/me");
  showBalance(data.tokenBalance);
  return data;
}

/** Say in the title how many things became ready while nobody looked. */
export function showReady(count) {
  document.title = document.title.replace(/^\(\d+\) /, "");
  if (count) document.title = `(${count}) ${document.title}`;
  const badge = find("ready-count");
  badge.textContent = count;
  badge.setAttribute("aria-label", `${count} new`);
  badge.hidden = !count;
}

/** Show a line below the top while `words` says something. */
export function showBanner(words) {
  const banner = find("banner");
  if (banner.textContent !== words) banner.textContent = words;
  banner.hidden = !words;
}

/** Watch whether creations can be queued, and say so while they cannot. */
export function watchQueue() {
  const look = async () => {
    if (document.hidden) return;
    const ready = await call("/api/health/ready", { anonymous: true }).catch(() => null);
    const isDown = ready?.data.queue && !ready.data.queue.ok;
    showBanner(
      isDown
        ? "New creations cannot be queued at the moment. What could not be queued is paid back at once."
        : "",
    );
  };
  look();
  setInterval(look, LOOK_EVERY_MS);
}

function start() {
  const here = location.pathname;
  const kept = session();
  const isMine = kept && here === `/soho/${kept.username}`;
  for (const link of document.querySelectorAll(".tabs a")) {
    const there = new URL(link.href).pathname;
    const isDrafts = link.id === "to-drafts";
    if (here === there || (isDrafts && isMine)) link.setAttribute("aria-current", "page");
    if (isDrafts && kept) link.href = `/soho/${kept.username}?tab=drafts`;
  }
  find("to-sign-in").hidden = Boolean(kept) || here === "/sign-in";
  if (!kept) return;
  const face = find("face");
  face.textContent = kept.username[0];
  face.style.setProperty("--hue", hue(kept.username));
  face.setAttribute("aria-label", `Account of ${kept.username}`);
  face.hidden = false;
  const [name] = find("menu").getElementsByTagName("p");
  name.textContent = `Signed in as ${kept.username}`;
  find("menu").querySelector("a").href = `/soho/${kept.username}`;
  find("menu").querySelector("button").addEventListener("click", signOut);
  if (knownBalance() !== null) showBalance(knownBalance());
}

start();
