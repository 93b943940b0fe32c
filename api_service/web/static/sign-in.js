// Signing in: by name on one machine, with Firebase in the cloud.

import { call } from "./api.js";
import { button, find, h, isBusy, setBusy } from "./dom.js";
import { pageMessage } from "./errors.js";
import { text } from "./messages.js";
import { firebaseOf, saveSession, session, webConfig } from "./session.js";
import "./shell.js";

const query = new URLSearchParams(location.search);

/** Return the page to go to afterwards, never one of another site. */
function nextPage() {
  const { href, pathname } = new URL(query.get("next") ?? "/create", location.origin);
  const isOwn = href.startsWith(`${location.origin}/`); // the path alone may begin with `//`
  return isOwn && pathname !== "/sign-in" ? href : "/create";
}

/** Store the session under the account's own name, and continue. */
async function enter(credentials, bearer) {
  const { data } = await call("/api/me", { as: bearer });
  saveSession({ ...credentials, username: data.username });
  location.replace(nextPage());
}

/** Create a form that shows an error below its fields. */
function signInForm(fields, submit) {
  const problem = h("div", { role: "alert" });
  const go = h("button.button.primary.large", text.signIn);
  const onsubmit = async (event) => {
    event.preventDefault();
    if (isBusy(go)) return;
    setBusy(go, true);
    problem.replaceChildren();
    try {
      await submit();
    } catch (error) {
      problem.replaceChildren(h("p.message", messageOf(error)));
      fields[0].querySelector("input")?.focus();
    }
    setBusy(go, false);
  };
  return h("form", { novalidate: true, onsubmit }, ...fields, problem, go);
}

function messageOf({ code, message }) {
  if (code === "invalid_field") return text.usernameRules;
  const credential = /wrong-password|invalid-credential|user-not-found|invalid-email/;
  return credential.test(code) ? text.wrongPassword : message;
}

function field(label, attributes) {
  const { name } = attributes;
  return h(
    "div",
    h("label.form-label", { for: name }, label),
    h("input.form-field", { id: name, required: true, ...attributes }),
  );
}

const valueOf = (name) => find(name, HTMLInputElement).value;

function localSignIn() {
  const name = field(text.yourName, {
    name: "username",
    autocomplete: "username",
    autocapitalize: "none",
    spellcheck: "false",
    maxlength: "24",
    autofocus: true,
  });
  const form = signInForm([name], async () => {
    const json = { username: valueOf("username").trim().toLowerCase() };
    const { data } = await call("/api/local/sign-in", { method: "POST", json, anonymous: true });
    await enter({ token: data.token }, data.token);
  });
  return [form, h("p.form-note", text.localMode)];
}

async function firebaseSignIn(config) {
  const firebase = await firebaseOf(config);
  const enterWithToken = async () => enter({ firebase: true }, await firebase.token());
  const email = { name: "email", type: "email", autocomplete: "username" };
  const password = { name: "password", type: "password", autocomplete: "current-password" };
  const fields = [field(text.email, email), field(text.password, password)];
  const withEmail = signInForm(fields, async () => {
    await firebase.withEmail(valueOf("email"), valueOf("password"));
    await enterWithToken();
  });
  const withGoogle = async () => {
    await firebase.withGoogle();
    await enterWithToken();
  };
  const google = button(text.continueWithGoogle, withGoogle, { kind: "large" });
  return [google, h("p.sign-in-or", text.or), withEmail];
}

if (session()) location.replace(nextPage());
if (query.get("reason") === "expired") find("reason").textContent = text.signedOut;
try {
  const config = await webConfig();
  const methods = config.firebase ? await firebaseSignIn(config) : localSignIn();
  find("methods").replaceChildren(...methods);
  find("methods").querySelector("input")?.focus();
} catch (error) {
  find("methods").replaceChildren(pageMessage(error));
}
