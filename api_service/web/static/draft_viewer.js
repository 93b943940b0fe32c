// A draft in the viewer: its media, its facts, and what its owner can do with it.

import { call, creationPath } from "./api.js";
import { remove } from "./creation_actions.js";
import { find, h } from "./dom.js";
import { downloadIcon, menuOf, publishButton, shareIcon } from "./draft_buttons.js";
import { errorMessage } from "./errors.js";
import { text, tokens } from "./messages.js";

const nothing = () => {};

/** Open the viewer with the ready drafts of the list, which can change meanwhile. */
export function openDraft(Viewer, list, card) {
  const isReady = ({ creationId }) => {
    const each = list.cards.get(creationId);
    return each?.creation.status === "draft" && !each.isDeleted;
  };
  const items = [];
  const gather = () => {
    const known = new Map(items.map((item) => [item.creationId, item]));
    const ready = list.creations().filter(isReady);
    items.length = 0;
    items.push(...ready.map((each) => known.get(each.creationId) ?? { ...each }));
  };
  gather();
  const index = items.findIndex(({ creationId }) => creationId === card.creation.creationId);
  if (index < 0) return;
  const viewer = new Viewer(items, index, {
    describe: (item, shown) => describe(list, list.cards.get(item.creationId) ?? card, shown),
    more: () => list.pager.load(),
    hasMore: () => !list.isComplete,
    failed: (shown, media) => renew(list, shown, media),
    closed: (last) => {
      list.changed = nothing;
      leave(list, last);
    },
  });
  list.changed = () => {
    gather();
    if (isReady(viewer.item)) viewer.drawControls();
    else viewer.close();
  };
  viewer.open();
}

/** Focus what the viewer showed last, whichever form its card has now. */
function leave(list, creation) {
  list.groups.select(creation);
  const article = list.cards.get(creation.creationId)?.article;
  (article?.querySelector(".media-open, .card-undo button") ?? article ?? find("main")).focus();
}

/** Give the media a new link once: the old one may have ended. */
async function renew(list, viewer, media) {
  const { item } = viewer;
  if (media.dataset.renewed) return;
  media.dataset.renewed = "true";
  try {
    const { data } = await call(creationPath(item.creationId));
    list.take(data.creation);
    Object.assign(item, data.creation);
    if (media.isConnected) viewer.renew(media);
  } catch (error) {
    if (media.isConnected) viewer.showProblem(errorMessage(error));
  }
}

function describe(list, card, viewer) {
  const { prompt, type, duration, aspectRatio, cost } = card.creation;
  const act = async (action) => {
    viewer.problem.replaceChildren();
    try {
      if (action === remove) viewer.dialog.close(); // the card has the button to undo it
      await action(list, card, viewer);
    } catch (error) {
      viewer.showProblem(errorMessage(error));
    }
  };
  const facts = text.factsOf(type, duration, aspectRatio, tokens(cost));
  const words = { dir: "auto", tabindex: "0", role: "group", "aria-label": text.draft.prompt };
  return h(
    "div.viewer-draft",
    h("p.viewer-prompt", words, prompt),
    h("p.viewer-facts", facts),
    h("div.viewer-row", publishButton(act), shareIcon(act), downloadIcon(act), menuOf(act)),
  );
}
