// A publication that a search found: it leads to its own page.

import { h } from "./dom.js";
import { thumbnail } from "./media.js";
import { text, tokens } from "./messages.js";
import { session } from "./session.js";
import { pagePath } from "./share.js";

export class PublishedCard {
  isDeleted = false;

  /** @param {Creation} creation */
  constructor(creation) {
    const { creationId } = creation;
    const attributes = { tabindex: "-1", "aria-labelledby": `p-${creationId}` };
    this.article = h("article.card", attributes);
    this.element = h("li", { "data-id": creationId, "data-status": "published" }, this.article);
    this.update(creation);
  }

  update(creation) {
    this.creation = { ...creation, groupId: null }; // it is not one of a draft's variations
    const { creationId, prompt, caption, type, duration, aspectRatio, cost } = creation;
    const href = pagePath({ username: session()?.username, creationId });
    const facts = text.factsOf(type, duration, aspectRatio, tokens(cost));
    const link = h("a", { href, "aria-label": text.open(prompt) }, thumbnail(creation, ""));
    link.classList.add("media-open");
    this.article.replaceChildren(
      h("div.card-media", link, h("span.media-badge", text.draftsList.published)),
      h(
        "div.card-text",
        h("h2.card-prompt", { id: `p-${creationId}`, title: prompt, dir: "auto" }, prompt),
        caption && h("p.card-facts", { dir: "auto" }, caption),
        h("p.card-facts", facts),
      ),
      h("div.card-actions"),
    );
  }
}
