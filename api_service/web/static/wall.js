// Publications in columns: endless scrolling, and autoplay of the video in view.

import { h, icon } from "./dom.js";
import { Likes } from "./likes.js";
import { savesData, thumbnail, videoPlayer } from "./media.js";
import { date, text } from "./messages.js";
import { focusNear, Pager } from "./pager.js";
import { pagePath, shareButton } from "./share.js";
import { Viewer } from "./viewer.js";

const ROW_PX = 4;

const prefersReducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

const ownerLink = ({ username }) =>
  h("a", { href: `/soho/${encodeURIComponent(username)}` }, `@${username}`);

const pageLink = (item) => h("a", { href: pagePath(item) }, date(item.publishedAt));

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
  autoplay = new Autoplay();
  likes = new Likes();
  /** @type {Viewer | null} */
  viewer = null;

  /** `actions(item, viewer)` returns the owner's buttons; `empty()` replaces an empty wall. */
  constructor(wall, below, { path, showsOwner = false, actions = (..._) => null, empty }) {
    this.wall = wall;
    this.options = { showsOwner, actions, empty };
    const take = (items) => this.append(items);
    this.pager = new Pager({ path, anonymous: true, list: wall, below, take });
    new ResizeObserver(() => this.fit()).observe(wall);
  }

  append(items) {
    const added = items.filter(({ creationId }) => !this.tiles.has(creationId));
    for (const item of added) {
      this.items.push(item);
      this.wall.append(this.tile(item));
    }
    this.likes.load(added);
    this.fit();
    this.settle();
  }

  /** Replace the wall if nothing is published. */
  settle() {
    if (this.pager.isAtEnd && !this.items.length) this.wall.replaceWith(this.options.empty());
  }

  tile(item) {
    const { creationId, caption, type, duration } = item;
    const name = caption || text.untitled(item);
    const label = text.openTile(item, name);
    const onclick = () => this.view(item);
    const tile = h(
      "article.tile.new",
      { "data-id": creationId },
      h("button.media-open", { "aria-label": label, onclick }, thumbnail(item, "")),
      type === "video" && h("span.media-badge", icon("play"), text.secondsShort(duration)),
      h(
        "div.tile-overlay",
        caption && h("p.tile-caption", { dir: "auto" }, caption),
        h(
          "div.tile-row",
          this.options.showsOwner && ownerLink(item),
          h("a.tile-page", { href: pagePath(item), "aria-label": text.pageOf(name) }, icon("link")),
          shareButton(item, { label: "", kind: "bare", "aria-label": text.shareTile(name) }),
        ),
      ),
      this.likes.heart(item),
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
    this.viewer = new Viewer(this.items, this.items.indexOf(item), {
      describe: (shown, viewer) => this.describe(shown, viewer),
      more: () => this.pager.load(),
      hasMore: () => !this.pager.isAtEnd,
      skips: ({ creationId }) => this.tiles.get(creationId)?.hidden,
      closed: (last) => {
        this.viewer = null;
        this.autoplay.isPaused = false;
        this.tiles.get(last.creationId)?.querySelector("button")?.focus();
      },
    });
    this.viewer.open();
  }

  describe(item, viewer) {
    const problem = h("span", { role: "alert" });
    const heart = this.likes.heart(item, (message) => problem.replaceChildren(message));
    return h(
      "div",
      item.caption && h("p", { dir: "auto" }, item.caption),
      h("p.viewer-facts", ownerLink(item), " · ", pageLink(item)),
      h("p.viewer-likes", heart, problem),
      shareButton(item, { kind: "small", copies: true }),
      this.options.actions(item, viewer),
    );
  }

  setHidden(creationId, isHidden) {
    const tile = this.tiles.get(creationId);
    if (tile) tile.hidden = isHidden;
    this.viewer?.drawControls();
  }

  focus(creationId) {
    const tile = this.tiles.get(creationId);
    if (tile?.hidden) focusNear(tile, ".media-open");
    else tile?.querySelector("button")?.focus();
  }

  /** Remove a publication and close its viewer. An open viewer has this list, so it stays one. */
  remove(creationId) {
    const tile = this.tiles.get(creationId);
    if (!tile) return;
    const isViewed = this.viewer?.item.creationId === creationId;
    if (isViewed) this.viewer?.close();
    if (isViewed || tile.contains(document.activeElement)) focusNear(tile, ".media-open");
    this.autoplay.remove(tile);
    tile.remove();
    this.tiles.delete(creationId);
    this.items.splice(
      this.items.findIndex((item) => item.creationId === creationId),
      1,
    );
    this.viewer?.drawControls();
    this.settle();
  }

  setCaption(creationId, caption) {
    const item = this.items.find((each) => each.creationId === creationId);
    const old = this.tiles.get(creationId);
    if (!item || !old) return;
    item.caption = caption;
    this.autoplay.remove(old);
    const hadFocus = old.contains(document.activeElement);
    old.replaceWith(this.tile(item));
    if (hadFocus) this.focus(creationId);
    this.fit();
  }

  /** Set how many grid rows each tile spans, so that it keeps its aspect ratio. */
  fit() {
    const { firstElementChild } = this.wall;
    if (!firstElementChild) return;
    const width = parseFloat(getComputedStyle(this.wall).gridTemplateColumns);
    const gap = parseFloat(getComputedStyle(firstElementChild).marginBottom);
    for (const item of this.items) {
      const rows = Math.round((width / ratioOf(item) + gap) / ROW_PX);
      const tile = this.tiles.get(item.creationId);
      tile?.style.setProperty("--rows", String(Math.max(1, rows)));
    }
  }
}

/** Autoplay, muted, of the video most in view; none with reduced motion or data saving. */
export class Autoplay {
  /** @type {Map<Element, PlayableTile>} */
  tiles = new Map();
  /** @type {HTMLVideoElement | null} */
  playing = null;
  paused = false;

  constructor() {
    this.observer = new IntersectionObserver(
      (entries) => {
        for (const { target, intersectionRatio } of entries) {
          const tile = this.tiles.get(target);
          if (tile) tile.ratio = intersectionRatio;
        }
        this.choose();
      },
      { threshold: [0, 0.25, 0.5, 0.75, 1] },
    );
    document.addEventListener("visibilitychange", () => this.choose());
  }

  /** Add a tile; `start` creates its video when it plays for the first time. */
  add(element, start) {
    this.tiles.set(element, { ratio: 0, start });
    this.observer.observe(element);
  }

  remove(element) {
    this.observer.unobserve(element);
    this.tiles.delete(element);
    this.choose();
  }

  set isPaused(isPaused) {
    this.paused = isPaused;
    this.choose();
  }

  choose() {
    const mayPlay = !this.paused && !document.hidden && !prefersReducedMotion() && !savesData();
    const visible = mayPlay ? [...this.tiles].filter(([, { ratio }]) => ratio >= 0.5) : [];
    const distance = (element) => {
      const { top, bottom } = element.getBoundingClientRect();
      return Math.abs((top + bottom - innerHeight) / 2);
    };
    visible.sort(([a, inA], [b, inB]) => inB.ratio - inA.ratio || distance(a) - distance(b));
    const best = visible[0]?.[1];
    const video = best ? (best.video ??= best.start()) : null;
    if (video === this.playing) return;
    this.playing?.pause();
    this.playing = video;
    video?.play().catch(() => {}); // if the browser forbids autoplay, the poster stays
  }
}
