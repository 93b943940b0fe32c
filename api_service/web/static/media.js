// Images and videos: signed links, thumbnails, and autoplay of one video at a time.

import { h, icon } from "./dom.js";

export const prefersReducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
export const savesData = () => Boolean(navigator.connection?.saveData);

const pathOf = (link) => new URL(link, location.origin).pathname;

/** Set an element's link. A new signature of the same file is only stored, for a later reload. */
export function setSource(element, link) {
  if (!link) return;
  element.dataset.latest = link;
  const current = element.getAttribute("src");
  if (!current || pathOf(current) !== pathOf(link)) element.src = link;
}

function lazyImage(link, alt) {
  const image = h("img.media-thumbnail", { alt, loading: "lazy", decoding: "async" });
  image.addEventListener("error", () => {
    const { latest } = image.dataset;
    if (latest && latest !== image.getAttribute("src")) image.src = latest;
  });
  setSource(image, link);
  return image;
}

export function videoPlayer(creation, attributes = {}) {
  const preload = savesData() ? "none" : "metadata";
  const poster = creation.thumbnailUrl;
  const video = h("video", { playsinline: true, preload, poster, ...attributes });
  setSource(video, creation.mediaUrl);
  return video;
}

/** Create the thumbnail, or the media itself where there is none. */
export function thumbnail(creation, alt) {
  if (creation.thumbnailUrl || creation.type === "image")
    return lazyImage(creation.thumbnailUrl ?? creation.mediaUrl, alt);
  const attributes = { muted: true, tabindex: "-1", "aria-label": alt };
  return videoPlayer(creation, { class: "media-thumbnail", ...attributes });
}

export const playButton = () => h("span.media-play-button", icon("play"));

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
