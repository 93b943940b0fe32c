// Pictures and films: signed links, what is shown first, and one film at a time.

import { h, icon } from "./dom.js";

export const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
export const savesData = () => Boolean(navigator.connection?.saveData);

const path = (link) => new URL(link, location.origin).pathname;

/**
 * Show a link's file. A new signature of the file that is shown already loads nothing; it is kept
 * for when the old link is over.
 */
export function show(element, link) {
  if (!link) return;
  element.latest = link;
  if (element.shown && path(element.shown) === path(link)) return;
  element.shown = link;
  element.src = link;
}

/** Make a picture that comes when it is in view, and again by its newest link if one is over. */
export function picture(link, alt) {
  const made = h("img", { class: "picture", alt, loading: "lazy", decoding: "async" });
  made.addEventListener("error", () => {
    if (made.latest === made.shown) return;
    made.shown = made.latest;
    made.src = made.latest;
  });
  show(made, link);
  return made;
}

/** Make a film with its controls. */
export function film(creation, attributes = {}) {
  const preload = savesData() ? "none" : "metadata";
  const made = h("video", { playsinline: true, preload, ...attributes });
  if (creation.thumbnailUrl) made.poster = creation.thumbnailUrl;
  show(made, creation.mediaUrl);
  return made;
}

/** What is shown before anything is asked for: the thumbnail, or the media itself. */
export function still(creation, alt) {
  if (creation.thumbnailUrl || creation.type === "image") {
    return picture(creation.thumbnailUrl ?? creation.mediaUrl, alt);
  }
  return film(creation, { class: "picture", muted: true, tabindex: "-1", "aria-label": alt });
}

export const knob = () => h("span", { class: "knob" }, icon("play"));

/** Play, muted, the one film that is in view the most, at least by half; nobody moves without leave. */
export class Cinema {
  views = new Map();
  playing = null;

  constructor() {
    this.watcher = new IntersectionObserver(
      (entries) => {
        for (const { target, intersectionRatio } of entries)
          this.views.set(target, intersectionRatio);
        this.choose();
      },
      { threshold: [0, 0.25, 0.5, 0.75, 1] },
    );
    document.addEventListener("visibilitychange", () => this.choose());
  }

  /** Let a tile's film play; `start` makes the film when it is first needed. */
  add(tile, start) {
    tile.start = start;
    this.watcher.observe(tile);
  }

  remove(tile) {
    this.watcher.unobserve(tile);
    this.views.delete(tile);
    this.choose();
  }

  set isPaused(paused) {
    this.paused = paused;
    this.choose();
  }

  choose() {
    const mayPlay = !this.paused && !document.hidden && !isCalm() && !savesData();
    const seen = mayPlay ? [...this.views].filter(([, ratio]) => ratio >= 0.5) : [];
    const middle = innerHeight / 2;
    const away = (tile) => {
      const { top, bottom } = tile.getBoundingClientRect();
      return Math.abs((top + bottom) / 2 - middle);
    };
    seen.sort(([a, inA], [b, inB]) => inB - inA || away(a) - away(b));
    const best = seen[0]?.[0] ?? null;
    if (best === this.playing) return;
    this.playing?.film?.pause();
    this.playing = best;
    if (!best) return;
    best.film ??= best.start();
    best.film.play().catch(() => {}); // a browser may forbid it: the poster stays
  }
}
