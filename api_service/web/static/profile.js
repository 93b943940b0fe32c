// `/soho/{username}`: what somebody has published; their drafts too, for themselves.

import { find, h, hue } from "./dom.js";
import "./frame.js";
import { goToSignIn, session } from "./session.js";

const asked = location.pathname.split("/")[2];
const mine = session()?.username;
const wantsDrafts = new URLSearchParams(location.search).get("tab") === "drafts";

function drawHead(username, isMine) {
  find("name").textContent = username;
  const portrait = find("portrait");
  portrait.textContent = username[0];
  portrait.style.setProperty("--hue", hue(username));
  if (!isMine) return;
  const tab = (name, address, isHere) =>
    h("a", { href: address, "aria-current": isHere && "page" }, name);
  const here = `/soho/${username}`;
  find("switch").replaceChildren(
    tab("Drafts", `${here}?tab=drafts`, wantsDrafts),
    tab("Published", here, !wantsDrafts),
  );
  find("switch").hidden = false;
  const again = h("a", { class: "button primary", href: "/create" }, "Create another");
  find("head-actions").append(again);
}

async function start() {
  if (!mine && (wantsDrafts || asked === "me")) return goToSignIn();
  if (asked === "me") return location.replace(`/soho/${mine}${location.search}`);
  const isMine = asked === mine;
  const showsDrafts = isMine && wantsDrafts;
  document.title = `${showsDrafts ? "Drafts" : asked} · Phoenix`;
  drawHead(asked, isMine);
  if (showsDrafts) (await import("./drafts.js")).showDrafts();
  else (await import("./published.js")).showPublished(asked, isMine);
}

start();
