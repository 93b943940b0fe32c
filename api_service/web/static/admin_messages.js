// The texts of the operators' page, from the section `operators` of the messages, with their values
// filled in. Times are UTC: the logs have them, too.

import { say, tokens } from "./messages.js";

const { lang } = document.documentElement;
/** @type {{ default: Catalog["operators"] }} */
const { default: catalog } = await import(`./operators.${lang}.js`);

const UTC = { timeZone: "UTC" };
const LOCALE = lang === "en" ? "en-GB" : lang; // 24 hours, as in the logs
const MINUTE_S = 60;
const HOUR_S = 3600;
const MICRO = 1e6;
const NONE = "–";

const moment = new Intl.DateTimeFormat(LOCALE, {
  ...UTC,
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
const hour = new Intl.DateTimeFormat(LOCALE, { ...UTC, hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(LOCALE, { ...UTC, day: "numeric", month: "short" });

export const when = (time) => moment.format(new Date(time));
export const hourOf = (time) => hour.format(new Date(time));
export const dayOf = (time) => day.format(new Date(time));

const show = (number, options = {}) => number.toLocaleString(LOCALE, options);
export const count = (number) => show(number);
export const percent = (share) =>
  share === null ? NONE : `${show(share * 100, { maximumFractionDigits: 1 })} %`;

/** Return a duration, exact: the numbers are the bounds of buckets. */
export const seconds = (value) =>
  value === null ? NONE : `${show(value, { maximumFractionDigits: 0 })} s`;

/** Return a duration that is easy to compare. */
export function age(value) {
  if (value === null) return NONE;
  if (value < 2 * MINUTE_S) return seconds(value);
  return value < 2 * HOUR_S
    ? `${Math.round(value / MINUTE_S)} min`
    : `${Math.round(value / HOUR_S)} h`;
}

/** Return micro-dollars, with as many digits as the number has. */
export const dollars = (micro) =>
  `$${show(micro / MICRO, { minimumFractionDigits: 2, maximumFractionDigits: 6 })}`;

const things = (number, kind) => say(catalog.things[kind], { count: number });
const parts = (...all) => all.filter(Boolean).join(" · ");

/** Say what would be replayed. */
function failuresOf({ count: all, cost, countByType, isComplete }) {
  const kinds = Object.entries(countByType).filter(([, number]) => number);
  const [first, second] = kinds.map(([kind, number]) => things(number, kind));
  const named = second ? say(catalog.and, { first, second }) : first;
  const values = { named, failures: things(all, "failure"), tokens: tokens(cost) };
  return say(isComplete ? catalog.failuresOf : catalog.failuresOfMore, values);
}

/** Return a status in words, with the code of its failure: logs and replays have the code, too. */
const statusOf = (status, error) =>
  error ? `${catalog.statuses[status]}: ${error.code}` : catalog.statuses[status];

export const labels = {
  ...catalog,

  // Numbers
  numbersOf: (since, at) => say(catalog.numbersOf, { since: when(since), at: when(at) }),
  notRenewed: (sentence) => say(catalog.notRenewed, { sentence }),
  lagHint: (p95, max) => say(catalog.lagHint, { p95: age(p95), max: age(max) }),
  publishedHint: (share) => say(catalog.publishedHint, { share: percent(share) }),
  unfolded: (value) => say(catalog.unfolded, { age: age(value) }),
  unfinishedHint: (image, video) =>
    say(catalog.unfinishedHint, { images: things(image, "image"), videos: things(video, "video") }),
  failedHint: (byCode) => {
    const [code, number] = Object.entries(byCode).sort((a, b) => b[1] - a[1])[0] ?? [];
    return code ? say(catalog.failedHint, { code, number }) : "";
  },
  chartIs: (title, summary) => say(catalog.chartIs, { title, summary }),
  tableOf: (title) => say(catalog.tableOf, { title }),

  // Account
  inFlightOf: ({ image, video }) => labels.unfinishedHint(image, video),
  movement: ({ type, amount }) =>
    say(catalog.movements[type], { amount: `${type === "debit" ? "−" : "+"}${tokens(amount)}` }),
  movementFacts: ({ balanceAfter, actor, reference }) =>
    parts(say(catalog.balanceAfter, { number: balanceAfter }), labels.by(actor), reference),
  whyOf: ({ type, amount, createdAt }) => {
    const movement = catalog.movementNames[type];
    return say(catalog.whyOf, { movement, tokens: tokens(amount), time: when(createdAt) });
  },
  timelineOf: (prompt) => say(catalog.timelineOf, { prompt }),
  creationFacts: ({ type, status, error, cost }) =>
    parts(catalog.names[type], statusOf(status, error), tokens(cost)),

  // Creation
  mediaOf: ({ type, username }) => say(catalog.mediaOf[type], { username }),
  happened: (what) => what.replaceAll("_", " "),
  by: (actor) => say(catalog.by, { actor }),

  // Acts
  grantTitle: (amount, name) => say(catalog.grantTitle, { tokens: tokens(amount), name }),
  grantFor: (reason) => say(catalog.grantFor, { reason }),
  granting: (amount) => say(catalog.granting, { tokens: tokens(amount) }),
  grantedTo: (amount, name, balance) =>
    say(catalog.grantedTo, { tokens: tokens(amount), name, balance }),
  sweptWith: (counts) => {
    const named = Object.entries(counts).map(([name, number]) => `${name} ${count(number)}`);
    return say(catalog.sweptWith, { counts: named.join(", ") });
  },
  pauseKind: (kind) => catalog.pauseKind[kind],
  resumeKind: (kind) => catalog.resumeKind[kind],
  pauseTitle: (kind) => catalog.pauseTitle[kind],
  switched: (kind, isPaused) => catalog[isPaused ? "switchedOff" : "switchedOn"][kind],
  replayTitle: (code, since) => say(catalog.replayTitle, { code, since }),
  replayHint: (preview, isGranted, batchSize) =>
    [
      failuresOf(preview),
      isGranted ? catalog.replayGranted : catalog.replayDebited,
      preview.count > batchSize && say(catalog.replayInBatches, { number: batchSize }),
    ]
      .filter(Boolean)
      .join(" "),
  replayedCount: (replayed, skipped) => say(catalog.replayedCount, { replayed, skipped }),
  replayed: ({ outcome, type, cost, granted, reason }) =>
    parts(
      `${catalog.names[type]}, ${tokens(cost)}`,
      outcome === "replayed" ? catalog.replayed : say(catalog.skipped, { reason }),
      granted && say(catalog.grantedTokens, { tokens: tokens(granted) }),
    ),
  act: ({ who, verb, tokens: amount, type, userId, creationId }) =>
    [
      who,
      catalog.verbs[verb] ?? verb,
      amount && tokens(amount),
      type && catalog.kindsAsObjects[type],
      creationId,
      userId && `(${userId})`,
    ]
      .filter(Boolean)
      .join(" "),
  more: (title) => say(catalog.more, { title }),
};
