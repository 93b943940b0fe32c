// Error messages on a page.

import { Problem } from "./api.js";
import { button, h } from "./dom.js";
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

/** Anything but a problem means no response: a request, a module or the configuration failed. */
export const sentence = (error) => (error instanceof Problem ? error.message : text.noResponse);

export const errorMessage = (error) => h("p.message", sentence(error));

/** Return the message for a page that could not start, and a button to load it again. */
export const pageMessage = (error) =>
  h(
    "div",
    { role: "alert" },
    errorMessage(error),
    button(text.tryAgain, () => location.reload()),
  );
