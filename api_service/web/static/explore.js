// What everybody has published, newest first.

import { find, h } from "./dom.js";
import { account } from "./frame.js";
import { session } from "./session.js";
import { Wall } from "./wall.js";

if (session()) account().catch(() => {});

const empty = () =>
  h(
    "div",
    { class: "empty" },
    h("h2", {}, "Nothing here yet"),
    h("p", { class: "aside" }, "What is published first stands here."),
    h("a", { class: "button primary", href: "/create" }, "Create something"),
  );
const wall = new Wall(find("wall"), find("more"), { path: "/api/feed", showsOwner: true, empty });
wall.load().catch(() => {});
