// Who is signed in, and what this tab remembers. The token is sent in headers only, never in a URL.

const KEY = "phoenix.session";
const LAST_USER = "phoenix.last";
const FORM = "phoenix.form";

/**
 * Return the stored session: `{username, token}`, or `{username, firebase: true}`.
 * @returns {Session | null}
 */
export function session() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "null");
  } catch {
    return null;
  }
}

/** Store who is signed in, and drop what another user left in this tab. */
export function saveSession(current) {
  if (sessionStorage.getItem(LAST_USER) !== current.username) sessionStorage.clear();
  sessionStorage.setItem(LAST_USER, current.username);
  localStorage.setItem(KEY, JSON.stringify(current));
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
 * Go to sign-in, which returns here afterwards.
 * @returns {Promise<never>}
 */
export function goToSignIn({ reason = "" } = {}) {
  localStorage.removeItem(KEY);
  const next = location.pathname + location.search;
  location.replace(`/sign-in?${new URLSearchParams({ next, ...(reason && { reason }) })}`);
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
    .catch((error) => {
      config = null;
      throw error;
    });
  return config;
}

/** @type {ReturnType<typeof load> | undefined} */
let firebase;

/** Load Firebase's web SDK, which only cloud installations configure. */
export function firebaseOf({ firebase: options }) {
  firebase ??= load(options).catch((error) => {
    firebase = undefined;
    throw error;
  });
  return firebase;
}

async function load({ sdkUrl, ...options }) {
  const [app, auth] = await Promise.all(
    ["app", "auth"].map((name) => import(`${sdkUrl}/firebase-${name}.js`)),
  );
  const client = auth.getAuth(app.initializeApp(options));
  await client.authStateReady();
  return {
    token: async (fresh) => (await client.currentUser?.getIdToken(fresh)) ?? null,
    withGoogle: () => auth.signInWithPopup(client, new auth.GoogleAuthProvider()),
    withEmail: (email, password) => auth.signInWithEmailAndPassword(client, email, password),
    signOut: () => auth.signOut(client),
  };
}

// If another tab signs out or in as another user, this tab must not continue as before.
addEventListener("storage", ({ key, oldValue, newValue }) => {
  const usernameOf = (value) => value && JSON.parse(value)?.username;
  if ((key === KEY || key === null) && usernameOf(oldValue) !== usernameOf(newValue))
    location.reload();
});
