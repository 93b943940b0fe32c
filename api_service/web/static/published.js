// What somebody has published; its owner can give it other words, take it back, delete it.

import { call } from "./api.js";
import { deleteSoon, UNDO_MS } from "./deleting.js";
import { button, find, h, toast } from "./dom.js";
import { account } from "./frame.js";
import { session } from "./session.js";
import { ask } from "./sheet.js";
import { Wall } from "./wall.js";
import { sentence } from "./words.js";

const CAPTION_LENGTH_MAX = 500;

export function showPublished(username, isMine) {
  find("about").textContent = isMine ? "What everybody can see of you" : "On Phoenix";
  const empty = () =>
    h(
      "div",
      { class: "empty" },
      h("h2", {}, "Nothing published yet"),
      isMine && h("p", { class: "aside" }, "Publish a draft and it stands here."),
    );
  const grid = h("div", { class: "wall", id: "wall" });
  find("list").replaceChildren(grid);
  const wall = new Wall(grid, find("more"), {
    path: `/api/profiles/${encodeURIComponent(username)}`,
    showsOwner: false,
    deeds: (item, viewer) => (isMine ? deeds(wall, item, viewer) : null),
    empty,
  });
  wall.load().catch((error) => error.status === 404 && showNobody(username));
  if (session()) account().catch(() => {});
}

function showNobody(username) {
  find("about").textContent = "";
  find("list").replaceChildren(
    h(
      "div",
      { class: "empty" },
      h("h2", {}, `There is nobody called ${username}`),
      h("a", { class: "button", href: "/soho/explore" }, "Explore"),
    ),
  );
  find("more").replaceChildren();
}

/** What an owner does to a publication, in the viewer. */
function deeds(wall, item, viewer) {
  const path = `/api/generate/creation/${item.creationId}`;
  const problem = h("div", { role: "alert" });
  const recaption = () =>
    ask({
      title: "Caption",
      label: "What stands below it",
      words: "Save",
      value: item.caption ?? "",
      limit: CAPTION_LENGTH_MAX,
      explain: sentence,
      send: (caption) => call(`${path}/publish`, { method: "POST", body: { caption } }),
      done: ({ data }) => {
        wall.recaption(item.creationId, data.creation.caption);
        viewer.draw();
      },
    });
  const unpublish = async () => {
    try {
      await call(`${path}/unpublish`, { method: "POST", body: {} });
      viewer.dialog.close();
      wall.remove(item.creationId);
      toast(
        "A draft again.",
        h("a", { href: `/soho/${session().username}?tab=drafts` }, "See drafts"),
      );
    } catch (error) {
      problem.replaceChildren(h("p", {}, sentence(error)));
    }
  };
  const remove = () => {
    viewer.dialog.close();
    const tile = wall.tiles.get(item.creationId);
    tile.hidden = true;
    const undo = deleteSoon(item.creationId, {
      gone: () => wall.remove(item.creationId),
      failed: (error) => {
        tile.hidden = false;
        toast(sentence(error));
      },
    });
    const back = () => {
      undo();
      tile.hidden = false;
      toast("Kept.");
    };
    const undoing = button("Undo", back, { kind: "small" });
    toast("Deleted.", undoing, { milliseconds: UNDO_MS });
    undoing.focus();
  };
  const made = [
    button("Edit caption", recaption, { kind: "small" }),
    button("Unpublish", unpublish, { kind: "small" }),
    button("Delete", remove, { kind: "small", icon: "trash" }),
  ];
  return h("div", {}, h("div", { class: "deeds" }, ...made), problem);
}
