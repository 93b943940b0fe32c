// Signing in: by name on one machine, with Firebase in the cloud.

import { call } from "./api.js";
import { button, find, h } from "./dom.js";
import "./frame.js";
import { firebaseOf, keep, session, webConfig } from "./session.js";

const asked = new URLSearchParams(location.search);

/** Return where to go afterwards: a page of ours, whatever the address says. */
function next() {
  const wanted = new URL(asked.get("next") ?? "/create", location.origin);
  return wanted.origin === location.origin && wanted.pathname !== "/sign-in"
    ? wanted.pathname + wanted.search
    : "/create";
}

/** Keep the session under the account's own name, and go on. */
async function enter(kept, bearer) {
  const { data } = await call("/api/me", { as: bearer });
  keep({ ...kept, username: data.username });
  location.replace(next());
}

/** Return a form that tells what went wrong below its fields. */
function form(fields, words, submit) {
  const problem = h("div", { role: "alert" });
  const go = h("button", { class: "button primary large" }, words);
  const made = h("form", {
    novalidate: true,
    onsubmit: async (event) => {
      event.preventDefault();
      if (go.getAttribute("aria-disabled") === "true") return;
      go.setAttribute("aria-disabled", "true");
      problem.replaceChildren();
      try {
        await submit();
      } catch (error) {
        problem.replaceChildren(h("p", { class: "message" }, wordsFor(error)));
        fields[0].querySelector("input")?.focus();
      }
      go.removeAttribute("aria-disabled");
    },
  });
  made.append(...fields, problem, go);
  return made;
}

function wordsFor(error) {
  if (error.code === "invalid_field") {
    return "Use 3 to 24 letters a-z, digits or hyphens. A few names are taken by Phoenix itself.";
  }
  const isCredential = /wrong-password|invalid-credential|user-not-found|invalid-email/.test(
    error.code,
  );
  return isCredential ? "This email and password do not fit." : error.message;
}

function field(label, attributes) {
  const { name } = attributes;
  return h(
    "div",
    {},
    h("label", { class: "label", for: name }, label),
    h("input", { class: "field", id: name, required: true, ...attributes }),
  );
}

function byName() {
  const name = field("Your name", {
    name: "username",
    autocomplete: "username",
    autocapitalize: "none",
    spellcheck: "false",
    maxlength: "24",
    autofocus: true,
  });
  const value = () => name.querySelector("input").value.trim().toLowerCase();
  const made = form([name], "Sign in", async () => {
    const body = { username: value() };
    const { data } = await call("/api/local/sign-in", { method: "POST", body, anonymous: true });
    await enter({ token: data.token }, data.token);
  });
  return [made, h("p", { class: "note" }, "Phoenix runs on this machine: a name is enough.")];
}

async function byFirebase(config) {
  const firebase = await firebaseOf(config);
  const email = field("Email", { name: "email", type: "email", autocomplete: "username" });
  const password = field("Password", {
    name: "password",
    type: "password",
    autocomplete: "current-password",
  });
  const value = (each) => each.querySelector("input").value;
  const withEmail = form([email, password], "Sign in", async () => {
    await firebase.withEmail(value(email), value(password));
    await enter({ firebase: true }, await firebase.token());
  });
  const withGoogle = button(
    "Continue with Google",
    async () => {
      await firebase.withGoogle();
      await enter({ firebase: true }, await firebase.token());
    },
    { kind: "large" },
  );
  return [withGoogle, h("p", { class: "or" }, "or"), withEmail];
}

if (session()) location.replace(next());
if (asked.get("why") === "over") {
  find("why").textContent = "Your session is over. Sign in again to go on where you were.";
}
const config = await webConfig();
const ways = config.firebase ? await byFirebase(config) : byName();
find("ways").replaceChildren(h("div", { class: "rows" }, ...ways));
find("ways").querySelector("input").focus();
