// Firebase's web SDK. Only pages of cloud installations load it, and only sign-in opens pop-ups.

import { allowPopupLoader } from "./popup_scripts.js";

const APPLE = "apple.com";
const APPLE_SCOPES = ["email", "name"];
const SIGN_IN = "/sign-in";

/**
 * @param {FirebaseOptions} options
 * @returns {Promise<Firebase>}
 */
export async function connect({ sdkUrl, emulatorUrl, providers, ...options }) {
  const [app, auth] = await Promise.all(
    ["app", "auth"].map((name) => import(`${sdkUrl}/firebase-${name}.js`)),
  );
  const opensPopups = location.pathname === SIGN_IN && providers.some((each) => each !== "email");
  if (opensPopups) allowPopupLoader();
  const client = auth.initializeAuth(app.initializeApp(options), {
    persistence: [auth.indexedDBLocalPersistence, auth.browserLocalPersistence],
    ...(opensPopups && { popupRedirectResolver: auth.browserPopupRedirectResolver }),
  });
  if (emulatorUrl) auth.connectAuthEmulator(client, emulatorUrl, { disableWarnings: true });
  client.languageCode = document.documentElement.lang;
  await client.authStateReady();
  return usersOf(auth, client);
}

function usersOf(auth, client) {
  const after = (mode) => ({ url: `${location.origin}${SIGN_IN}${mode}` });
  return {
    email: () => client.currentUser?.email ?? "",
    isVerified: () => client.currentUser?.emailVerified !== false,
    /** Ask Firebase whether the address is verified now, and get a token that says so. */
    refresh: async () => {
      await client.currentUser.reload();
      if (client.currentUser.emailVerified) await client.currentUser.getIdToken(true);
    },
    sendReset: (email) => auth.sendPasswordResetEmail(client, email, after("")),
    sendVerification: () => auth.sendEmailVerification(client.currentUser, after("?mode=verify")),
    signOut: () => auth.signOut(client),
    signUp: (email, password) => auth.createUserWithEmailAndPassword(client, email, password),
    token: async (fresh) => (await client.currentUser?.getIdToken(fresh)) ?? null,
    withEmail: (email, password) => auth.signInWithEmailAndPassword(client, email, password),
    withPopup: (provider) => auth.signInWithPopup(client, newProvider(auth, provider)),
  };
}

function newProvider(auth, name) {
  if (name === "google") return new auth.GoogleAuthProvider();
  const apple = new auth.OAuthProvider(APPLE);
  for (const scope of APPLE_SCOPES) apple.addScope(scope);
  return apple;
}
