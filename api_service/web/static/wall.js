// A wall of published creations: endless, in columns, films that play while one looks.

import { call } from "./api.js";
import { h, icon, nearby } from "./dom.js";
import { Cinema, film, still } from "./media.js";
import { view } from "./viewer.js";
import { sentence } from "./words.js";

const ROW_PX = 4;

export class Wall {
  items = [];
  tiles = new Map();
  cursor = null;
  isAtEnd = false;
  loading = null;
  cinema = new Cinema();

  /** `deeds(item, viewer)` returns what the owner can do; `empty()` what stands on an empty wall. */
  constructor(wall, below, { path, showsOwner, deeds = () => null, empty }) {
    Object.assign(this, { wall, below, path, showsOwner, deeds, empty });
    new ResizeObserver(() => this.fit()).observe(wall);
    this.next = nearby("Show more", () => this.load().catch(() => {}));
  }

  /** Load the next page, once at a time. */
  load() {
    this.loading ??= this.loadNext().finally(() => (this.loading = null));
    return this.loading;
  }

  async loadNext() {
    if (this.isAtEnd) return;
    this.wall.setAttribute("aria-busy", "true");
    const page = new URLSearchParams({ limit: 20, ...(this.cursor && { cursor: this.cursor }) });
    try {
      const { data } = await call(`${this.path}?${page}`, { anonymous: true });
      this.cursor = data.nextCursor;
      this.isAtEnd = this.cursor === null;
      for (const item of data.creations) this.add(item);
    } catch (error) {
      this.below.replaceChildren(h("p", { class: "message" }, sentence(error)), this.next);
      throw error;
    } finally {
      this.wall.removeAttribute("aria-busy");
    }
    this.below.replaceChildren(...(this.isAtEnd ? [] : [this.next]));
    this.next.watch();
    if (!this.items.length) this.wall.replaceWith(this.empty());
  }

  add(item) {
    if (this.tiles.has(item.creationId)) return;
    const tile = this.tile(item);
    this.items.push(item);
    this.tiles.set(item.creationId, tile);
    this.wall.append(tile);
    this.fitOne(tile, this.width());
  }

  tile(item) {
    const name = item.caption || `${item.type} by ${item.username}`;
    const open = h(
      "button",
      { class: "open", "aria-label": `Open ${item.type}: ${name}`, onclick: () => this.view(item) },
      still(item, ""),
    );
    const owner = h(
      "a",
      { href: `/soho/${encodeURIComponent(item.username)}` },
      `@${item.username}`,
    );
    const tile = h(
      "article",
      { class: "tile new", "data-id": item.creationId },
      open,
      item.type === "video"
        ? h("span", { class: "badge" }, icon("play"), `${item.duration}s`)
        : null,
      h(
        "div",
        { class: "under" },
        item.caption ? h("p", { class: "caption" }, item.caption) : null,
        this.showsOwner ? owner : null,
      ),
    );
    const [wide, high] = item.aspectRatio.split(":").map(Number);
    if (item.type === "video") this.cinema.add(tile, () => this.film(tile, item));
    tile.ratio = item.width && item.height ? item.width / item.height : wide / high;
    return tile;
  }

  film(tile, item) {
    const made = film(item, { muted: true, loop: true, tabindex: "-1", "aria-hidden": "true" });
    made.muted = true; // the attribute alone does not mute a film that is made by a script
    tile.querySelector(".open").append(made);
    return made;
  }

  view(item) {
    this.cinema.isPaused = true;
    view(this.items, this.items.indexOf(item), {
      describe: (shown, viewer) => this.describe(shown, viewer),
      more: () => this.load().catch(() => {}),
      hasMore: () => !this.isAtEnd,
      closed: (last) => {
        this.cinema.isPaused = false;
        this.tiles.get(last?.creationId)?.querySelector(".open").focus();
      },
    });
  }

  describe(item, viewer) {
    const when = new Date(item.publishedAt).toLocaleDateString([], { dateStyle: "medium" });
    const owner = h(
      "a",
      { href: `/soho/${encodeURIComponent(item.username)}` },
      `@${item.username}`,
    );
    return h(
      "div",
      {},
      item.caption ? h("p", {}, item.caption) : null,
      h("p", { class: "facts" }, owner, ` · ${when}`),
      this.deeds(item, viewer),
    );
  }

  remove(creationId) {
    const tile = this.tiles.get(creationId);
    this.cinema.remove(tile);
    tile.remove();
    this.tiles.delete(creationId);
    this.items = this.items.filter((item) => item.creationId !== creationId);
    if (this.isAtEnd && !this.items.length) this.wall.replaceWith(this.empty());
  }

  recaption(creationId, caption) {
    const item = this.items.find((each) => each.creationId === creationId);
    item.caption = caption;
    const old = this.tiles.get(creationId);
    this.cinema.remove(old);
    const tile = this.tile(item);
    this.tiles.set(creationId, tile);
    old.replaceWith(tile);
    this.fitOne(tile, this.width());
  }

  width() {
    const [first] = getComputedStyle(this.wall).gridTemplateColumns.split(" ");
    return parseFloat(first);
  }

  fit() {
    const width = this.width();
    for (const tile of this.tiles.values()) this.fitOne(tile, width);
  }

  fitOne(tile, width) {
    const gap = parseFloat(getComputedStyle(tile).marginBottom);
    tile.style.setProperty("--rows", Math.max(1, Math.round((width / tile.ratio + gap) / ROW_PX)));
  }
}
