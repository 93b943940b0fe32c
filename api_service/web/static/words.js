// What went wrong, in words: what happened, what became of the tokens, what to do now.

import { Unreachable } from "./api.js";
import { clock, h, tokens } from "./dom.js";

const NOTHING_TAKEN = "No tokens were taken.";
const later = (seconds) => clock(Date.now() + seconds * 1000);

const WORDS = {
  insufficient_tokens: ({ required, balance }) => ({
    what: "Not enough tokens.",
    tokens: `This costs ${tokens(required)} and you have ${tokens(balance)}. ${NOTHING_TAKEN}`,
  }),
  too_many_unfinished: ({ limit }) => ({
    what: "Enough in the making.",
    tokens: NOTHING_TAKEN,
    next: `At most ${limit} of a kind can be made at once: try again when one of them is ready.`,
  }),
  too_many_opened: ({ limit }, retryAfterS) => ({
    what: "That was a lot in one hour.",
    tokens: NOTHING_TAKEN,
    next: `At most ${limit} can be started in an hour. You can go on at ${later(retryAfterS ?? 3600)}.`,
  }),
  too_many_free_outcomes: ({ limit }, retryAfterS) => ({
    what: "Too many were cancelled or refused.",
    tokens: NOTHING_TAKEN,
    next: `After ${limit} in an hour you have to wait. You can go on at ${later(retryAfterS ?? 3600)}.`,
  }),
  queue_full: (_, retryAfterS) => ({
    what: "Too many are waiting to be ready in time.",
    tokens: NOTHING_TAKEN,
    next: `Try again at ${later(retryAfterS ?? 60)}.`,
  }),
  paused: ({ kind }) => ({
    what: `New ${kind ?? "creation"}s are paused.`,
    tokens: NOTHING_TAKEN,
    next: "Try again later.",
  }),
  spending_limit: (_, retryAfterS) => ({
    what: "The daily limit is reached.",
    tokens: NOTHING_TAKEN,
    next: `Try again at ${later(retryAfterS ?? 3600)}.`,
  }),
  queue_unavailable: (_, __, cost) => ({
    what: "It could not be queued.",
    tokens: `Your ${tokens(cost)} ${cost === 1 ? "is" : "are"} back.`,
    next: "Try again in a moment.",
  }),
  store_unavailable: () => ({
    what: "Phoenix cannot be reached properly at the moment.",
    tokens: NOTHING_TAKEN,
    next: "Try again in a moment.",
  }),
  identity_unavailable: () => ({
    what: "Your sign-in cannot be checked at the moment.",
    tokens: NOTHING_TAKEN,
    next: "Try again in a moment.",
  }),
  outcome_unknown: () => ({
    what: "It is not known yet whether this was started.",
    tokens: "It is paid once at most.",
    next: "Press the button again to find out: that never pays twice.",
  }),
  unreachable: () => ({
    what: "No answer: the connection may be lost.",
    tokens: "It is not known whether it was started. It is paid once at most.",
    next: "Press the button again when you are back online: that never pays twice.",
  }),
};
WORDS.store_contention = WORDS.store_unavailable;
WORDS.internal = WORDS.outcome_unknown;

/** Tell whether it is open what happened, so that only a repetition with the same key is safe. */
export const isOpen = (error) =>
  error instanceof Unreachable || ["outcome_unknown", "internal"].includes(error.code);

/** Return a message for a creation or a retry that did not go through. */
export function explained(error, cost) {
  const code = error instanceof Unreachable ? "unreachable" : error.code;
  const make = WORDS[code] ?? (() => ({ what: error.message, tokens: NOTHING_TAKEN }));
  const { what, tokens: money, next } = make(error.facts ?? {}, error.retryAfterS, cost);
  return h(
    "div",
    { class: "message", "data-code": code },
    h("strong", {}, what),
    money ? h("span", { class: "tokens" }, money) : null,
    next ? h("span", {}, next) : null,
  );
}

/** Return a sentence for anything else that did not go through. */
export function sentence(error) {
  return error instanceof Unreachable
    ? "No answer: try again when you are back online."
    : error.message;
}
