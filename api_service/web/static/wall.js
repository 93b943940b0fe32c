// Publications in columns: endless scrolling, and autoplay of the video in view.

import { call } from "./api.js";
import { h, icon, moreButton } from "./dom.js";
import { errorMessage } from "./errors.js";
import { Autoplay, thumbnail, videoPlayer } from "./media.js";
import { date, text } from "./messages.js";
import { openViewer } from "./viewer.js";

const ROW_PX = 4;

const ownerLink = ({ username }) =>
  h("a", { href: `/soho/${encodeURIComponent(username)}` }, `@${username}`);

/** Return width divided by height. */
function ratioOf({ width, height, aspectRatio }) {
  const [wide, high] = aspectRatio.split(":").map(Number);
  return width && height ? width / height : wide / high;
}

export class Wall {
  /** @type {Publication[]} */
  items = [];
  /** @type {Map<string, HTMLElement>} */
  tiles = new Map();
  /** @type {string | null} */
  cursor = null;
  isAtEnd = false;
  /** @type {Promise<void> | null} */
  loading = null;
  autoplay = new Autoplay();
  more = moreButton(() => this.load().catch(() => {}));

  /** `actions(item, viewer)` returns the owner's buttons; `empty()` replaces an empty wall. */
  constructor(wall, below, { path, showsOwner = false, actions = (..._) => null, empty }) {
    this.wall = wall;
    this.below = below;
    this.options = { path, showsOwner, actions, empty };
    new ResizeObserver(() => this.fit()).observe(wall);
  }

  /** Load the next page, or join the load in progress. */
  load() {
    this.loading ??= this.loadNext().finally(() => (this.loading = null));
    return this.loading;
  }

  async loadNext() {
    if (this.isAtEnd) return;
    this.wall.setAttribute("aria-busy", "true");
    const query = new URLSearchParams({ limit: "20", ...(this.cursor && { cursor: this.cursor }) });
    try {
      const { data } = await call(`${this.options.path}?${query}`, { anonymous: true });
      this.cursor = data.nextCursor;
      this.isAtEnd = this.cursor === null;
      for (const item of data.creations) this.add(item);
    } catch (error) {
      this.below.replaceChildren(errorMessage(error), this.more.element);
      throw error;
    } finally {
      this.wall.removeAttribute("aria-busy");
    }
    this.below.replaceChildren(...(this.isAtEnd ? [] : [this.more.element]));
    this.more.watch();
    if (!this.items.length) this.wall.replaceWith(this.options.empty());
  }

  add(item) {
    if (this.tiles.has(item.creationId)) return;
    const tile = this.tile(item);
    this.items.push(item);
    this.wall.append(tile);
    this.fitOne(item, this.columnWidth());
  }

  tile(item) {
    const { creationId, caption, type, duration } = item;
    const label = text.openTile(item, caption || text.untitled(item));
    const onclick = () => this.view(item);
    const tile = h(
      "article.tile.new",
      { "data-id": creationId },
      h("button.media-open", { "aria-label": label, onclick }, thumbnail(item, "")),
      type === "video" && h("span.media-badge", icon("play"), `${duration}s`),
      h(
        "div.tile-overlay",
        caption && h("p.tile-caption", caption),
        this.options.showsOwner && ownerLink(item),
      ),
    );
    if (type === "video") this.autoplay.add(tile, () => this.startVideo(tile, item));
    this.tiles.set(creationId, tile);
    return tile;
  }

  startVideo(tile, item) {
    const attributes = { muted: true, loop: true, tabindex: "-1", "aria-hidden": "true" };
    const video = videoPlayer(item, attributes);
    video.muted = true; // the attribute does not mute a video that a script created
    tile.querySelector(".media-open").append(video);
    return video;
  }

  view(item) {
    this.autoplay.isPaused = true;
    openViewer(this.items, this.items.indexOf(item), {
      describe: (shown, viewer) => this.describe(shown, viewer),
      more: () => this.load().catch(() => {}),
      hasMore: () => !this.isAtEnd,
      closed: (last) => {
        this.autoplay.isPaused = false;
        this.tiles.get(last?.creationId)?.querySelector("button")?.focus();
      },
    });
  }

  describe(item, viewer) {
    return h(
      "div",
      item.caption && h("p", item.caption),
      h("p.viewer-facts", ownerLink(item), ` · ${date(item.publishedAt)}`),
      this.options.actions(item, viewer),
    );
  }

  setHidden(creationId, isHidden) {
    const tile = this.tiles.get(creationId);
    if (tile) tile.hidden = isHidden;
  }

  remove(creationId) {
    const tile = this.tiles.get(creationId);
    this.autoplay.remove(tile);
    tile?.remove();
    this.tiles.delete(creationId);
    this.items = this.items.filter((item) => item.creationId !== creationId);
    if (this.isAtEnd && !this.items.length) this.wall.replaceWith(this.options.empty());
  }

  setCaption(creationId, caption) {
    const item = this.items.find((each) => each.creationId === creationId);
    const old = this.tiles.get(creationId);
    if (!item || !old) return;
    item.caption = caption;
    this.autoplay.remove(old);
    old.replaceWith(this.tile(item));
    this.fitOne(item, this.columnWidth());
  }

  columnWidth() {
    return parseFloat(getComputedStyle(this.wall).gridTemplateColumns);
  }

  fit() {
    const width = this.columnWidth();
    for (const item of this.items) this.fitOne(item, width);
  }

  /** Set how many grid rows a tile spans, so that it keeps its aspect ratio. */
  fitOne(item, width) {
    const tile = this.tiles.get(item.creationId);
    if (!tile) return;
    const gap = parseFloat(getComputedStyle(tile).marginBottom);
    const rows = Math.round((width / ratioOf(item) + gap) / ROW_PX);
    tile.style.setProperty("--rows", String(Math.max(1, rows)));
  }
}
