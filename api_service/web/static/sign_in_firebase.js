// Signing in with Firebase: sign in, create an account, reset a password.

import { call } from "./api.js";
import { find, h } from "./dom.js";
import { text } from "./messages.js";
import { firebaseOf, isUnverified, saveSession, session } from "./session.js";
import { actButton, field, passwordField, signInForm, valueOf } from "./sign_in_forms.js";
import { verification } from "./sign_in_verify.js";

const FORMS = { "sign-in": signIn, "sign-up": signUp, reset };
const VERIFY = "verify";

/** @type {Firebase} */
let firebase;
/** @type {FirebaseOptions["providers"]} */
let providers;
/** @type {() => string} */
let nextPage;
let typedEmail = "";
let step = new AbortController();

const query = () => new URLSearchParams(location.search);

/** Show the form that the address names, also when the user goes back. */
export async function signInWithFirebase(config, next) {
  [firebase, providers, nextPage] = [await firebaseOf(config), config.firebase.providers, next];
  addEventListener("popstate", () => (session() ? location.reload() : show()));
  show({ isFirst: true });
}

function show({ isFirst = false } = {}) {
  step.abort();
  step = new AbortController();
  const isEmail = providers.includes("email");
  const asked = query().get("mode") ?? "";
  const mode = isUnverified() ? VERIFY : isEmail && asked in FORMS ? asked : "sign-in";
  const { title, hint } = text.signInPage[mode];
  find("title").textContent = title;
  document.title = `${title} · Phoenix`;
  find("reason").textContent = query().get("reason") === "expired" ? text.signedOut : hint;
  const { signal } = step;
  const parts = mode === VERIFY ? verification(firebase, { enter, nextPage, signal }) : FORMS[mode]();
  find("methods").replaceChildren(...parts);
  const input = find("methods").querySelector("input");
  if (input) input.focus();
  else if (!isFirst) find("title").focus();
}

/** Store the session under the account's own name. The first verified request brings tokens. */
async function enter() {
  const { data } = await call("/api/me", { as: await firebase.token() });
  saveSession({ username: data.username, firebase: true, isVerified: firebase.isVerified() });
}

async function enterAndContinue() {
  await enter();
  location.replace(nextPage());
}

function signIn() {
  if (!providers.includes("email")) return popups();
  const fields = [emailField(), passwordField({ autocomplete: "current-password" })];
  const form = signInForm(fields, text.signIn, async () => {
    await firebase.withEmail(valueOf("email"), valueOf("password"));
    await enterAndContinue();
  });
  const links = [
    h("p", link(text.forgotPassword, "reset")),
    h("p", text.newHere, " ", link(text.createAccount, "sign-up")),
  ];
  return [...popups(), form, h("div.sign-in-links", ...links)];
}

function signUp() {
  const password = passwordField({ autocomplete: "new-password", rules: text.passwordRules });
  const submit = async () => {
    await firebase.signUp(valueOf("email"), valueOf("password"));
    await enter();
    history.replaceState(null, "", addressOf(VERIFY));
    show();
    find("send", HTMLButtonElement).click();
  };
  const offers = { "auth/email-already-in-use": () => link(text.signIn, "sign-in") };
  const form = signInForm([emailField(), password], text.createAccount, submit, offers);
  const toSignIn = h("p", text.haveAccount, " ", link(text.signIn, "sign-in"));
  return [...popups(), form, h("div.sign-in-links", toSignIn)];
}

/** The answer does not reveal whether the address has an account. */
function reset() {
  const form = signInForm([emailField()], text.sendLink, async () => {
    const email = valueOf("email");
    await firebase.sendReset(email).catch((error) => {
      if (error.code !== "auth/user-not-found") throw error;
    });
    form.replaceChildren(h("p", { role: "status", tabindex: "-1" }, text.resetSent(email)));
    form.querySelector("p")?.focus();
  });
  return [form, h("div.sign-in-links", h("p", link(text.signIn, "sign-in")))];
}

function popups() {
  const parts = providers.flatMap((provider) => {
    if (provider === "email") return [];
    const act = async () => {
      await firebase.withPopup(provider);
      await enterAndContinue();
    };
    return actButton(text.continueWith[provider], act, { kind: "large" });
  });
  const isEither = parts.length > 0 && providers.includes("email");
  return isEither ? [...parts, h("p.sign-in-or", text.or)] : parts;
}

function emailField() {
  const oninput = ({ target }) => (typedEmail = target.value);
  const names = { name: "email", type: "email", autocomplete: "username" };
  return field(text.email, { ...names, value: typedEmail, oninput });
}

function addressOf(mode) {
  const others = query();
  others.delete("reason");
  others.set("mode", mode);
  return `${location.pathname}?${others}`;
}

/** Create a link to another form, which keeps the email address. */
function link(label, mode) {
  const href = addressOf(mode);
  const onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", href);
    show();
  };
  return h("a", { href, onclick }, label);
}
