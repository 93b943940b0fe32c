// What others share with the owner of this page: to look at, not to change.

import { call } from "./api.js";
import { emptyState, find, h, icon, toast } from "./dom.js";
import { errorMessage, sentence } from "./errors.js";
import { setSource, thumbnail } from "./media.js";
import { date, text } from "./messages.js";
import { focusNear, Pager } from "./pager.js";
import { refreshAccount } from "./shell.js";
import { Viewer } from "./viewer.js";

const PATH = "/api/generate/shared";
const PAGE_SIZE = "50";
const RENEW_AFTER_MS = 60_000;

const isExpired = ({ mediaUrlExpiresAt }) => Date.parse(mediaUrlExpiresAt) <= Date.now();
const nameOf = (item) => item.caption || text.untitled(item);

/** Return the line of a prompt, whose direction is its own. */
function promptOf({ prompt }) {
  const [before, after] = text.promptOf("{}").split("{}");
  return h("span", before, h("bdi", prompt), after);
}

function describe(item) {
  const owner = h("a", { href: `/soho/${encodeURIComponent(item.username)}` }, `@${item.username}`);
  return h(
    "div",
    item.caption && h("p", { dir: "auto" }, item.caption),
    item.prompt && h("p", promptOf(item)),
    h("p.viewer-facts", owner, ` · ${date(item.createdAt)}`),
  );
}

export function showShared() {
  new SharedList(find("list"), find("more")).pager.start();
  refreshAccount().catch(() => {});
}

class SharedList {
  /** @type {Shared[]} */
  items = [];
  list = h("ul.card-list", { id: "shared" });
  /** @type {Viewer | null} */
  viewer = null;
  /** @type {Promise<void> | null} */
  refreshing = null;
  renewedMs = -RENEW_AFTER_MS;

  constructor(parent, below) {
    const take = (page) => this.append(page);
    this.pager = new Pager({ path: PATH, list: this.list, below, take });
    const renew = () => this.renew().catch(() => {}); // the next that fails tries again
    this.list.addEventListener("error", renew, true);
    parent.replaceChildren(this.list);
  }

  append(page) {
    for (const item of page) {
      this.items.push(item);
      this.list.append(card(item, () => this.view(item)));
    }
    this.settle();
  }

  /** Replace the list if nothing is shared. */
  settle() {
    if (this.items.length || !this.pager.isAtEnd) return;
    const hint = h("p.muted", text.nothingSharedHint);
    this.list.replaceWith(emptyState(text.nothingShared, hint));
  }

  /** @returns {any} */
  cardOf({ creationId }) {
    return this.list.querySelector(`[data-id="${creationId}"]`);
  }

  async view(item) {
    try {
      if (this.items.some(isExpired)) await this.refresh();
    } catch (error) {
      toast(sentence(error));
      return;
    }
    if (!this.items.includes(item)) {
      toast(text.notSharedNow);
      return;
    }
    if (document.querySelector("dialog[open]")) return; // a second click
    this.viewer = new Viewer(this.items, this.items.indexOf(item), {
      describe,
      more: () => this.pager.load(),
      hasMore: () => !this.pager.isAtEnd,
      failed: (viewer, media) => this.renewViewed(viewer, media),
      closed: (last) => {
        this.viewer = null;
        this.cardOf(last)?.querySelector("button").focus();
      },
    });
    this.viewer.open();
  }

  /** Give the viewer's media a new link, or say why not. */
  async renewViewed(viewer, media) {
    const { item } = viewer;
    const isOld = () => media.getAttribute("src") !== item.mediaUrl;
    try {
      if (!isOld()) await this.renew();
      if (isOld() && media.isConnected) viewer.renew(media);
    } catch (error) {
      if (media.isConnected)
        viewer.showProblem(errorMessage(error));
    }
  }

  /** Refresh because media failed: once a minute, as the reason may be another. */
  async renew() {
    if (!this.refreshing && performance.now() - this.renewedMs < RENEW_AFTER_MS) return;
    await this.refresh();
    this.renewedMs = performance.now();
  }

  /** Get new links: the old ones end after 15 minutes. What is no longer shared disappears. */
  refresh() {
    this.refreshing ??= this.load().finally(() => (this.refreshing = null));
    return this.refreshing;
  }

  async load() {
    const fresh = new Map();
    let cursor = "";
    do {
      const query = new URLSearchParams({ limit: PAGE_SIZE });
      if (cursor) query.set("cursor", cursor);
      const { data } = await call(`${PATH}?${query}`);
      for (const item of data.creations) fresh.set(item.creationId, item);
      cursor = data.nextCursor;
    } while (cursor && this.items.some(({ creationId }) => !fresh.has(creationId)));
    for (const item of this.items.slice()) {
      const renewed = fresh.get(item.creationId);
      if (!renewed) this.drop(item);
      else renewThumbnail(this.cardOf(item), Object.assign(item, renewed));
    }
    this.viewer?.drawControls();
    this.settle();
  }

  drop(item) {
    const card = this.cardOf(item);
    const isViewed = this.viewer?.item === item;
    if (isViewed) {
      this.viewer?.close();
      toast(text.notSharedNow);
    }
    if (isViewed || card.contains(document.activeElement)) focusNear(card, ".media-open");
    this.items.splice(this.items.indexOf(item), 1);
    card.remove();
  }
}

/** Store the new link, and load it if the old one shows nothing. */
function renewThumbnail(card, { thumbnailUrl, mediaUrl }) {
  const media = card.querySelector(".media-thumbnail");
  const link = thumbnailUrl ?? mediaUrl;
  setSource(media, link);
  if (!media.naturalWidth && !media.readyState) media.src = link;
}

function card(item, onclick) {
  const isVideo = item.type === "video";
  const open = { "aria-label": text.openTile(item, nameOf(item)), onclick };
  const play = isVideo && h("span.media-play-button", icon("play"));
  const media = h("div.card-media", h("button.media-open", open, thumbnail(item, ""), play));
  const title = h("h2.card-prompt", { dir: "auto" }, nameOf(item));
  const facts = h("p.card-facts", text.sharedBy(item.username, date(item.createdAt)));
  const prompt = item.prompt && h("p.card-facts", promptOf(item));
  const body = h("div.card-text", title, facts, prompt);
  return h("li", { "data-id": item.creationId }, h("article.card", media, body, h("span")));
}
