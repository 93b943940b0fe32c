// The service worker: keeps the pages and their files, so that the app starts without a network.
// Only page loads and `/static/` pass through it: no API call, no media, no shared link. Pages hold
// no user's data. The server puts `const RELEASE = {...};` before this script.

const worker = /** @type {any} */ (self);
const PREFIX = "phoenix-";
const CACHE = `${PREFIX}${RELEASE.version}`;
const OFFLINE = "/offline";
const PROFILE = "/soho/-"; // every profile is the same page
const NETWORK_MS = 4_000; // then a kept page is shown

worker.addEventListener("install", (event) => {
  event.waitUntil(install());
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(activate());
});

worker.addEventListener("fetch", (event) => {
  const { method, url, mode, headers } = event.request;
  const { origin, pathname } = new URL(url);
  if (method !== "GET" || origin !== location.origin || headers.has("Authorization")) return;
  if (pathname.startsWith(RELEASE.folder)) event.respondWith(file(event.request));
  else if (mode === "navigate" && isPage(pathname)) event.respondWith(page(event, keyOf(pathname)));
});

worker.addEventListener("message", (event) => {
  if (event.data === "language") event.waitUntil(renewPages());
});

async function install() {
  await Promise.all([...RELEASE.files.map((path) => add(path, isOwnFile)), addPages()]);
  await worker.skipWaiting();
}

const addPages = () =>
  Promise.all(RELEASE.offlinePages.map((path) => add(path, isOwnPage, { cache: "no-cache" })));

/** Keep what this release responds with, or fail: an instance of another one may have responded. */
async function add(path, isOwn, options) {
  const response = await fetch(path, options);
  if (!response.ok || !(await isOwn(response))) throw new TypeError(`not of this release: ${path}`);
  await (await caches.open(CACHE)).put(path, response);
}

/** Another release's file has to be checked each time. */
const isOwnFile = ({ headers }) => headers.get("Cache-Control")?.includes("immutable");
const isOwnPage = async (response) => (await response.clone().text()).includes(RELEASE.folder);

/** Replace the kept pages, which are in the language that the user had before. */
async function renewPages() {
  const cache = await caches.open(CACHE);
  const others = [...RELEASE.keptPages, PROFILE].filter((path) => !RELEASE.offlinePages.includes(path));
  await Promise.all(others.map((path) => cache.delete(path)));
  await addPages().catch(() => {}); // without a network, the old ones are better than none
}

async function activate() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await worker.clients.claim();
}

const isPage = (path) =>
  RELEASE.keptPages.includes(path) || path === "/admin" || path.startsWith("/soho/");

/** Return the name under which a page is kept, or null: publications and `/admin` are not. */
function keyOf(path) {
  if (RELEASE.keptPages.includes(path)) return path;
  return /^\/soho\/[^/]+$/.test(path) ? PROFILE : null;
}

// The responses vary by headers that a worker does not see.
const kept = async (key) =>
  (await caches.open(CACHE)).match(key, { ignoreSearch: true, ignoreVary: true });

/** Return a file of this release, which never changes. */
async function file(request) {
  const found = await kept(request);
  if (found) return found;
  const response = await fetch(request);
  if (response.ok && isOwnFile(response)) await keep(request.url, response.clone());
  return response;
}

/** Return a page from the network; without one, or after a while, the kept page. */
async function page(event, key) {
  const fresh = fetch(event.request);
  if (key) event.waitUntil(keepPage(key, fresh));
  try {
    return await Promise.race([fresh, keptAfter(NETWORK_MS, key, fresh)]);
  } catch {
    return (key && (await kept(key))) ?? (await kept(OFFLINE)) ?? Response.error();
  }
}

async function keptAfter(milliseconds, key, fresh) {
  await new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
  return (key && (await kept(key))) ?? fresh;
}

/** Keep a page of this release; the next release has its own worker. */
async function keepPage(key, fresh) {
  const copy = await fresh.then((response) => response.clone()).catch(() => null);
  if (!copy?.ok || copy.redirected) return;
  if (await isOwnPage(copy)) await keep(key, copy);
}

/** Keep a response; a full disk is no reason to fail. */
const keep = async (key, response) =>
  (await caches.open(CACHE)).put(key, response).catch(() => {});
