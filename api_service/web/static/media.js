// Images and videos: signed links and thumbnails.

import { h } from "./dom.js";

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
