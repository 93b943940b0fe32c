// A draft as a card that updates itself.

import { isUnfinished } from "./api.js";
import * as actions from "./creation_actions.js";
import { button, h, icon } from "./dom.js";
import { errorMessage } from "./errors.js";
import { setSource, thumbnail, videoPlayer } from "./media.js";
import { text, tokens } from "./messages.js";
import { publishLater, showRetention } from "./retention.js";

/** Return what decides a card's layout: while it stays the same, only texts and links change. */
const layoutOf = ({ status, error }) => `${status} ${error?.code}`;

export class Card {
  isDeleted = false;
  isBusy = false;
  stage = h("span");
  percent = h("span");
  progress = h("progress", { max: "100", "aria-label": text.progress });
  facts = h("p.card-facts");
  problem = h("div", { role: "alert" });
  retention = h("div.card-retention");
  /** @type {HTMLElement | null} */
  thumbnail = null;

  /** @param {Creation} creation */
  constructor(creation, list) {
    this.creation = creation;
    this.list = list;
    const attributes = { tabindex: "-1", "aria-labelledby": `p-${creation.creationId}` };
    this.article = h("article.card.new", attributes);
    this.element = h("li", { "data-id": creation.creationId }, this.article);
    this.draw();
  }

  update(creation) {
    const hasSameLayout = layoutOf(this.creation) === layoutOf(creation);
    this.creation = creation;
    if (this.isDeleted) this.element.dataset.status = creation.status;
    else if (hasSameLayout) this.refresh();
    else this.draw({ isUpdate: true });
  }

  draw({ isUpdate = false } = {}) {
    const { creationId, prompt, status, refunded, cost } = this.creation;
    const hadFocus = this.article.contains(document.activeElement);
    this.element.dataset.status = status;
    this.article.classList.toggle("failed", status === "failed");
    this.article.classList.toggle("ready", status === "draft" && isUpdate);
    this.problem.replaceChildren();
    const title = h("h2.card-prompt", { id: `p-${creationId}`, title: prompt }, prompt);
    const refund = refunded && h("p.card-refund", icon("check"), text.refund(cost));
    const body = h("div.card-text", title, this.facts, refund);
    const parts = [this.media(), body, this.retention, this.problem, this.buttons()];
    this.article.replaceChildren(...parts);
    this.refresh();
    if (hadFocus) this.article.focus();
  }

  /** Update stage, progress, times and links in place. */
  refresh() {
    const { creation } = this;
    const { type, duration, aspectRatio, cost, stage, progress, retryAt } = creation;
    this.facts.textContent = isUnfinished(creation)
      ? text.waitingFor(creation)
      : text.factsOf(type, duration, aspectRatio, tokens(cost), this.isShared && text.sharedFact);
    const isWaiting = stage === "waiting_to_retry" && retryAt;
    this.stage.textContent = isWaiting ? text.retryingAt(retryAt) : text.stageOf(creation);
    this.percent.textContent = `${progress} %`;
    this.progress.value = progress ?? 0;
    showRetention(this);
    if (this.thumbnail) setSource(this.thumbnail, creation.thumbnailUrl ?? creation.mediaUrl);
  }

  get isShared() {
    const { url = null, collaborators = [] } = this.creation.sharing ?? {}; // after a rollback
    return url !== null || collaborators.length > 0;
  }

  media() {
    this.thumbnail = null;
    if (this.creation.status === "failed") return h("div.card-media", this.failure());
    if (!isUnfinished(this.creation)) return this.result();
    const stage = h("div.card-stage", this.stage, this.percent);
    return h("div.card-media", h("div.card-progress", stage, this.progress));
  }

  failure() {
    const { error } = this.creation;
    const reason = error ? text.failure(error) : text.internal;
    const edit = () => actions.edit(this.list, this);
    const editButton = !error?.retryable && button(text.editPrompt, edit, { kind: "small" });
    return h("div.card-failure", icon("alert"), h("p", reason), editButton);
  }

  result() {
    const { creation } = this;
    const isVideo = creation.type === "video";
    this.thumbnail = thumbnail(creation, "");
    const label = isVideo ? text.play(creation.prompt) : text.open(creation.prompt);
    const play = isVideo && h("span.media-play-button", icon("play"));
    const onclick = () => (isVideo ? this.play() : this.act(actions.view));
    return h(
      "div.card-media",
      h("button.media-open", { "aria-label": label, onclick }, this.thumbnail, play),
      isVideo && h("span.media-badge", `${creation.duration}s`),
    );
  }

  play() {
    this.thumbnail = null;
    const { creation } = this;
    const video = videoPlayer(creation, { controls: true, "aria-label": creation.prompt });
    this.article.querySelector(".card-media")?.replaceChildren(video);
    video.focus();
    video.play().catch(() => {}); // the controls are there
  }

  buttons() {
    const { status, cost } = this.creation;
    const action = (name, label, look) => button(label, () => this.act(actions[name]), look);
    const small = { kind: "small" };
    const bare = { kind: "small bare" };
    const iconOnly = { icon: "trash", "aria-label": text.delete, title: text.delete };
    const remove = action("remove", "", { ...bare, ...iconOnly });
    const shareIcon = { icon: "share", "aria-label": text.share, title: text.share };
    const share = action("share", "", { ...bare, ...shareIcon });
    const later = button(text.publishLater, () => this.act(publishLater), bare);
    const publish = action("publish", text.publish, { ...small, icon: "publish" });
    const buttons = {
      pending: [action("cancel", text.cancel, bare)],
      draft: [publish, later, share, remove],
      failed: [action("retry", text.retryFor(cost), { ...small, icon: "retry" }), remove],
    };
    return h("div.card-actions", ...(buttons[status] ?? []));
  }

  /** Carry out an action; show why what it needs could not be loaded. */
  async act(action) {
    this.showProblem("");
    try {
      await action(this.list, this);
    } catch (error) {
      this.showProblem(errorMessage(error));
    }
  }

  showProblem(message) {
    this.problem.replaceChildren(message);
  }

  /** Replace the content with an undo button until the deletion is sent. */
  showUndo(undo) {
    this.isDeleted = true;
    const undoButton = button(text.undo, undo, { kind: "small" });
    this.article.replaceChildren(h("div.card-undo", h("p", text.deleted), undoButton));
    undoButton.focus();
  }

  restore() {
    this.isDeleted = false;
    this.draw();
    this.article.focus();
  }
}
