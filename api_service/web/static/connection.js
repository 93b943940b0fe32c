// Says when there is no connection, and when a response takes long.

import { find } from "./dom.js";
import { text } from "./messages.js";

const PROBE = "/api/health";
const PROBE_MS = 5_000;
const SLOW_MS = 4_000;
const WAITING = ".skeleton, main [aria-busy='true']";

const notices = { connection: "", queue: "" };
let slowCount = 0;
let isProbing = false;

/** Show a notice at the top of the page, or remove it; the connection's comes first. */
export function showNotice(kind, message) {
  notices[kind] = message;
  const shown = notices.connection || notices.queue;
  const banner = find("banner");
  if (banner.textContent !== shown) banner.textContent = shown;
  banner.hidden = !shown;
}

/** Find out whether the server is reachable, until it is: one failed request may be a chance. */
async function probe() {
  if (isProbing) return;
  isProbing = true;
  for (;;) {
    const isReached = await isReachable();
    showNotice("connection", isReached ? "" : text.app[navigator.onLine ? "unreachable" : "offline"]);
    if (isReached || !navigator.onLine) break; // `online` probes again
    await new Promise((resolve) => {
      setTimeout(resolve, PROBE_MS);
    });
  }
  isProbing = false;
}

export async function isReachable() {
  if (!navigator.onLine) return false;
  const options = { cache: "no-store", signal: AbortSignal.timeout(PROBE_MS) };
  return fetch(PROBE, /** @type {RequestInit} */ (options)).then(
    () => true,
    () => false,
  );
}

function showSlow(change) {
  slowCount += change;
  const isWaiting = slowCount > 0 && document.querySelector(WAITING) !== null;
  find("slow").textContent = isWaiting ? text.app.stillLoading : "";
}

/** Follow a request of `api.js` to its response. */
async function watch(request) {
  let slow = 0;
  const timer = setTimeout(() => showSlow((slow = 1)), SLOW_MS);
  try {
    await request;
  } catch (error) {
    if (error.name !== "AbortError") probe();
  } finally {
    clearTimeout(timer);
    if (slow) showSlow(-slow);
  }
}

export function watchConnection() {
  addEventListener("phoenix.request", (event) => watch(/** @type {CustomEvent} */ (event).detail));
  addEventListener("offline", probe);
  addEventListener("online", probe);
  if (!navigator.onLine) probe();
}
