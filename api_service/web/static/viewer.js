// One creation on the whole screen, with sound: arrows, space, Esc; Back closes it too.

import { h, icon } from "./dom.js";
import { film, show } from "./media.js";

/**
 * Open the viewer on `items` at `index`. `describe(item, viewer)` returns what stands below;
 * `more()` appends to `items` while `hasMore()`; `closed(item)` is called last.
 */
export function view(items, index, options) {
  new Viewer(items, index, options).open();
}

class Viewer {
  constructor(items, index, { describe, closed, more = async () => {}, hasMore = () => false }) {
    Object.assign(this, { items, index, describe, closed, more, hasMore });
    const turn = (name, words, by) =>
      h(
        "button",
        { class: `round ${name}`, "aria-label": words, onclick: () => this.turn(by) },
        icon(name),
      );
    this.show = h("div", { class: "show", tabindex: "-1" });
    this.says = h("div", { class: "says" });
    this.before = turn("before", "Previous", -1);
    this.after = turn("after", "Next", 1);
    this.dialog = h(
      "dialog",
      {
        class: "viewer",
        "aria-label": "Viewer",
        onkeydown: (event) => this.press(event),
        onclose: () => this.leave(),
      },
      this.show,
      this.says,
      this.before,
      this.after,
      h(
        "button",
        { class: "round close", "aria-label": "Close", onclick: () => this.dialog.close() },
        icon("close"),
      ),
    );
    this.back = () => this.dialog.close();
  }

  open() {
    document.body.append(this.dialog);
    this.dialog.showModal();
    history.pushState({ viewer: true }, "");
    addEventListener("popstate", this.back, { once: true });
    this.draw();
  }

  leave() {
    removeEventListener("popstate", this.back);
    if (history.state?.viewer) history.back();
    this.dialog.remove();
    this.closed(this.items[this.index]);
  }

  draw() {
    const item = this.items[this.index];
    const alt = item.caption || item.prompt || `${item.type} by ${item.username}`;
    this.video = null;
    if (item.type === "video") {
      this.video = film(item, { controls: true, loop: true, "aria-label": alt });
      this.show.replaceChildren(this.video);
      this.video.play().catch(() => {}); // not without a gesture: the controls are there
    } else {
      const image = h("img", { alt });
      show(image, item.mediaUrl);
      this.show.replaceChildren(image);
    }
    this.says.replaceChildren(this.describe(item, this));
    this.before.hidden = this.index === 0;
    this.after.hidden = this.index === this.items.length - 1 && !this.hasMore();
    this.show.focus();
  }

  async turn(by) {
    const wanted = this.index + by;
    if (wanted >= this.items.length && this.hasMore()) await this.more();
    if (!this.items[wanted]) return;
    this.index = wanted;
    this.draw();
  }

  press(event) {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const isOnButton = event.target.closest("button, a, textarea");
    if (by) {
      event.preventDefault();
      this.turn(by);
    } else if (event.key === " " && this.video && !isOnButton) {
      event.preventDefault();
      if (this.video.paused) this.video.play();
      else this.video.pause();
    }
  }
}
