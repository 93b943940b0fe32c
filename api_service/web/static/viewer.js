// One creation in full screen, with sound. Keys: arrows, Space, Esc; Back closes it, too.

import { find, h, icon } from "./dom.js";
import { errorMessage } from "./errors.js";
import { setSource, videoPlayer } from "./media.js";
import { text } from "./messages.js";

const no = (..._) => false;

export class Viewer {
  /** @type {HTMLVideoElement | null} */
  video = null;
  stage = h("div.viewer-stage", { tabindex: "-1" });
  caption = h("div.viewer-caption");
  problem = h("div.viewer-problem", { role: "alert" });
  close = () => this.dialog.close();

  /**
   * `describe(item, viewer)` returns the caption element; `more()` appends to `items` while
   * `hasMore()`, and returns the error that prevents it; what `skips(item)` is passed over; `failed(viewer, media)` is called when media
   * cannot be loaded, and `closed(item)` last. While the viewer is open, others may be taken out
   * of `items`; then call `drawControls`.
   */
  constructor(items, index, { describe, closed, ...others }) {
    const more = async () => null;
    this.items = items;
    this.item = items[index];
    this.options = { describe, closed, more, hasMore: no, skips: no, failed: no, ...others };
    const control = (name, onclick) =>
      h(`button.viewer-button.${name}`, { "aria-label": text[name], onclick }, icon(name));
    this.previous = control("previous", () => this.turn(-1));
    this.next = control("next", () => this.turn(1));
    this.dialog = h(
      "dialog.viewer",
      {
        "aria-label": text.viewer,
        onkeydown: (event) => this.onKey(event),
        onclose: () => this.onClose(),
      },
      this.stage,
      h("div.viewer-below", this.problem, this.caption),
      this.previous,
      this.next,
      control("close", this.close),
    );
  }

  open() {
    find("main").append(this.dialog);
    this.dialog.showModal();
    history.pushState({ ...history.state, viewer: true }, "");
    addEventListener("popstate", this.close, { once: true });
    this.draw();
  }

  onClose() {
    removeEventListener("popstate", this.close);
    if (history.state?.viewer) history.back();
    this.dialog.remove();
    this.options.closed(this.item);
  }

  draw() {
    const { item } = this;
    const alt = item.caption || item.prompt || text.untitled(item);
    const isVideo = item.type === "video";
    const attributes = { controls: true, loop: true, "aria-label": alt };
    this.video = isVideo ? videoPlayer(item, attributes) : null;
    const media = this.video ?? h("img", { alt });
    setSource(media, item.mediaUrl);
    media.addEventListener("error", () => this.options.failed(this, media));
    this.stage.replaceChildren(media);
    this.video?.play().catch(() => {}); // without a user gesture the controls are there
    this.problem.replaceChildren();
    this.caption.replaceChildren(this.options.describe(item, this));
    this.drawControls();
    this.stage.focus();
  }

  showProblem(message) {
    this.problem.replaceChildren(message);
  }

  /** Load the media from the item's new link; a video continues where it was. */
  renew(media) {
    const playedS = media.currentTime;
    media.src = this.item.mediaUrl;
    if (!this.video) return;
    this.video.currentTime = playedS;
    this.video.play().catch(() => {});
  }

  drawControls() {
    const focused = document.activeElement;
    this.previous.hidden = !this.neighbor(-1);
    this.next.hidden = !this.neighbor(1) && !this.options.hasMore();
    if ([this.previous, this.next].some((each) => each.hidden && each === focused))
      this.stage.focus();
  }

  neighbor(step) {
    let index = this.items.indexOf(this.item) + step;
    while (this.items[index] && this.options.skips(this.items[index])) index += step;
    return this.items[index];
  }

  async turn(step) {
    const needsMore = step > 0 && !this.neighbor(step) && this.options.hasMore();
    const error = needsMore ? await this.options.more() : null;
    if (!this.dialog.open) return;
    const item = this.neighbor(step);
    if (error && !item) this.showProblem(errorMessage(error));
    if (!item) return this.drawControls();
    this.item = item;
    this.draw();
  }

  onKey(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const isOnControl = event.target.closest("button, a, textarea");
    if (event.target.closest(".viewer-prompt") && event.key.match(/Arrow(Up|Down)/)) return;
    if (step) {
      event.preventDefault();
      this.turn(step);
    } else if (event.key === " " && this.video && !isOnControl) {
      event.preventDefault();
      if (this.video.paused) this.video.play();
      else this.video.pause();
    }
  }
}
