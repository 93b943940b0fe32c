// One creation in full screen, with sound. Keys: arrows, Space, Esc; Back closes it, too.

import { h, icon } from "./dom.js";
import { setSource, videoPlayer } from "./media.js";
import { text } from "./messages.js";

export class Viewer {
  /** @type {HTMLVideoElement | null} */
  video = null;
  stage = h("div.viewer-stage", { tabindex: "-1" });
  caption = h("div.viewer-caption");
  close = () => this.dialog.close();

  /**
   * `describe(item, viewer)` returns the caption element; `more()` appends to `items` while
   * `hasMore()`; `closed(item)` is called last.
   */
  constructor(items, index, { describe, closed, more = async () => {}, hasMore = () => false }) {
    this.items = items;
    this.index = index;
    this.options = { describe, closed, more, hasMore };
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
      this.caption,
      this.previous,
      this.next,
      control("close", this.close),
    );
  }

  open() {
    document.body.append(this.dialog);
    this.dialog.showModal();
    history.pushState({ viewer: true }, "");
    addEventListener("popstate", this.close, { once: true });
    this.draw();
  }

  onClose() {
    removeEventListener("popstate", this.close);
    if (history.state?.viewer) history.back();
    this.dialog.remove();
    this.options.closed(this.items[this.index]);
  }

  draw() {
    const item = this.items[this.index];
    const alt = item.caption || item.prompt || text.untitled(item);
    this.video = null;
    if (item.type === "video") {
      this.video = videoPlayer(item, { controls: true, loop: true, "aria-label": alt });
      this.stage.replaceChildren(this.video);
      this.video.play().catch(() => {}); // without a user gesture the controls are there
    } else {
      const image = h("img", { alt });
      setSource(image, item.mediaUrl);
      this.stage.replaceChildren(image);
    }
    this.caption.replaceChildren(this.options.describe(item, this));
    this.previous.hidden = this.index === 0;
    this.next.hidden = this.index === this.items.length - 1 && !this.options.hasMore();
    this.stage.focus();
  }

  async turn(step) {
    const index = this.index + step;
    if (index >= this.items.length && this.options.hasMore()) await this.options.more();
    if (!this.dialog.open || !this.items[index]) return;
    this.index = index;
    this.draw();
  }

  onKey(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const isOnControl = event.target.closest("button, a, textarea");
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
