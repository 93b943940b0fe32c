// Parts of the sign-in page: fields, a password that can be shown, and what went wrong.

import { button, find, h, isBusy, setBusy } from "./dom.js";
import { sentence } from "./errors.js";
import { text } from "./messages.js";

export const valueOf = (name) => find(name, HTMLInputElement).value;

/** Create a labelled field; `rules` are shown before they are broken. */
export function field(label, { rules = "", ...attributes }) {
  const { name } = attributes;
  const note = rules && h("p.form-note.sign-in-rules", { id: `${name}-rules` }, rules);
  const input = h("input.form-field", {
    id: name,
    required: true,
    "aria-describedby": note ? `${name}-rules` : null,
    ...attributes,
  });
  return h("div", h("label.form-label", { for: name }, label), input, note);
}

/** Create a password's field with a button that shows it; managers know the two `autocomplete`s. */
export function passwordField({ autocomplete, rules = "" }) {
  const whole = field(text.password, { name: "password", type: "password", autocomplete, rules });
  const input = whole.querySelector("input");
  const toggle = ({ currentTarget }) => {
    const isShown = input?.type === "text";
    if (input) input.type = isShown ? "password" : "text";
    currentTarget.textContent = isShown ? text.showPassword : text.hidePassword;
  };
  const show = button(text.showPassword, toggle, { kind: "bare small sign-in-show" });
  const box = h("div.sign-in-password");
  input?.replaceWith(box);
  box.append(...(input ? [input, show] : []));
  return whole;
}

/** Create a form that shows an error below its fields; `offers` has a way out, by error code. */
export function signInForm(fields, label, submit, offers = {}) {
  const problem = h("div", { role: "alert" });
  const go = h("button.button.primary.large", label);
  const onsubmit = async (event) => {
    event.preventDefault();
    const worked = await attempt(go, problem, submit, offers);
    if (!worked) fields[0].querySelector("input")?.focus();
  };
  return h("form", { novalidate: true, onsubmit }, ...fields, problem, go);
}

/** Create a button that shows below itself why its act failed. */
export function actButton(label, act, options = {}) {
  const problem = h("div", { role: "alert" });
  const go = button(label, () => attempt(go, problem, act), options);
  return [go, problem];
}

/** Act while the button is busy, show what went wrong, and return whether it worked. */
export async function attempt(go, problem, act, offers = {}) {
  if (isBusy(go)) return true;
  setBusy(go, true);
  problem.replaceChildren();
  try {
    await act();
    return true;
  } catch (error) {
    const message = text.signInProblems[error.code] ?? unknown(error);
    if (message) problem.replaceChildren(h("p.message", message, offers[error.code]?.()));
    return !message;
  } finally {
    setBusy(go, false);
  }
}

const unknown = (error) =>
  error.code?.startsWith("auth/") ? text.signInProblems["auth/internal-error"] : sentence(error);
