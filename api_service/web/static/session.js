// Who is signed in, and what this tab remembers. The token is sent in headers only, never in a URL.

const KEY = "phoenix.session";
const LAST_USER = "phoenix.last";
const FORM = "phoenix.form";

/**
 * Return the stored session: `{username, token}`, or `{username, firebase: true, isVerified}`.
 * @returns {Session | null}
 */
export function session() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "null");
  } catch {
    return null;
  }
}

/** Whether a user is signed in whose email address is not verified. */
export const isUnverified = () => session()?.isVerified === false;

/** Store who is signed in. */
export function saveSession(current) {
  keepOnlyOf(current.username);
  localStorage.setItem(KEY, JSON.stringify(current));
}

/** Drop what another user left in this tab; what was typed before signing in stays. */
function keepOnlyOf(username) {
  const last = sessionStorage.getItem(LAST_USER);
  if (last !== null && last !== username) sessionStorage.clear();
  sessionStorage.setItem(LAST_USER, username);
}

/** Return the bearer token, or null; `fresh` gets a new one from the identity provider. */
export async function token({ fresh = false } = {}) {
  const current = session();
  if (!current) return null;
  if (!current.firebase) return fresh ? null : current.token;
  const firebase = await firebaseOf(await webConfig());
  return firebase.token(fresh);
}

export async function signOut() {
  const current = session();
  localStorage.removeItem(KEY);
  sessionStorage.clear();
  try {
    if (current?.firebase) await (await firebaseOf(await webConfig())).signOut();
  } finally {
    location.assign("/sign-in");
  }
}

/**
 * Go to sign-in, which returns here afterwards. `mode` "sign-up" shows the form for a new account.
 * @returns {Promise<never>}
 */
export function goToSignIn({ reason = "", mode = "" } = {}) {
  localStorage.removeItem(KEY);
  const next = location.pathname + location.search;
  const query = { next, ...(reason && { reason }), ...(mode && { mode }) };
  location.replace(`/sign-in?${new URLSearchParams(query)}`);
  return new Promise(() => {}); // the page is being left
}

/** Return the state of the create form that this tab remembers. */
export const savedForm = () => JSON.parse(sessionStorage.getItem(FORM) ?? "{}");
export const saveForm = (state) => sessionStorage.setItem(FORM, JSON.stringify(state));

/** @type {Promise<WebConfig> | null} */
let config = null;

/** Fetch `/api/web-config` once. */
export function webConfig() {
  config ??= fetch("/api/web-config")
    .then((response) => {
      if (!response.ok) throw new Error(`web-config: ${response.status}`);
      return response.json();
    })
    .catch((cause) => {
      config = null;
      throw new Error("web-config", { cause });
    });
  return config;
}

/** @type {Promise<Firebase> | undefined} */
let firebase;

/**
 * Load Firebase's web SDK, which only cloud installations configure.
 * @param {WebConfig} config
 * @returns {Promise<Firebase>}
 */
export function firebaseOf({ firebase: options }) {
  firebase ??= import("./firebase.js")
    .then((module) => module.connect(/** @type {FirebaseOptions} */ (options)))
    .catch((error) => {
      firebase = undefined;
      throw error;
    });
  return firebase;
}

const signedIn = session();
if (signedIn) keepOnlyOf(signedIn.username);

// If another tab signs out or in as another user, this tab must not continue as before.
addEventListener("storage", ({ key, oldValue, newValue }) => {
  const usernameOf = (value) => value && JSON.parse(value)?.username;
  if ((key === KEY || key === null) && usernameOf(oldValue) !== usernameOf(newValue))
    location.reload();
});
