// One unpublished creation as a card that changes by itself.

import { button, clock, h, icon, tokens } from "./dom.js";
import { film, knob, show, still } from "./media.js";

const STAGES = {
  queued: "In the queue",
  waiting_to_retry: "Waiting to try again",
  generating: "Making it",
  downloading: "Fetching it",
  checking: "Checking it",
  uploading: "Storing it",
};
const KINDS = { image: "Image", video: "Video" };

export const isUnfinished = ({ status }) => status === "pending" || status === "processing";

/** What a card shows as a whole: while it is the same, only numbers, words and links change. */
const face = ({ status, error }) =>
  isUnfinished({ status }) ? `making ${status}` : `${status} ${error?.code}`;

export class Card {
  /** `deeds` are what its buttons do: publish, remove, retry, cancel, change, view. */
  constructor(creation, deeds) {
    this.deeds = deeds;
    this.article = h("article", {
      class: "card new",
      tabindex: "-1",
      "aria-labelledby": `p-${creation.creationId}`,
    });
    this.element = h("li", { "data-id": creation.creationId }, this.article);
    this.update(creation);
  }

  update(creation) {
    const before = this.creation;
    this.creation = creation;
    this.element.dataset.status = creation.status;
    if (this.isLeaving) return;
    if (before && face(before) === face(creation)) this.freshen();
    else this.draw(before);
  }

  draw(before) {
    const { creation } = this;
    const hadFocus = this.article.contains(document.activeElement);
    this.article.classList.toggle("failed", creation.status === "failed");
    this.article.classList.toggle("ready", creation.status === "draft" && Boolean(before));
    this.problem = h("div", { role: "alert" });
    this.facts = h("p", { class: "facts" });
    this.article.replaceChildren(
      this.frame(),
      h(
        "div",
        { class: "words" },
        h(
          "h2",
          { class: "prompt", id: `p-${creation.creationId}`, title: creation.prompt },
          creation.prompt,
        ),
        this.facts,
        this.money(),
      ),
      this.problem,
      this.buttons(),
    );
    this.freshen();
    if (hadFocus) this.article.focus();
  }

  /** Bring what moves up to date: stage, progress, times, and links without loading them anew. */
  freshen() {
    const { creation } = this;
    const { type, duration, aspectRatio, cost } = creation;
    this.facts.textContent = isUnfinished(creation)
      ? this.promise()
      : [KINDS[type], duration && `${duration} s`, aspectRatio, tokens(cost)]
          .filter(Boolean)
          .join(" · ");
    if (this.progress) {
      const { stage, progress, retryAt } = creation;
      const isWaiting = stage === "waiting_to_retry" && retryAt;
      this.stage.textContent = isWaiting ? `Trying again at ${clock(retryAt)}` : STAGES[stage];
      this.percent.textContent = `${progress} %`;
      this.progress.value = progress;
    }
    if (this.shown) show(this.shown, creation.thumbnailUrl ?? creation.mediaUrl);
  }

  promise() {
    const { deadlineAt, cost } = this.creation;
    return `Ready soon, or your ${tokens(cost)} ${cost === 1 ? "is" : "are"} back by ${clock(deadlineAt)}`;
  }

  frame() {
    this.progress = null;
    this.shown = null;
    if (isUnfinished(this.creation)) return this.making();
    return this.creation.status === "failed" ? this.broken() : this.ready();
  }

  making() {
    this.stage = h("span");
    this.percent = h("span");
    this.progress = h("progress", { max: "100", "aria-label": "Progress" });
    const doing = h("div", { class: "doing" }, this.stage, this.percent);
    return h("div", { class: "frame" }, h("div", { class: "making" }, doing, this.progress));
  }

  broken() {
    const { message, retryable } = this.creation.error;
    const change = () => this.deeds.change(this);
    const other = retryable ? null : button("Change the prompt", change, { kind: "small" });
    return h(
      "div",
      { class: "frame" },
      h("div", { class: "broken" }, icon("alert"), h("p", {}, message), other),
    );
  }

  ready() {
    const { creation } = this;
    const isVideo = creation.type === "video";
    this.shown = still(creation, "");
    const open = h(
      "button",
      {
        class: "open",
        "aria-label": `${isVideo ? "Play" : "Open"}: ${creation.prompt}`,
        onclick: () => (isVideo ? this.play() : this.deeds.view(this.creation)),
      },
      this.shown,
    );
    if (!isVideo) return h("div", { class: "frame" }, open);
    open.append(knob());
    return h(
      "div",
      { class: "frame" },
      open,
      h("span", { class: "badge" }, `${creation.duration}s`),
    );
  }

  play() {
    this.shown = null;
    const video = film(this.creation, { controls: true, "aria-label": this.creation.prompt });
    this.article.querySelector(".frame").replaceChildren(video);
    video.focus();
    video.play().catch(() => {}); // the controls are there
  }

  money() {
    const { refunded, cost } = this.creation;
    return refunded ? h("p", { class: "back" }, icon("check"), `${tokens(cost)} returned`) : null;
  }

  buttons() {
    const { status, cost } = this.creation;
    const act = (name) => () => this.deeds[name](this);
    const remove = () =>
      button("", act("remove"), {
        kind: "small bare",
        icon: "trash",
        "aria-label": "Delete",
        title: "Delete",
      });
    const made = {
      pending: () => [button("Cancel", act("cancel"), { kind: "small bare" })],
      processing: () => [],
      draft: () => [
        button("Publish", act("publish"), { kind: "small", icon: "publish" }),
        remove(),
      ],
      failed: () => [
        button(`Retry · ${tokens(cost)}`, act("retry"), { kind: "small", icon: "retry" }),
        remove(),
      ],
    }[status]();
    return h("div", { class: "deeds" }, ...made);
  }

  /** Tell what went wrong with a deed. */
  tell(message) {
    this.problem.replaceChildren(message);
  }

  /** Stand aside for a deletion that can be taken back. */
  leave(undo) {
    this.isLeaving = true;
    const back = button("Undo", undo, { kind: "small" });
    this.article.replaceChildren(h("div", { class: "grave" }, h("p", {}, "Deleted"), back));
    back.focus();
  }

  comeBack() {
    this.isLeaving = false;
    this.draw();
    this.article.focus();
  }
}
