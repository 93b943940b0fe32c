// Calls of the API: an answer, a `Problem` with its code and facts, or `Unreachable`.

import { goToSignIn, token } from "./session.js";

const TIMEOUT_MS = 20_000;

/** The API said no; `facts` are what its problem holds. */
export class Problem extends Error {
  constructor(status, facts, retryAfterS) {
    super(facts.detail ?? "Something went wrong on our side.");
    Object.assign(this, { status, facts, code: facts.code ?? "internal", retryAfterS });
  }
}

/** Nobody answered: what was asked for may have happened, or not. */
export class Unreachable extends Error {
  constructor() {
    super("No answer.");
  }
}

/** Make a random key for one click. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}

/** Open an address with the session's token; 401 leads to sign-in and back. */
export async function open(path, { anonymous = false, as = null, headers = {}, ...options } = {}) {
  for (const fresh of [false, true]) {
    const bearer = anonymous ? null : (as ?? (await token({ fresh })));
    if (!anonymous && !bearer) break;
    const authorization = bearer ? { Authorization: `Bearer ${bearer}` } : {};
    const answer = await reached(path, { ...options, headers: { ...headers, ...authorization } });
    if (answer.status !== 401 || anonymous) return answer;
  }
  return goToSignIn("over");
}

/** Ask the API for JSON: `{status, data, headers}`; 304 has no data. */
export async function call(path, { body, ...options } = {}) {
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  const answer = await open(path, {
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...options,
    headers: { ...json, ...options.headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (answer.status === 204 || answer.status === 304) {
    return { status: answer.status, data: null, headers: answer.headers };
  }
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok && data.status !== "unavailable") throw problemOf(answer, data);
  return { status: answer.status, data, headers: answer.headers };
}

export function problemOf(answer, facts) {
  return new Problem(answer.status, facts, Number(answer.headers.get("Retry-After")) || null);
}

async function reached(path, options) {
  try {
    return await fetch(path, { cache: "no-store", ...options });
  } catch (error) {
    if (options.signal?.aborted && error.name === "AbortError") throw error;
    throw new Unreachable();
  }
}
