// `/shared/{creationId}/{secret}`: the page works without this; it renews the link of the media.

import { call } from "./api.js";
import { find } from "./dom.js";
import { session } from "./session.js";
import { refreshAccount } from "./shell.js";

const RENEW_AFTER_MS = 60_000;
const media = /** @type {HTMLImageElement | HTMLVideoElement} */ (find("media"));
let renewedMs = performance.now();

/** The link ends after 15 minutes, which a paused video notices when it plays on. */
media.addEventListener("error", async () => {
  if (performance.now() - renewedMs < RENEW_AFTER_MS) return;
  renewedMs = performance.now();
  try {
    const { data } = await call(`/api${location.pathname}`, { anonymous: true });
    const playedS = media instanceof HTMLVideoElement ? media.currentTime : 0;
    media.src = data.creation.mediaUrl;
    if (media instanceof HTMLVideoElement) media.currentTime = playedS;
  } catch (error) {
    if (error.status === 404) location.reload();
  }
});
if (session()) refreshAccount({ isPublic: true }).catch(() => {});
