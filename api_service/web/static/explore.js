// Everything published, newest first.

import { emptyState, find, h } from "./dom.js";
import { text } from "./messages.js";
import { session } from "./session.js";
import { refreshAccount } from "./shell.js";
import { Wall } from "./wall.js";

if (session()) refreshAccount({ isPublic: true }).catch(() => {});

const empty = () =>
  emptyState(
    text.nothingHere,
    h("p.muted", text.nothingHereHint),
    h("a.button.primary", { href: "/create" }, text.createSomething),
  );
const wall = new Wall(find("wall"), find("more"), { path: "/api/feed", showsOwner: true, empty });
wall.pager.start();
