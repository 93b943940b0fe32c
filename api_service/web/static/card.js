// A draft as a card that updates itself.

import { isUnfinished } from "./api.js";
import * as actions from "./creation_actions.js";
import { button, h, icon } from "./dom.js";
import { menuOf, menuOfFailed, publishButton, shareIcon, trashIcon } from "./draft_buttons.js";
import { errorMessage } from "./errors.js";
import { setSource, thumbnail } from "./media.js";
import { clock, say, text, tokens } from "./messages.js";
import { Progress, startTicking, stopTicking } from "./progress.js";
import { showRetention } from "./retention.js";
import { sharingOf } from "./share.js";

const MINUTE_S = 60;

/** The server says what can be cancelled; an older one cancels only what is queued. */
const isCancellable = (creation) => creation.isCancellable ?? creation.status === "pending";

/** Return what decides a card's layout: while it stays the same, only texts and links change. */
const layoutOf = (creation) =>
  [creation.status, creation.error?.code, isCancellable(creation)].join(" ");

function leftText({ stage }, leftS) {
  if (stage === "queued") return text.draft.leftUnknown;
  if (leftS === null) return "";
  if (leftS === 0) return text.draft.late;
  if (leftS < MINUTE_S) return text.draft.leftSeconds;
  return say(text.draft.leftMinutes, { count: Math.round(leftS / MINUTE_S) });
}

export class Card {
  isDeleted = false;
  isBusy = false;
  stage = h("span");
  percent = h("span");
  left = h("p.card-left");
  bar = h("progress", { max: "100", "aria-label": text.progress });
  progress = new Progress();
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
    const isSameAttempt = isUpdate && isUnfinished(this.creation);
    if (!isSameAttempt) this.problem.replaceChildren();
    const words = { id: `p-${creationId}`, title: prompt, dir: "auto" };
    const title = h("h2.card-prompt", words, prompt);
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
    const { type, duration, aspectRatio, cost, stage, retryAt, deadlineAt } = creation;
    this.facts.textContent = isUnfinished(creation)
      ? say(text.refundedBy, { time: clock(deadlineAt) })
      : text.factsOf(type, duration, aspectRatio, tokens(cost), this.isShared && text.sharedFact);
    const isWaiting = stage === "waiting_to_retry" && retryAt;
    this.stage.textContent = isWaiting ? text.retryingAt(retryAt) : text.stageOf(creation);
    this.progress.report(creation);
    this.drawProgress();
    if (isUnfinished(creation)) startTicking(this);
    else stopTicking(this);
    showRetention(this);
    if (this.thumbnail) setSource(this.thumbnail, creation.thumbnailUrl ?? creation.mediaUrl);
  }

  /** Show the progress of this second, until the card has left the page. */
  tick() {
    if (!this.element.isConnected) return stopTicking(this);
    this.progress.advance();
    this.drawProgress();
    this.list.groups.refresh(this.creation);
  }

  drawProgress() {
    const percent = Math.floor(this.progress.percent);
    this.bar.value = percent;
    const shown = this.creation.stage === "queued" ? "" : text.percent(percent);
    const texts = [shown, leftText(this.creation, this.progress.leftS)];
    for (const [index, element] of [this.percent, this.left].entries())
      if (element.textContent !== texts[index]) element.textContent = texts[index];
  }

  get isShared() {
    const { url, collaborators } = sharingOf(this.creation);
    return url !== null || collaborators.length > 0;
  }

  media() {
    this.thumbnail = null;
    if (this.creation.status === "failed") return h("div.card-media", this.failure());
    if (!isUnfinished(this.creation)) return this.result();
    const stage = h("div.card-stage", this.stage, this.percent);
    return h("div.card-media", h("div.card-progress", stage, this.bar, this.left));
  }

  failure() {
    const { error } = this.creation;
    const reason = error ? text.failure(error) : text.internal;
    return h("div.card-failure", icon("alert"), h("p", reason));
  }

  result() {
    const { creation } = this;
    const isVideo = creation.type === "video";
    this.thumbnail = thumbnail(creation, "");
    const label = isVideo ? text.play(creation.prompt) : text.open(creation.prompt);
    const play = isVideo && h("span.media-play-button", icon("play"));
    const onclick = () => this.act(actions.view);
    return h(
      "div.card-media",
      h("button.media-open", { "aria-label": label, onclick }, this.thumbnail, play),
      isVideo && h("span.media-badge", text.secondsShort(creation.duration)),
    );
  }

  buttons() {
    const { creation } = this;
    const act = (action) => this.act(action);
    if (creation.status === "draft")
      return h("div.card-actions", publishButton(act), shareIcon(act), menuOf(act));
    if (creation.status === "failed") return h("div.card-actions", ...this.waysOut(act));
    const cancel = () => act(actions.cancel);
    const canCancel = isUnfinished(creation) && isCancellable(creation);
    return h("div.card-actions", canCancel && button(text.cancel, cancel, { kind: "small bare" }));
  }

  /** What the same request fails at again is only offered to be changed. */
  waysOut(act) {
    const { cost, error } = this.creation;
    const small = { kind: "small" };
    if (error && !error.retryable)
      return [button(text.editPrompt, () => act(actions.edit), small), trashIcon(act)];
    const retry = { ...small, icon: "retry" };
    return [button(text.retryFor(cost), () => act(actions.retry), retry), menuOfFailed(act)];
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
