// Signing in: by name on one machine, with Firebase in the cloud.

import { call } from "./api.js";
import { find, h } from "./dom.js";
import { pageMessage } from "./errors.js";
import { text } from "./messages.js";
import { isUnverified, saveSession, session, webConfig } from "./session.js";
import { field, signInForm, valueOf } from "./sign_in_forms.js";
import "./shell.js";

const query = new URLSearchParams(location.search);

/** Return the page to go to afterwards, never one of another site. */
function nextPage() {
  const next = query.get("next") ?? "/create";
  if (!URL.canParse(next, location.origin)) return "/create";
  const { href, pathname } = new URL(next, location.origin);
  const isOwn = href.startsWith(`${location.origin}/`); // the path alone may begin with `//`
  return isOwn && pathname !== "/sign-in" ? href : "/create";
}

function localSignIn() {
  const name = field(text.yourName, {
    name: "username",
    autocomplete: "username",
    autocapitalize: "none",
    spellcheck: "false",
    maxlength: "24",
    autofocus: true,
  });
  const form = signInForm([name], text.signIn, async () => {
    const json = { username: valueOf("username").trim().toLowerCase() };
    const { data } = await call("/api/local/sign-in", { method: "POST", json, anonymous: true });
    const account = await call("/api/me", { as: data.token });
    saveSession({ token: data.token, username: account.data.username });
    location.replace(nextPage());
  });
  find("methods").replaceChildren(form, h("p.form-note", text.localMode));
  find("methods").querySelector("input")?.focus();
}

if (session() && !(isUnverified() && query.get("mode") === "verify")) location.replace(nextPage());
if (query.get("reason") === "expired") find("reason").textContent = text.signedOut;
try {
  const config = await webConfig();
  if (!config.firebase) localSignIn();
  else await (await import("./sign_in_firebase.js")).signInWithFirebase(config, nextPage);
} catch (error) {
  find("methods").replaceChildren(pageMessage(error));
}
