// The owner's drafts: pages of older ones, and live changes.

import { button, find, isBusy, setBusy, toast } from "./dom.js";
import { DraftsList } from "./drafts_list.js";
import { sentence } from "./errors.js";
import { Filters } from "./filters.js";
import { loadLate } from "./late.js";
import { follow } from "./live.js";
import { text } from "./messages.js";
import { offerNotifications } from "./notifications.js";
import { Pager } from "./pager.js";
import { isReturn } from "./place.js";
import { webConfig } from "./session.js";
import { showBalance, watchQueue } from "./shell.js";

/** Show the drafts; `create` comes after their own action, with which it fills the reserved space. */
export async function showDrafts(create) {
  /** @type {Pager | null} */
  let pager = null;
  const filters = new Filters(find("filters"), (filter) => {
    if (!pager) return; // it starts with this filter
    drafts.element.classList.add("stale");
    pager.restart(filter.sources, () => {
      drafts.element.classList.remove("stale");
      drafts.reset(filter);
    });
  });
  const select = selectButton(() => drafts);
  find("page-actions").append(select, create);
  offerNotifications();
  const { limits } = await webConfig();
  const drafts = new DraftsList(find("list"), {
    watchedMax: limits.watched,
    filter: filters.filter,
    clear: () => filters.clear(),
    settled: () => filters.showCount(drafts.cards.size, drafts.isComplete),
  });
  pager = new Pager({
    sources: filters.filter.sources,
    list: drafts.element,
    below: find("more"),
    take: (creations, isAtEnd) => drafts.append(creations, isAtEnd),
  });
  drafts.pager = pager;
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
  const creationId = location.hash.slice(1);
  pager.start().then(() => drafts.goTo(creationId, { preventScroll: isReturn() }));
}

/** Create the button of the selection mode, which is loaded when it is first used. */
function selectButton(draftsOf) {
  let selection;
  const onclick = async () => {
    if (isBusy(toggle)) return;
    setBusy(toggle, true);
    try {
      const { Selection } = await loadLate("selection.js", "selection.css");
      selection ??= new Selection(draftsOf(), toggle);
      if (selection.isOn) selection.leave();
      else selection.enter();
    } catch (error) {
      toast(sentence(error));
    }
    setBusy(toggle, false);
  };
  const toggle = button(text.select, onclick, { kind: "bare" });
  toggle.setAttribute("aria-pressed", "false");
  return toggle;
}
