// `/soho/{username}`: a user's publications, and for the owner the drafts.

import { drawAvatar, find, h, loadStyle } from "./dom.js";
import { pageMessage } from "./errors.js";
import { text } from "./messages.js";
import { goToSignIn, session } from "./session.js";
import "./shell.js";

const username = location.pathname.split("/")[2];
const ownName = session()?.username;
const tabName = new URLSearchParams(location.search).get("tab");
const wantsDrafts = tabName === "drafts";
const wantsShared = tabName === "shared";

const createLink = () => h("a.button.primary", { href: "/create" }, text.create);

function drawHead(isOwn) {
  find("name").textContent = username;
  drawAvatar(find("avatar"), username);
  find("about").hidden = !isOwn;
  find("skeletons").hidden = false;
  find("profile-tabs").hidden = !isOwn;
  find("page-actions").hidden = !isOwn;
  if (!isOwn) return;
  find("filters").hidden = !wantsDrafts;
  find("skeletons").classList.toggle("cards", wantsDrafts || wantsShared);
  if (!wantsDrafts) find("about").textContent = wantsShared ? text.sharedHint : text.yourProfile;
  const tab = (name, href, isHere) => h("a", { href, "aria-current": isHere && "page" }, name);
  const path = `/soho/${username}`;
  find("profile-tabs").replaceChildren(
    tab(text.drafts, `${path}?tab=drafts`, wantsDrafts),
    tab(text.publications, path, !wantsDrafts && !wantsShared),
    tab(text.sharedWithMe, `${path}?tab=shared`, wantsShared),
  );
  if (!wantsDrafts) find("page-actions").append(createLink());
}

async function start() {
  if (!ownName && (wantsDrafts || wantsShared || username === "me")) return goToSignIn();
  if (username === "me") return location.replace(`/soho/${ownName}${location.search}`);
  const isOwn = username === ownName;
  const showsDrafts = isOwn && wantsDrafts;
  const showsShared = isOwn && wantsShared;
  const title = (showsDrafts && text.drafts) || (showsShared && text.sharedWithMe) || username;
  document.title = `${title} · Phoenix`;
  drawHead(isOwn);
  if (showsDrafts) return (await import("./drafts.js")).showDrafts(createLink());
  if (showsShared) {
    const [{ showShared }] = await Promise.all([
      import("./shared_list.js"),
      loadStyle("viewer.css"),
    ]);
    return showShared();
  }
  const [{ showPublished }] = await Promise.all([
    import("./published.js"),
    loadStyle("viewer.css"),
  ]);
  showPublished(username, isOwn);
}

start().catch((error) => {
  find("skeletons").hidden = true;
  find("list").replaceChildren(pageMessage(error));
});
