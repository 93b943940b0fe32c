// The texts of the operators' page. Times are UTC: the logs have them, too.

import { tokens } from "./messages.js";

const UTC = { timeZone: "UTC" };
const MINUTE_S = 60;
const HOUR_S = 3600;
const MICRO = 1e6;
const NONE = "–";

const moment = new Intl.DateTimeFormat("en-GB", {
  ...UTC,
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
const hour = new Intl.DateTimeFormat("en-GB", { ...UTC, hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { ...UTC, day: "numeric", month: "short" });

export const when = (time) => moment.format(new Date(time));
export const hourOf = (time) => hour.format(new Date(time));
export const dayOf = (time) => day.format(new Date(time));

export const count = (number) => number.toLocaleString("en");
export const percent = (share) =>
  share === null ? NONE : `${(share * 100).toLocaleString("en", { maximumFractionDigits: 1 })} %`;

/** Return a duration, exact: the numbers are the bounds of buckets. */
export const seconds = (value) =>
  value === null ? NONE : `${value.toLocaleString("en", { maximumFractionDigits: 0 })} s`;

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
  `$${(micro / MICRO).toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 6 })}`;

const things = (number, kind) => `${count(number)} ${kind}${number === 1 ? "" : "s"}`;
const NAMES = { image: "Image", video: "Video" };
const MOVEMENTS = { grant: "Grant", debit: "Debit", refund: "Refund" };
const VERBS = {
  unpublish: "unpublished",
  delete: "deleted",
  grant: "granted",
  rerun: "ran again",
  replay: "replayed",
  sweep: "swept",
  pause: "paused",
  resume: "resumed",
};

/** Say what would be replayed. */
function failuresOf({ count: all, cost, countByType, isComplete }) {
  const kinds = Object.entries(countByType).filter(([, number]) => number);
  const named = kinds.map(([kind, number]) => things(number, kind)).join(" and ");
  return isComplete
    ? `${named} failed, for ${tokens(cost)}.`
    : `More than ${things(all, "failure")}; the oldest are ${named}, for ${tokens(cost)}.`;
}

export const labels = {
  onlyOperators: "This page is for operators.",
  title: "Operators",
  utc: "All times are UTC.",
  tryAgain: "Try again",

  // Numbers
  numbers: "Numbers",
  window: "Time window",
  windows: { 1: "This hour", 24: "Last day", 168: "Last week" },
  numbersOf: (since, at) => `${when(since)} to ${when(at)}`,
  notRenewed: (sentence) => `The numbers could not be renewed. ${sentence}`,
  figures: {
    created: "Created",
    ready: "Ready",
    failed: "Failed",
    successRate: "Success rate",
    refundRate: "Refund rate",
    refundLag: "Refund lag (median)",
    published: "Published",
    cost: "Cost",
    unfinished: "Unfinished now",
  },
  withoutOwners: "without failures that owners caused",
  lagHint: (p95, max) => `95 %: ${age(p95)}, longest: ${age(max)}`,
  publishedHint: (share) => `${percent(share)} of the ready ones`,
  unfolded: (value) => `not counted yet: the last ${age(value)}`,
  unfinishedHint: (image, video) => `${things(image, "image")}, ${things(video, "video")}`,
  failedHint: (byCode) => {
    const [code, number] = Object.entries(byCode).sort((a, b) => b[1] - a[1])[0] ?? [];
    return code ? `most: ${code} (${count(number)})` : "";
  },
  byKind: "By kind",
  metric: "Number",
  image: "Images",
  video: "Videos",
  kindRows: {
    ready: "Ready",
    failed: "Failed",
    successRate: "Success rate",
    medianS: "Seconds, median",
    p95S: "Seconds, 95 %",
    costMicroUsd: "Cost",
    pending: "Waiting in the queue",
    processing: "In progress",
    oldestWaitingS: "Oldest waiting",
    isPaused: "New ones",
  },
  paused: "Paused",
  accepted: "Accepted",
  charts: {
    outcomes: "Ready and failed",
    seconds: "Median seconds to a draft",
    dollars: "Dollars over time",
    failures: "Failures by code",
    models: "Dollars by model",
    days: "Dollars by day",
  },
  chartIs: (title, summary) => `${title}. ${summary} The numbers are in the table below.`,
  from: "From (UTC)",
  code: "Code",
  model: "Model",
  day: "Day",
  dollars: "Dollars",
  ready: "Ready",
  failed: "Failed",
  tableOf: (title) => `Table: ${title}`,
  nothing: "Nothing in this window.",

  // Account
  lookUp: "Look up",
  lookUpTitle: "Account or creation",
  lookUpHint: "A username, an email address, a user id, or a creation’s id.",
  looking: "Looking…",
  balance: "Balance",
  granted: "Granted",
  paid: "Paid",
  returned: "Returned",
  inFlight: "In flight",
  inFlightOf: ({ image, video }) => `${things(image, "image")}, ${things(video, "video")}`,
  since: "Account since",
  userId: "User id",
  reply: "A reply to the user",
  ledger: "Ledger",
  creations: "Creations",
  noEntries: "No movements yet.",
  noCreations: "No creations.",
  movement: ({ type, amount }) =>
    `${MOVEMENTS[type]} ${type === "debit" ? "−" : "+"}${tokens(amount)}`,
  movementFacts: ({ balanceAfter, actor, reference }) =>
    [`balance ${count(balanceAfter)}`, `by ${actor}`, reference].filter(Boolean).join(" · "),
  why: "Why?",
  whyOf: ({ type, amount, createdAt }) => ` ${type} of ${tokens(amount)}, ${when(createdAt)}`,
  timelineOf: (prompt) => ` of: ${prompt}`,
  timeline: "Line of time",
  creationFacts: ({ type, status, error, cost }) =>
    [NAMES[type], error ? `${status}: ${error.code}` : status, tokens(cost)].join(" · "),

  // Creation
  creation: "Creation",
  creationDeleted: "This creation was deleted. Its ledger is complete.",
  mediaOf: ({ type, username }) => `${type} by ${username}`,
  owner: "Owner",
  prompt: "Prompt",
  caption: "Caption",
  status: "Status",
  happened: (what) => what.replaceAll("_", " "),
  by: (actor) => `by ${actor}`,
  logs: "Open its logs",
  logsCommand: "Its logs",
  unpublish: "Unpublish",
  unpublishTitle: "Unpublish this creation?",
  unpublishHint: "Its public copy is deleted and its link closed. Its owner keeps the draft.",
  unpublished: "Unpublished.",
  delete: "Delete",
  deleteTitle: "Delete this creation?",
  deleteHint: "Its files are deleted for good. The ledger keeps its entries.",
  deleted: "Deleted.",
  reason: "Reason",
  reasonHint: "It is recorded with your name. Its owner does not see it.",
  reasonMissing: "Enter a reason.",

  // Acts
  grantTokens: "Grant tokens",
  amount: "Tokens",
  amountMissing: "Enter a whole number of tokens, at least 1.",
  grantTitle: (amount, name) => `Grant ${tokens(amount)} to ${name}?`,
  grantFor: (reason) => `Reason: ${reason}`,
  granting: (amount) => `Grant ${tokens(amount)}`,
  grantedTo: (amount, name, balance) =>
    `Granted ${tokens(amount)} to ${name}. New balance: ${count(balance)}.`,
  keyReused:
    "This form was sent before with other values. Check the ledger, then look the account up again.",
  operate: "Operate",
  sweep: "Sweep now",
  sweeping: "Sweeping…",
  sweptWith: (counts) =>
    `Swept. ${Object.entries(counts)
      .map(([name, number]) => `${name} ${count(number)}`)
      .join(", ")}.`,
  switches: "New creations",
  pauseKind: (kind) => `Pause ${kind}s`,
  resumeKind: (kind) => `Resume ${kind}s`,
  pauseTitle: (kind) => `Pause new ${kind}s?`,
  pauseHint: "Users get an error for new ones. Paid ones continue.",
  switched: (kind, isPaused) => `New ${kind}s are ${isPaused ? "paused" : "accepted again"}.`,
  replay: "Replay failures",
  replayCode: "Failure code",
  replaySince: "Failed in the last",
  sinces: { 900: "15 minutes", 3600: "hour", 7200: "2 hours", 21_600: "6 hours", 86_400: "day" },
  replayType: "Kind",
  both: "Images and videos",
  replayGrant: "Grant the price first, so that owners pay nothing",
  replayTitle: (code, since) => `Replay failures ${code} of the last ${since}?`,
  replayHint: (preview, isGranted, batchSize) =>
    [
      failuresOf(preview),
      isGranted
        ? "Each owner is granted the price, then debited again."
        : "Each owner is debited again. Owners who cannot pay are skipped.",
      preview.count > batchSize &&
        `The oldest ${batchSize} are replayed now; Continue replays the next ones.`,
    ]
      .filter(Boolean)
      .join(" "),
  replayedCount: (replayed, skipped) =>
    `${count(replayed)} replayed, ${count(skipped)} skipped.`,
  noFailures: "There are no such failures.",
  noMoreFailures: "There are no more failures.",
  replayMore: "Continue",
  replayed: ({ outcome, type, cost, granted, reason }) =>
    [
      `${NAMES[type]}, ${tokens(cost)}`,
      outcome === "replayed" ? "replayed" : `skipped: ${reason}`,
      granted ? `granted ${tokens(granted)}` : null,
    ]
      .filter(Boolean)
      .join(" · "),
  acts: "Acts of operators",
  noActs: "No acts yet.",
  act: ({ who, verb, tokens: amount, type, userId, creationId }) =>
    [
      who,
      VERBS[verb] ?? verb,
      amount ? tokens(amount) : null,
      type ? `${type}s` : null,
      creationId,
      userId ? `(${userId})` : null,
    ]
      .filter(Boolean)
      .join(" "),
  more: (title) => ` of: ${title}`,
};
