// `/admin`: numbers, accounts, creations and acts, for operators.

import { Refused } from "./admin_api.js";
import { AccountPart } from "./admin_account.js";
import { actsList, OperatePart } from "./admin_acts.js";
import { labels } from "./admin_messages.js";
import { NumbersPart } from "./admin_numbers.js";
import { button, find, h } from "./dom.js";
import { errorMessage } from "./errors.js";
import { goToSignIn, session } from "./session.js";
import { refreshAccount, watchQueue } from "./shell.js";

function show(numbers, first) {
  const changed = () => {
    acts.reload();
    numbers.renew();
    account.renew();
  };
  const acts = actsList(changed);
  const account = new AccountPart(changed);
  const operate = new OperatePart(changed);
  numbers.renewed = (latest) => operate.show(latest);
  find("main").replaceChildren(
    h("div.page-head", h("div.page-intro", h("h1", labels.title), h("p.muted", labels.utc))),
    h(
      "div.admin-page",
      account.element,
      numbers.element,
      h("div.admin-columns", operate.element, acts.element),
    ),
  );
  numbers.start(first);
  acts.reload();
  account.start();
}

async function start() {
  if (!session()) return goToSignIn();
  const numbers = new NumbersPart();
  try {
    show(numbers, await numbers.fetch());
  } catch (error) {
    if (error instanceof Refused) return;
    const again = button(labels.tryAgain, () => location.reload());
    return find("main").replaceChildren(errorMessage(error), h("p.page-more", again));
  }
  watchQueue();
}

refreshAccount().catch(() => {});
start();
