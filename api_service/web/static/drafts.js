// The owner's drafts: pages of older ones, and live changes.

import { call } from "./api.js";
import { find, moreButton } from "./dom.js";
import { DraftsList } from "./drafts_list.js";
import { errorMessage } from "./errors.js";
import { follow } from "./live.js";
import { text } from "./messages.js";
import { offerNotifications } from "./notifications.js";
import { webConfig } from "./session.js";
import { showBalance, watchQueue } from "./shell.js";

export async function showDrafts() {
  const { limits } = await webConfig();
  const list = new DraftsList(find("list"), limits.watched);
  const more = moreButton(() => loadPage());
  /** @type {string | null} */
  let cursor = null;
  let isLoading = false;

  async function loadPage() {
    if (isLoading) return;
    isLoading = true;
    try {
      const query = new URLSearchParams({ limit: "20", ...(cursor && { cursor }) });
      const { data } = await call(`/api/generate/drafts?${query}`);
      for (const creation of data.creations) list.take(creation);
      cursor = data.nextCursor;
      find("more").replaceChildren(...(cursor ? [more.element] : []));
      more.watch();
      list.settle();
    } catch (error) {
      find("more").replaceChildren(errorMessage(error), more.element);
    }
    isLoading = false;
  }

  follow({
    changed: (changes) => {
      if (changes.account) showBalance(changes.account.tokenBalance);
      list.merge(changes);
    },
    connected: (isConnected) => {
      find("about").textContent = isConnected ? text.live : text.reconnecting;
      find("about").dataset.connected = String(isConnected);
    },
  });
  watchQueue();
  loadPage();
  offerNotifications();
}
