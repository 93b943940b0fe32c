// The request that creates: one Idempotency-Key per click, kept while the outcome is unknown.

import { call, Unreachable } from "./api.js";

const UNANSWERED = "phoenix.open"; // the last request without a response: `{key, text}`
const ATTEMPTS_MAX = 3;
const RETRY_DELAY_MS = 700;

const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");

const isOutcomeUnknown = ({ code, isSent }) =>
  isSent || code === "outcome_unknown" || code === "internal";

/** Return whether the same request may have reached the server, now or in an earlier try. */
const mayBeRepeated = (error) => error instanceof Unreachable || isOutcomeUnknown(error);

/** Create, and return the response. The same request has the same key until its outcome is known. */
export async function requestCreation(json) {
  try {
    const { data } = await sendOnce(json);
    sessionStorage.removeItem(UNANSWERED);
    return data;
  } catch (error) {
    if (!mayBeRepeated(error)) sessionStorage.removeItem(UNANSWERED);
    throw error;
  }
}

/** Send a request; without a response, repeat it with the same key, which never charges twice. */
async function sendOnce(json) {
  const sent = JSON.stringify(json);
  const unanswered = JSON.parse(sessionStorage.getItem(UNANSWERED) ?? "null");
  const isRepeated = unanswered?.text === sent;
  let isSent = isRepeated && unanswered.isSent;
  const key = isRepeated ? unanswered.key : newKey();
  const remember = () =>
    sessionStorage.setItem(UNANSWERED, JSON.stringify({ key, text: sent, isSent }));
  remember();
  const headers = { "Idempotency-Key": key };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call("/api/generate/creation", { method: "POST", json, headers });
    } catch (error) {
      isSent ||= isOutcomeUnknown(error);
      remember();
      if (!(error instanceof Unreachable)) throw error;
      if (attempt === ATTEMPTS_MAX || !navigator.onLine) throw new Unreachable({ isSent });
      await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS));
    }
  }
}
