// Calls of the operators' page. Other users see one sentence and nothing else.

import { call } from "./api.js";
import { find, h } from "./dom.js";
import { sentence } from "./errors.js";

/** An answer to one who is no operator: the page already says so. */
export class Refused extends Error {}

/** Call a route of operators; a 401 leads to the sign-in page. */
export async function adminCall(path, options = {}) {
  try {
    return (await call(`/api/admin/${path}`, options)).data;
  } catch (error) {
    if (error.status !== 403) throw error;
    find("main").replaceChildren(h("p.admin-refusal", sentence(error)));
    throw new Refused(error.message);
  }
}

export const post = (path, json, headers = {}) =>
  adminCall(path, { method: "POST", json, headers });
