// The balance, the prices, and every movement of tokens in words, newest first.

import { call } from "./api.js";
import { emptyState, find, h } from "./dom.js";
import { follow } from "./live.js";
import { clock, date, say, text, tokens } from "./messages.js";
import { Pager } from "./pager.js";
import { goToSignIn, session, webConfig } from "./session.js";
import { knownBalance, refreshAccount, showBalance } from "./shell.js";

const PATH = "/api/me/transactions";
const PAGE_SIZE = 20;
const SKELETON_ROWS = 6;
const DAY_MS = 86_400_000;
const page = text.tokensPage;

const dayOf = (time) => new Date(time).toDateString();

function dayName(time) {
  const day = dayOf(time);
  if (day === dayOf(Date.now())) return page.today;
  return day === dayOf(Date.now() - DAY_MS) ? page.yesterday : date(time);
}

/** Say what moved the tokens. */
function titleOf({ reason, creation }) {
  const title = page.reasons[reason];
  return typeof title === "string" ? title : title[creation?.type ?? "other"];
}

/** Return the address of an entry's creation, or null if it is deleted. */
function addressOf({ creationId, creation }) {
  if (!creation) return null;
  const profile = `/soho/${encodeURIComponent(session()?.username ?? "me")}`;
  if (creation.status === "published") return `${profile}/${creationId}`;
  return `${profile}?tab=drafts#${creationId}`;
}

function detailOf({ creation, creationId, reference }) {
  if (creation === null && creationId) return h("span", page.deleted);
  const detail = creation?.prompt ?? reference;
  const failure = text.failures[creation?.error];
  return [failure && `${failure} `, detail && h("bdi", detail)];
}

function row(entry) {
  const href = addressOf(entry);
  const title = titleOf(entry);
  const sign = entry.type === "debit" ? "minus" : "plus";
  const time = h("time", { datetime: entry.createdAt }, clock(entry.createdAt));
  return h(
    "li.ledger-row",
    href ? h("a.ledger-title", { href }, title) : h("span.ledger-title", title),
    h(`span.ledger-amount.${sign}`, say(page[sign], { count: entry.amount })),
    h("span.ledger-detail", ...[detailOf(entry)].flat()),
    h("span.ledger-facts", time, " · ", say(page.balanceAfter, { count: entry.balanceAfter })),
  );
}

class History {
  /** The ids of the entries shown. @type {Set<string>} */
  shown = new Set();

  constructor(list, below) {
    this.list = list;
    const rows = Array.from({ length: SKELETON_ROWS }, () => h("div.ledger-row"));
    list.replaceChildren(...rows);
    const take = (entries) => this.append(entries);
    this.pager = new Pager({ list, below, take });
    this.restart();
  }

  /** Load the newest page; until then, what is there stays: at first, skeletons of the rows' size. */
  restart() {
    return this.pager.restart([PATH], () => {
      this.shown.clear();
      this.list.replaceChildren();
    });
  }

  append(entries) {
    for (const entry of entries) this.add(entry, "append");
    if (!this.shown.size) this.list.replaceChildren(emptyState(page.empty, h("p", page.emptyHint)));
  }

  /** Add an entry at one end of the list, below the heading of its day. */
  add(entry, end) {
    if (this.shown.has(entry.id)) return;
    this.shown.add(entry.id);
    const days = this.list.querySelectorAll(".ledger-day");
    const day = end === "append" ? days[days.length - 1] : days[0];
    const rows = day?.dataset.day === dayOf(entry.createdAt) ? day : this.newDay(entry, end);
    rows.lastElementChild[end](row(entry));
  }

  newDay({ createdAt }, end) {
    const name = h("h3", dayName(createdAt));
    const day = h("section.ledger-day", { "data-day": dayOf(createdAt) }, name, h("ol"));
    this.list[end](day);
    return day;
  }

  /** Add what happened since; after more than one page of it, start again. */
  async refresh() {
    const { data } = await call(`${PATH}?limit=${PAGE_SIZE}`);
    const fresh = data.transactions.filter(({ id }) => !this.shown.has(id));
    if (fresh.length === data.transactions.length) return this.restart();
    for (const entry of fresh.toReversed()) this.add(entry, "prepend");
  }
}

function drawAmount(balance) {
  find("amount").textContent = tokens(balance);
}

async function drawPrices() {
  const { costs, getTokensUrl } = await webConfig();
  find("image-price").textContent = tokens(costs.image);
  find("video-price").textContent = tokens(costs.video);
  find("get").replaceChildren(
    getTokensUrl
      ? h("a.button.primary", { href: getTokensUrl }, text.createPage.getTokens)
      : h("p.muted", page.askOperator),
  );
}

function start() {
  const history = new History(find("history"), find("more"));
  let balance = knownBalance();
  if (balance !== null) drawAmount(balance);
  const update = (current) => {
    const hasMoved = balance !== null && balance !== current;
    balance = current;
    showBalance(current);
    drawAmount(current);
    if (hasMoved) history.refresh().catch(() => {}); // the next change adds it
  };
  drawPrices().catch(() => {});
  refreshAccount().then(() => update(knownBalance()), () => {});
  follow({ changed: ({ account }) => account && update(account.tokenBalance) });
}

if (session()) start();
else goToSignIn();
