// Error messages on a page.

import { Problem } from "./api.js";
import { button, h } from "./dom.js";
import { problemOf, text } from "./messages.js";
import { webConfig } from "./session.js";

/** Without a connection, nothing was sent: neither a request nor the loading of a module. */
const wasSent = (error) => error.isSent ?? navigator.onLine;

/** Return the message for a creation or a retry that failed. */
export function chargeMessage(error, cost) {
  const code = error.code ?? (wasSent(error) ? "unreachable" : "offline");
  const parts = problemOf(code, { ...error, message: error.message, cost });
  return h(
    "div.message",
    { "data-code": code },
    h("strong", parts.what),
    h("span.message-tokens", parts.tokens),
    parts.next && h("span", parts.next),
    code === "insufficient_tokens" && getTokensLink(),
  );
}

/** Return a link to where this installation's users get tokens, or else to the tokens page. */
export function getTokensLink() {
  const link = h("a.button.small", { href: "/tokens" }, text.createPage.seeTokens);
  webConfig().then(({ getTokensUrl }) => {
    if (!getTokensUrl) return;
    link.href = getTokensUrl;
    link.textContent = text.createPage.getTokens;
  }, () => {});
  return link;
}

/** Whether a script is wrong. A module that cannot be imported is a `TypeError`, too. */
const isBug = (error) => error instanceof TypeError && !/import/i.test(error.message);

/** Anything else means no response: a request, a module or the configuration failed. */
export function sentence(error) {
  if (error instanceof Problem) return text.error(error);
  if (isBug(error)) return text.internal;
  return wasSent(error) ? text.noResponse : text.offlineNothingSent;
}

export const errorMessage = (error) => h("p.message", sentence(error));

/** Return the message for a page that could not start, and a button to load it again. */
export const pageMessage = (error) =>
  h(
    "div",
    { role: "alert" },
    errorMessage(error),
    button(text.tryAgain, () => location.reload()),
  );
