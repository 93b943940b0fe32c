// Deleting with second thoughts: nothing is sent for five seconds, or until the page is left.

import { call } from "./api.js";

export const UNDO_MS = 5_000;
const waiting = new Map();

/** Delete a creation soon; the function that is returned takes it back. */
export function deleteSoon(creationId, { gone, failed }) {
  const send = async (keepalive) => {
    clearTimeout(timer);
    waiting.delete(creationId);
    try {
      await call(`/api/generate/creation/${creationId}`, { method: "DELETE", keepalive });
      gone();
    } catch (error) {
      if (error.status === 404) gone();
      else failed(error);
    }
  };
  const timer = setTimeout(send, UNDO_MS, false);
  waiting.set(creationId, send);
  return () => {
    clearTimeout(timer);
    waiting.delete(creationId);
  };
}

addEventListener("pagehide", () => {
  for (const send of waiting.values()) send(true);
});
