// API calls: a response, a `Problem` with its code and facts, or `Unreachable`.

import { text } from "./messages.js";
import { goToSignIn, token } from "./session.js";

const TIMEOUT_MS = 20_000;
const SESSION_ENDED = new Set(["auth/user-token-expired", "auth/user-disabled"]);

let skewMs = 0;
/** Return the server's time, which a browser's wrong clock does not change. */
export const serverNow = () => Date.now() + skewMs;

export const isUnfinished = ({ status }) => status === "pending" || status === "processing";
export const creationPath = (creationId) => `/api/generate/creation/${creationId}`;
export const postAction = (creationId, action, json = {}) =>
  call(`${creationPath(creationId)}/${action}`, { method: "POST", json });

/** An error response; `facts` are the fields of its problem document. */
export class Problem extends Error {
  constructor(response, facts) {
    super(facts.detail ?? text.internal);
    this.status = response.status;
    this.facts = facts;
    this.code = facts.code ?? "internal";
    this.retryAfterS = Number(response.headers.get("Retry-After")) || undefined;
  }
}

/** No response: if the request was sent, it may have been carried out. */
export class Unreachable extends Error {
  constructor({ isSent = true } = {}) {
    super(text.noResponse);
    this.isSent = isSent;
  }
}

/**
 * Send a request with the session's token; after a second 401 go to sign-in and back, or throw if
 * the page `isPublic`.
 * @param {string} path
 * @param {RequestOptions} [options]
 */
export async function request(path, options = {}) {
  const { anonymous = false, isPublic = false, as, headers, ...others } = options;
  for (const fresh of [false, true]) {
    const bearer = anonymous ? null : (as ?? (await tokenOrThrow(fresh)));
    if (!anonymous && !bearer) break;
    const authorization = bearer && { Authorization: `Bearer ${bearer}` };
    const response = await fetchOrThrow(path, {
      ...others,
      headers: { ...headers, ...authorization },
    });
    if (response.status !== 401 || anonymous) return response;
    response.body?.cancel(); // unread, it would keep its connection
  }
  if (isPublic) throw new Unreachable({ isSent: false });
  return goToSignIn({ reason: "expired" });
}

/**
 * Call the API and return `{status, data, headers}`; 204 and 304 have no data.
 * @param {string} path
 * @param {RequestOptions & { json?: object }} [options]
 */
export async function call(path, { json, headers: extra, ...options } = {}) {
  const type = json && { "Content-Type": "application/json" };
  const response = await request(path, {
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...options,
    headers: { ...type, ...extra },
    body: json && JSON.stringify(json),
  });
  const { status, headers } = response;
  if (status === 204 || status === 304) return { status, data: null, headers };
  const data = await response.json().catch(() => ({}));
  if (!response.ok && data.status !== "unavailable") throw new Problem(response, data);
  return { status, data, headers };
}

/** Return the token; if its provider does not answer, nothing was sent. */
async function tokenOrThrow(fresh) {
  try {
    return await token({ fresh });
  } catch (error) {
    if (SESSION_ENDED.has(error.code)) return null;
    throw new Unreachable({ isSent: false });
  }
}

async function fetchOrThrow(path, options) {
  const isOnline = navigator.onLine;
  try {
    const request = fetch(path, { cache: "no-store", ...options });
    dispatchEvent(new CustomEvent("phoenix.request", { detail: request })); // for `connection.js`
    const response = await request;
    const sentMs = Date.parse(response.headers.get("Date") ?? "");
    if (sentMs) skewMs = sentMs - Date.now();
    return response;
  } catch (error) {
    if (options.signal?.aborted && error.name === "AbortError") throw error;
    throw new Unreachable({ isSent: isOnline });
  }
}
