// Error messages on a page.

import { Unreachable } from "./api.js";
import { h } from "./dom.js";
import { problems, text } from "./messages.js";

/** Return the message for a creation or a retry that failed. */
export function chargeMessage(error, cost) {
  const code = error.code ?? (error.isSent ? "unreachable" : "offline");
  const { retryAfterS = undefined, facts = {}, message } = error;
  const explain = problems[code] ?? problems.other;
  const parts = explain(facts, { retryAfterS, cost, message });
  return h(
    "div.message",
    { "data-code": code },
    h("strong", parts.what),
    h("span.message-tokens", parts.tokens ?? text.notCharged),
    parts.next && h("span", parts.next),
  );
}

export const sentence = (error) =>
  error instanceof Unreachable ? text.noResponse : error.message;

export const errorMessage = (error) => h("p.message", sentence(error));
