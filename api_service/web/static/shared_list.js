// What others share with the owner of this page: to look at, not to change.

import { call } from "./api.js";
import { emptyState, find, h, icon, toast } from "./dom.js";
import { sentence } from "./errors.js";
import { thumbnail } from "./media.js";
import { date, text } from "./messages.js";
import { Pager } from "./pager.js";
import { refreshAccount } from "./shell.js";
import { Viewer } from "./viewer.js";

const PATH = "/api/generate/shared";
const PAGE_SIZE = "50";

const isExpired = ({ mediaUrlExpiresAt }) => Date.parse(mediaUrlExpiresAt) <= Date.now();
const nameOf = (item) => item.caption || text.untitled(item);

function describe(item) {
  const owner = h("a", { href: `/soho/${encodeURIComponent(item.username)}` }, `@${item.username}`);
  return h(
    "div",
    item.caption && h("p", item.caption),
    item.prompt && h("p", text.promptOf(item.prompt)),
    h("p.viewer-facts", owner, ` · ${date(item.createdAt)}`),
  );
}

export function showShared() {
  /** @type {Shared[]} */
  const items = [];
  const list = h("ul.card-list", { id: "shared" });
  find("about").textContent = text.sharedHint;
  find("list").replaceChildren(list);
  const take = (page) => {
    for (const item of page) {
      items.push(item);
      list.append(card(item, () => view(items, item, list)));
    }
    if (!items.length) showNothing(list);
  };
  new Pager({ path: PATH, list, below: find("more"), take }).load();
  refreshAccount().catch(() => {});
}

function showNothing(list) {
  const hint = h("p.muted", text.nothingSharedHint);
  list.replaceWith(emptyState(text.nothingShared, hint));
}

function card(item, onclick) {
  const isVideo = item.type === "video";
  const open = { "aria-label": text.openTile(item, nameOf(item)), onclick };
  const play = isVideo && h("span.media-play-button", icon("play"));
  const media = h("div.card-media", h("button.media-open", open, thumbnail(item, ""), play));
  const title = h("h2.card-prompt", nameOf(item));
  const facts = h("p.card-facts", text.sharedBy(item.username, date(item.createdAt)));
  const prompt = item.prompt && h("p.card-facts", text.promptOf(item.prompt));
  const body = h("div.card-text", title, facts, prompt);
  return h("li", { "data-id": item.creationId }, h("article.card", media, body, h("span")));
}

async function view(items, item, list) {
  try {
    if (items.some(isExpired)) await refresh(items, list);
  } catch (error) {
    toast(sentence(error));
    return;
  }
  if (!items.includes(item)) {
    toast(text.notSharedNow);
    if (!items.length) showNothing(list);
    return;
  }
  if (document.querySelector("dialog[open]")) return; // a second click
  const closed = ({ creationId }) =>
    list.querySelector(`[data-id="${creationId}"] .media-open`)?.focus();
  new Viewer(items, items.indexOf(item), { describe, closed }).open();
}

/** Get new links: the old ones end after 15 minutes. What is no longer shared disappears. */
async function refresh(items, list) {
  const fresh = new Map();
  let cursor = "";
  do {
    const query = new URLSearchParams({ limit: PAGE_SIZE });
    if (cursor) query.set("cursor", cursor);
    const { data } = await call(`${PATH}?${query}`);
    for (const item of data.creations) fresh.set(item.creationId, item);
    cursor = data.nextCursor;
  } while (cursor && items.some(({ creationId }) => !fresh.has(creationId)));
  for (const item of items) Object.assign(item, fresh.get(item.creationId));
  for (const item of items.filter(({ creationId }) => !fresh.has(creationId))) {
    items.splice(items.indexOf(item), 1);
    list.querySelector(`[data-id="${item.creationId}"]`)?.remove();
  }
}
