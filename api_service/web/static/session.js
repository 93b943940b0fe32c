// Who is signed in. The token goes into headers only, never into an address.

const KEY = "phoenix.session";
const LAST = "phoenix.last";

/** What is kept of the session: `{username, token}`, or `{username, firebase: true}`. */
export function session() {
  try {
    return JSON.parse(localStorage.getItem(KEY));
  } catch {
    return null;
  }
}

/** Keep who is signed in; what another user left in this tab is not for them. */
export function keep(kept) {
  if (sessionStorage.getItem(LAST) !== kept.username) sessionStorage.clear();
  sessionStorage.setItem(LAST, kept.username);
  localStorage.setItem(KEY, JSON.stringify(kept));
}

/** Return the bearer token, or null; `fresh` asks the identity provider for a new one. */
export async function token({ fresh = false } = {}) {
  const kept = session();
  if (!kept) return null;
  if (!kept.firebase) return fresh ? null : kept.token;
  const firebase = await firebaseOf(await webConfig());
  return firebase.token(fresh);
}

export async function signOut() {
  const kept = session();
  localStorage.removeItem(KEY);
  sessionStorage.clear();
  try {
    if (kept?.firebase) await (await firebaseOf(await webConfig())).signOut();
  } finally {
    location.assign("/sign-in");
  }
}

/** Go to sign in, and come back here afterwards. */
export function goToSignIn(why = "") {
  localStorage.removeItem(KEY);
  const here = location.pathname + location.search;
  location.replace(`/sign-in?${new URLSearchParams({ next: here, ...(why && { why }) })}`);
  return new Promise(() => {}); // this page is over
}

let config = null;

/** Return what `/api/web-config` says. */
export function webConfig() {
  config ??= fetch("/api/web-config").then((answer) => answer.json());
  return config;
}

let firebase = null;

/** Load Firebase's web SDK: only where the configuration names it. */
export function firebaseOf({ firebase: named }) {
  firebase ??= load(named);
  return firebase;
}

async function load({ sdkUrl, ...options }) {
  const [app, auth] = await Promise.all(
    ["app", "auth"].map((name) => import(`${sdkUrl}/firebase-${name}.js`)),
  );
  const signedIn = auth.getAuth(app.initializeApp(options));
  await signedIn.authStateReady();
  return {
    token: async (fresh) => (await signedIn.currentUser?.getIdToken(fresh)) ?? null,
    withGoogle: () => auth.signInWithPopup(signedIn, new auth.GoogleAuthProvider()),
    withEmail: (email, password) => auth.signInWithEmailAndPassword(signedIn, email, password),
    signOut: () => auth.signOut(signedIn),
  };
}

// Another tab has signed out, or in as somebody else: this one must not go on as before.
addEventListener("storage", ({ key, oldValue, newValue }) => {
  const who = (text) => text && JSON.parse(text)?.username;
  if ((key === KEY || key === null) && who(oldValue) !== who(newValue)) location.reload();
});
