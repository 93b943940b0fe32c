// The first page: what this is, and the wall. Without a wall, it shows ideas to start from.

import { find } from "./dom.js";
import { savedForm, saveForm, session } from "./session.js";
import "./shell.js";
import { Wall } from "./wall.js";

function showIdeas() {
  find("ideas").hidden = false;
  return find("ideas");
}

/** Open the create form with the idea that was clicked. */
function takeIdea({ target }) {
  if (target instanceof HTMLAnchorElement)
    saveForm({ ...savedForm(), prompt: target.textContent.trim() });
}

async function start() {
  find("ideas").addEventListener("click", takeIdea);
  const options = { path: "/api/feed", showsOwner: true, empty: showIdeas };
  const wall = new Wall(find("wall"), find("more"), options);
  if (await wall.pager.start()) showIdeas();
}

if (!session()) start();
