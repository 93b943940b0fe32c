// Hearts on publications. A click shows at once; if the request fails, it is undone with a message.

import { call, creationPath } from "./api.js";
import { h, icon, toast } from "./dom.js";
import { sentence } from "./errors.js";
import { text } from "./messages.js";
import { goToSignIn, session } from "./session.js";

export class Likes {
  /** The ids of what this user likes. @type {Set<string>} */
  liked = new Set();
  /** The ids of what is being sent. @type {Set<string>} */
  sending = new Set();

  /** Find out which of these publications, at most 50, this user likes. */
  async load(items) {
    if (!session() || !items.length) return;
    const creationIds = items.map(({ creationId }) => creationId).join(",");
    try {
      const { data } = await call(`/api/me/likes?${new URLSearchParams({ creationIds })}`, {
        isPublic: true,
      });
      for (const creationId of data.creationIds)
        if (!this.sending.has(creationId)) this.liked.add(creationId);
    } catch {
      return; // a click on a heart still works: a repeated like changes nothing
    }
    for (const item of items) this.redraw(item);
  }

  /** Create the heart of a publication; `report(message)` shows why a click failed. */
  heart(item, report = (message) => message && toast(message)) {
    const { creationId } = item;
    const onclick = () => this.toggle(item, report);
    const count = h("span.like-count");
    const heart = h("button.like", { "data-like": creationId, onclick }, icon("heart"), count);
    this.draw(heart, item);
    return heart;
  }

  async toggle(item, report) {
    const { creationId } = item;
    if (!session()) return goToSignIn();
    let isStored = this.liked.has(creationId);
    this.set(item, !isStored);
    if (this.sending.has(creationId)) return; // the loop below sends this click, too
    this.sending.add(creationId);
    report("");
    try {
      while (this.liked.has(creationId) !== isStored) {
        const method = isStored ? "DELETE" : "PUT";
        await call(`${creationPath(creationId)}/like`, { method });
        isStored = !isStored;
      }
    } catch (error) {
      if (this.liked.has(creationId) !== isStored) this.set(item, isStored);
      report(sentence(error));
    } finally {
      this.sending.delete(creationId);
    }
  }

  set(item, isLiked) {
    item.likeCount = Math.max(0, item.likeCount + (isLiked ? 1 : -1));
    if (isLiked) this.liked.add(item.creationId);
    else this.liked.delete(item.creationId);
    this.redraw(item);
  }

  redraw(item) {
    const hearts = document.querySelectorAll(`[data-like="${item.creationId}"]`);
    for (const heart of hearts) this.draw(heart, item);
  }

  draw(heart, item) {
    const isLiked = this.liked.has(item.creationId);
    const count = Math.max(item.likeCount, Number(isLiked)); // the stored count may be older
    heart.setAttribute("aria-pressed", String(isLiked));
    heart.setAttribute("aria-label", text.like(item.caption || text.untitled(item), count));
    heart.querySelector(".like-count").textContent = count ? text.shortCount(count) : "";
  }
}
