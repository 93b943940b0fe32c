// One's own unpublished creations: live, with everything that can be done to them.

import { call } from "./api.js";
import { Card, isUnfinished } from "./card.js";
import { deleteSoon } from "./deleting.js";
import { button, find, h, nearby, say, toast, tokens } from "./dom.js";
import { showBalance, showReady, watchQueue } from "./frame.js";
import { follow, wakeOthers } from "./live.js";
import { ask } from "./sheet.js";
import { view } from "./viewer.js";
import { explained, sentence } from "./words.js";

const CAPTION_LENGTH_MAX = 500;
const WHOLE = 50; // a snapshot with fewer holds everything
const LIST = "/api/generate/drafts";

const address = ({ creationId }, deed = "") =>
  `/api/generate/creation/${creationId}${deed && `/${deed}`}`;
const isNewer = (a, b) =>
  a.createdAt > b.createdAt || (a.createdAt === b.createdAt && a.creationId > b.creationId);

/** Show them, and whatever happens to them from now on. */
export function showDrafts() {
  new Drafts(find("list"), find("more")).start();
}

class Drafts {
  cards = new Map();
  watched = new Set();
  cursor = null;
  ready = 0;
  isLoaded = false;

  constructor(list, below) {
    this.list = h("ul", { class: "cards", id: "cards" });
    this.empty = h(
      "div",
      { class: "empty", hidden: true },
      h("h2", {}, "No drafts yet"),
      h("p", { class: "aside" }, "What you create stands here, from the first second on."),
      h("a", { class: "button primary", href: "/create" }, "Create something"),
    );
    list.replaceChildren(this.list, this.empty);
    this.below = below;
    this.next = nearby("Show more", () => this.load());
  }

  start() {
    follow({ changed: (changes) => this.changed(changes), connected: (is) => this.connected(is) });
    watchQueue();
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) showReady((this.ready = 0));
    });
    this.load();
    this.offerNotices();
  }

  /** Load the next older page; what is known already is only brought up to date. */
  async load() {
    if (this.loading) return;
    this.loading = true;
    try {
      const page = new URLSearchParams({ limit: 20, ...(this.cursor && { cursor: this.cursor }) });
      const { data } = await call(`${LIST}?${page}`);
      for (const creation of data.creations) this.take(creation);
      this.cursor = data.nextCursor;
      this.below.replaceChildren(...(this.cursor ? [this.next] : []));
      this.next.watch();
      this.settle();
    } catch (error) {
      this.below.replaceChildren(h("p", { class: "message" }, sentence(error)), this.next);
    }
    this.loading = false;
  }

  changed({ account, creations, gone, isSnapshot }) {
    if (account) showBalance(account.tokenBalance);
    if (isSnapshot) this.watched.clear();
    for (const creation of creations) this.watched.add(creation.creationId);
    for (const creation of creations) this.take(creation);
    if (isSnapshot) this.dropAllBut(creations);
    for (const id of gone) this.watched.delete(id);
    for (const id of gone) this.watched.size < WHOLE ? this.drop(id) : this.look(id);
    this.settle();
  }

  connected(is) {
    find("about").textContent = is ? "Live" : "Not connected: trying again …";
    find("about").dataset.connected = is;
  }

  /** What the page looks like as a whole, now that something is known. */
  settle() {
    this.empty.hidden = this.cards.size > 0;
    if (this.isLoaded) return;
    this.isLoaded = true;
    this.cards.get(location.hash.slice(1))?.article.focus({ preventScroll: true });
  }

  take(creation) {
    const card = this.cards.get(creation.creationId);
    if (creation.status === "published") return this.drop(creation.creationId);
    if (!card) return this.insert(creation);
    if (creation.updatedAt < card.creation.updatedAt) return; // an older answer that came later
    const before = card.creation;
    card.update(creation);
    if (isUnfinished(before) && !isUnfinished(creation)) this.tell(creation);
  }

  insert(creation) {
    const card = new Card(creation, this.deeds);
    const after = [...this.list.children].find((each) =>
      isNewer(creation, this.cards.get(each.dataset.id).creation),
    );
    this.list.insertBefore(card.element, after ?? null);
    this.cards.set(creation.creationId, card);
  }

  drop(creationId) {
    const card = this.cards.get(creationId);
    if (!card) return;
    const neighbour = card.element.nextElementSibling ?? card.element.previousElementSibling;
    const hadFocus = card.element.contains(document.activeElement);
    card.element.remove();
    this.cards.delete(creationId);
    if (hadFocus) (neighbour?.firstElementChild ?? find("main")).focus();
    this.settle();
  }

  /** A snapshot holds the newest: what is newer than its oldest and not in it is gone. */
  dropAllBut(creations) {
    const ids = new Set(creations.map(({ creationId }) => creationId));
    const isWhole = creations.length < WHOLE;
    const oldest = creations.reduce((a, b) => (!a || isNewer(a, b) ? b : a), null);
    for (const { creation } of [...this.cards.values()]) {
      if (!ids.has(creation.creationId) && (isWhole || isNewer(creation, oldest)))
        this.drop(creation.creationId);
    }
  }

  /** Deleted, or only too old to be watched? Where all are watched, it is deleted. */
  async look(creationId) {
    if (!this.cards.has(creationId)) return;
    try {
      const { data } = await call(address({ creationId }));
      this.take(data.creation);
    } catch (error) {
      if (error.status === 404) this.drop(creationId);
    }
  }

  /** Something is ready, or has failed: say so here, in the title, and to whoever wants a notice. */
  tell({ type, status, prompt, cost }) {
    const words =
      status === "draft"
        ? `Your ${type} is ready.`
        : `Your ${type} has failed; ${tokens(cost)} ${cost === 1 ? "is" : "are"} back.`;
    say(words);
    if (!document.hidden) return;
    showReady((this.ready += 1));
    if (globalThis.Notification?.permission !== "granted") return;
    try {
      const notice = new Notification(words, { body: prompt, tag: "phoenix" });
      notice.onclick = () => globalThis.focus();
    } catch {
      // Some phones allow notices to installed applications only: the title has said it.
    }
  }

  offerNotices() {
    if (globalThis.Notification?.permission !== "default") return;
    const offer = button(
      "Notify me",
      async () => {
        await Notification.requestPermission();
        offer.remove();
      },
      { kind: "bare", icon: "bell" },
    );
    find("head-actions").prepend(offer);
  }

  deeds = {
    view: (creation) => {
      const ready = [...this.cards.values()]
        .map((card) => card.creation)
        .filter(({ status }) => status === "draft");
      const items = ready.sort((a, b) => (isNewer(a, b) ? -1 : 1));
      view(
        items,
        items.findIndex(({ creationId }) => creationId === creation.creationId),
        {
          describe: ({ prompt }) => h("p", {}, prompt),
          closed: ({ creationId }) =>
            this.cards.get(creationId)?.article.querySelector(".open, .card")?.focus(),
        },
      );
    },
    publish: ({ creation }) =>
      ask({
        title: `Publish this ${creation.type}`,
        label: "Caption",
        words: "Publish",
        value: creation.caption ?? "",
        limit: CAPTION_LENGTH_MAX,
        explain: sentence,
        send: (caption) =>
          call(address(creation, "publish"), { method: "POST", body: { caption } }),
        done: () => {
          this.drop(creation.creationId);
          // The live change may have been faster: then the focus is on nothing that is left.
          if (!this.list.contains(document.activeElement)) find("main").focus();
          toast("Published.", h("a", { href: "/soho/explore" }, "See it on Explore"));
        },
      }),
    remove: (card) => {
      const { creationId } = card.creation;
      const undo = deleteSoon(creationId, {
        gone: () => this.drop(creationId),
        failed: (error) => {
          card.comeBack();
          card.tell(h("p", { class: "message" }, sentence(error)));
        },
      });
      card.leave(() => {
        undo();
        card.comeBack();
        say("Kept.");
      });
      say("Deleted. It can be undone for five seconds.");
    },
    retry: (card) => this.act(card, "retry", { debits: card.creation.debits }),
    cancel: (card) => this.act(card, "cancel", {}),
    change: ({ creation: { type, prompt, aspectRatio, duration } }) => {
      const formats = { image: "1:1", video: "16:9", [type]: aspectRatio };
      sessionStorage.setItem(
        "phoenix.form",
        JSON.stringify({ kind: type, prompt, formats, duration: duration ?? 8 }),
      );
      location.assign("/create");
    },
  };

  async act(card, deed, body) {
    if (card.isActing) return;
    card.isActing = true;
    try {
      const { data } = await call(address(card.creation, deed), { method: "POST", body });
      this.take(data.creation);
      dispatchEvent(new Event("phoenix.wake"));
      wakeOthers();
    } catch (error) {
      const isPaid = deed === "retry";
      card.tell(
        isPaid
          ? explained(error, card.creation.cost)
          : h("p", { class: "message" }, sentence(error)),
      );
    }
    card.isActing = false;
  }
}
