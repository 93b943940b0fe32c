// Deletion with an undo: the request is sent after five seconds, or when the page is left.

import { call, creationPath } from "./api.js";

export const UNDO_MS = 5_000;
const pending = new Map();

/** Delete a creation after the undo time; return what cancels it, and whether it still could. */
export function deleteLater(creationId, { deleted, failed }) {
  const send = async (keepalive) => {
    cancel();
    try {
      await call(creationPath(creationId), { method: "DELETE", keepalive });
      deleted();
    } catch (error) {
      if (error.status === 404) deleted();
      else failed(error);
    }
  };
  pending.get(creationId)?.cancel();
  const timer = setTimeout(send, UNDO_MS, false);
  const cancel = () => {
    clearTimeout(timer);
    return pending.get(creationId) === deletion && pending.delete(creationId);
  };
  const deletion = { send, cancel };
  pending.set(creationId, deletion);
  return cancel;
}

addEventListener("pagehide", () => {
  for (const { send } of pending.values()) send(true);
});
