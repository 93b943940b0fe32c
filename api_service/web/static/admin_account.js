// Looking up an account: what explains its balance, its ledger, its creations, and a grant.

import { adminCall, post } from "./admin_api.js";
import { count, labels, when } from "./admin_messages.js";
import { isCreationId, openCreation, opener } from "./admin_creation.js";
import { busyWhile, confirmAct, facts, field, inputFor, PagedList, showError } from "./admin_parts.js";
import { announce, h } from "./dom.js";
import { thumbnail } from "./media.js";

const LOOK_UP = "account";

export class AccountPart {
  /** Fetch and show the account again that is shown. */
  renew = async () => {};

  /** `changed` is called after an act. */
  constructor(changed) {
    this.changed = changed;
    this.query = inputFor("look-up", { spellcheck: "false", autocapitalize: "none" });
    this.submit = h("button.button.primary", labels.lookUp);
    this.problem = h("div", { role: "alert" });
    this.result = h("div.admin-account");
    const onsubmit = (event) => {
      event.preventDefault();
      this.lookUp(this.query.value.trim());
    };
    this.element = h(
      "section.admin-section",
      { "aria-labelledby": "look-up-title" },
      h("h2", { id: "look-up-title" }, labels.lookUp),
      h(
        "form.admin-form",
        { onsubmit, role: "search" },
        field(labels.lookUpTitle, this.query, labels.lookUpHint),
        this.submit,
      ),
      this.problem,
      this.result,
    );
  }

  /** Look up what the page's address names. */
  start() {
    const who = new URLSearchParams(location.search).get(LOOK_UP);
    if (!who) return;
    this.query.value = who;
    this.lookUp(who);
  }

  lookUp(query) {
    if (!query) return this.query.focus();
    return busyWhile(this.submit, this.problem, async () => {
      if (isCreationId(query)) return openCreation(query, this.changed);
      const statement = await adminCall(`accounts/${encodeURIComponent(query)}`);
      history.replaceState(null, "", `?${new URLSearchParams({ [LOOK_UP]: statement.userId })}`);
      this.show(statement);
      announce(`@${statement.username}: ${statement.verdict}`);
    });
  }

  /** Show an account; the lists are those of a new look-up. */
  show(statement) {
    const path = `accounts/${encodeURIComponent(statement.userId)}`;
    const summary = h("div", ...summaryOf(statement));
    const { ledger, creations } = listsOf(path, this.changed);
    this.renew = async () => {
      ledger.reload();
      creations.reload();
      try {
        summary.replaceChildren(...summaryOf(await adminCall(path)));
      } catch (error) {
        showError(this.problem, error);
      }
    };
    ledger.start(statement.ledger);
    creations.start(statement.creations);
    this.result.replaceChildren(
      h("h3.admin-name", `@${statement.username}`),
      summary,
      new GrantForm(statement, this.changed).element,
      h("div.admin-columns", ledger.element, creations.element),
    );
  }
}

function summaryOf(statement) {
  const { verdict, isRight, violations, message, tokenBalance, inFlight } = statement;
  return [
    h("p.admin-verdict", { "data-right": String(isRight) }, verdict),
    ...violations.map(({ invariant, document: name, what }) =>
      h("p.message", `${invariant} ${name}: ${what}`),
    ),
    facts({
      [labels.balance]: count(tokenBalance),
      [labels.granted]: count(statement.granted),
      [labels.paid]: count(statement.paid),
      [labels.returned]: count(statement.returned),
      [labels.inFlight]: labels.inFlightOf(inFlight),
      [labels.since]: when(statement.createdAt),
      [labels.userId]: statement.userId,
    }),
    h("details", h("summary", labels.reply), h("p.admin-reply", message)),
  ];
}

function listsOf(path, changed) {
  return {
    ledger: new PagedList({
      title: labels.ledger,
      path: `${path}/ledger`,
      key: "transactions",
      empty: labels.noEntries,
      item: (entry) => entryItem(entry, changed),
    }),
    creations: new PagedList({
      title: labels.creations,
      path: `${path}/creations`,
      key: "creations",
      empty: labels.noCreations,
      item: (creation) => creationItem(creation, changed),
    }),
  };
}

const entryItem = (entry, changed) =>
  h(
    "li",
    { "data-type": entry.type },
    h(
      "div",
      h("b", labels.movement(entry)),
      h("p.muted", labels.movementFacts(entry)),
      h("time.muted", { datetime: entry.createdAt }, when(entry.createdAt)),
    ),
    entry.creationId && opener(labels.why, labels.whyOf(entry), entry.creationId, changed),
  );

const creationItem = (creation, changed) =>
  h(
    "li",
    { "data-status": creation.status },
    creation.mediaUrl && h("span.admin-thumbnail", thumbnail(creation, labels.mediaOf(creation))),
    h(
      "div",
      h("b.admin-prompt", { dir: "auto" }, creation.prompt),
      h("p.muted", labels.creationFacts(creation)),
      h("time.muted", { datetime: creation.createdAt }, when(creation.createdAt)),
    ),
    opener(labels.timeline, labels.timelineOf(creation.prompt), creation.creationId, changed),
  );

/** A form that grants at most once, however often it is sent, and then starts again. */
class GrantForm {
  key = crypto.randomUUID();

  constructor({ userId, username }, changed) {
    this.userId = userId;
    this.name = `@${username}`;
    this.changed = changed;
    this.amount = inputFor("grant-amount", { inputmode: "numeric" });
    this.reason = inputFor("grant-reason", { maxlength: "500" });
    this.problem = h("div", { role: "alert" });
    this.done = h("p.admin-done", { role: "status" });
    const onsubmit = (event) => {
      event.preventDefault();
      this.confirm();
    };
    this.element = h(
      "form.admin-form",
      { onsubmit, novalidate: true, "aria-labelledby": "grant-title" },
      h("h3", { id: "grant-title" }, labels.grantTokens),
      field(labels.amount, this.amount),
      field(labels.reason, this.reason, labels.reasonHint),
      h("button.button", labels.grantTokens),
      this.problem,
      this.done,
    );
  }

  confirm() {
    this.done.textContent = "";
    const amount = Number(this.amount.value.trim());
    const reason = this.reason.value.trim();
    const isWhole = Number.isSafeInteger(amount) && amount >= 1;
    if (!isWhole) return this.refuse(labels.amountMissing, this.amount);
    if (!reason) return this.refuse(labels.reasonMissing, this.reason);
    const { key } = this; // of a dialog that was closed while it waited for its response, too
    return confirmAct({
      title: labels.grantTitle(amount, this.name),
      hint: labels.grantFor(reason),
      submitLabel: labels.granting(amount),
      send: () => this.send(amount, reason, key),
      place: this.problem,
    });
  }

  refuse(message, input) {
    this.problem.replaceChildren(h("p.message", message));
    input.focus();
  }

  async send(amount, reason, key) {
    const { userId } = this;
    let entry;
    try {
      entry = await post("grants", { userId, amount, reason }, { "Idempotency-Key": key });
    } catch (error) {
      if (error.code === "idempotency_key_reused")
        Object.assign(error, { code: "", message: labels.keyReused });
      throw error;
    }
    if (this.key === key) this.key = crypto.randomUUID();
    this.amount.value = this.reason.value = "";
    this.done.textContent = labels.grantedTo(amount, this.name, entry.balanceAfter);
    this.changed();
  }
}
