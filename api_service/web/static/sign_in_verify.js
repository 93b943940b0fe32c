// Verifying an email address: an account is complete with the first request after that.

import { find, h, toast } from "./dom.js";
import { say, text } from "./messages.js";
import { goToSignIn } from "./session.js";
import { actButton } from "./sign_in_forms.js";

/**
 * Return what the page shows until the address is verified, which it notices when it is seen, or
 * until another step begins, which aborts the `signal`.
 */
export function verification(firebase, { enter, nextPage, signal }) {
  if (!firebase.email()) goToSignIn({ reason: "expired" });
  find("reason").textContent = say(text.verifyFirst, { email: firebase.email() });
  const check = async () => {
    await firebase.refresh();
    if (!firebase.isVerified()) return false;
    await enter();
    location.replace(nextPage());
    return true;
  };
  const askAndCheck = async () => {
    if (!(await check())) throw Object.assign(new Error(), { code: "not_verified" });
  };
  const send = async () => {
    await firebase.sendVerification();
    if (signal.aborted) return;
    find("reason").textContent = text.verifyHint(firebase.email());
    toast(text.linkSent);
  };
  const checkQuietly = () => {
    if (!document.hidden) check().catch(() => {}); // the button says why
  };
  document.addEventListener("visibilitychange", checkQuietly, { signal });
  checkQuietly();
  return [
    ...actButton(text.verified, askAndCheck, { kind: "primary large" }),
    ...actButton(text.sendAgain, send, { kind: "large", id: "send" }),
    h("div.sign-in-links", h("p", h("a", { href: nextPage() }, text.verifyLater))),
  ];
}
