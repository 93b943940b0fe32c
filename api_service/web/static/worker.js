// Registers the service worker when the page has nothing else to do.

const ADDRESS = "/sw.js";
const IDLE_MS = 10_000;

/** Return the worker's address for browsers that only accept trusted ones. */
function trustedAddress() {
  const createScriptURL = (address) => {
    if (address !== ADDRESS) throw new TypeError(`not the service worker: ${address}`);
    return address;
  };
  const policy = globalThis.trustedTypes?.createPolicy("phoenix-worker", { createScriptURL });
  return policy ? policy.createScriptURL(ADDRESS) : ADDRESS;
}

async function register() {
  try {
    await navigator.serviceWorker?.register(trustedAddress());
  } catch {
    // Private windows have no storage for it, and no page needs it.
  }
}

/** Register the service worker after the page has loaded. */
export function registerWorker() {
  const whenIdle = () =>
    "requestIdleCallback" in globalThis // Safari has none
      ? requestIdleCallback(register, { timeout: IDLE_MS })
      : setTimeout(register, IDLE_MS);
  if (document.readyState === "complete") whenIdle();
  else addEventListener("load", whenIdle, { once: true });
}
