// The owner's drafts: pages of older ones, and live changes.

import { find } from "./dom.js";
import { DraftsList } from "./drafts_list.js";
import { follow } from "./live.js";
import { text } from "./messages.js";
import { offerNotifications } from "./notifications.js";
import { Pager } from "./pager.js";
import { webConfig } from "./session.js";
import { showBalance, watchQueue } from "./shell.js";

export async function showDrafts() {
  const { limits } = await webConfig();
  const drafts = new DraftsList(find("list"), limits.watched);
  const pager = new Pager({
    path: "/api/generate/drafts",
    list: drafts.element,
    below: find("more"),
    take: (creations) => drafts.append(creations),
  });
  follow({
    changed: (changes) => {
      if (changes.account) showBalance(changes.account.tokenBalance);
      drafts.merge(changes);
    },
    connected: (isConnected) => {
      find("about").textContent = isConnected ? text.live : text.reconnecting;
      find("about").dataset.connected = String(isConnected);
    },
  });
  watchQueue();
  pager.load();
  offerNotifications();
}
