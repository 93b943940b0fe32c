// The texts of the page's language, from `../messages/{language}.json`, with their values filled in.

const { lang } = document.documentElement;
/** @type {{ default: Catalog }} */
const { default: catalog } = await import(`./${lang}.js`);

// A region of the browser's own language has its clock and its date order.
const locale = navigator.languages.find((each) => each.split("-")[0] === lang) ?? lang;
const plurals = new Intl.PluralRules(lang);
const show = (value) => (typeof value === "number" ? value.toLocaleString(locale) : value);

/**
 * Fill in a message: `{name}` becomes the value of that name. Of a message with plural forms, the
 * form for `values.count` is used.
 * @param {string | Plural} message
 * @param {Record<string, unknown>} values
 */
export function say(message, values) {
  const form =
    typeof message === "string"
      ? message
      : (message[plurals.select(Number(values.count))] ?? message.other);
  return form.replaceAll(/\{(\w+)\}/g, (_, name) => String(show(values[name])));
}

export const tokens = (count) => say(catalog.tokens, { count });
export const clock = (time) =>
  new Date(time).toLocaleTimeString(locale, { hour: "numeric", minute: "2-digit" });
export const date = (time) => new Date(time).toLocaleDateString(locale, { dateStyle: "medium" });

const day = (time) => new Date(time).toLocaleDateString(locale, { day: "numeric", month: "short" });
const dayAndTime = (time) => say(catalog.dayAndTime, { day: day(time), time: clock(time) });
const megabytes = (bytes) =>
  say(catalog.megabytes, {
    size: (bytes / 1e6).toLocaleString(locale, { maximumFractionDigits: 1 }),
  });

const ofCount = (message) => (count) => say(message, { count });
const ofName = (message) => (name) => say(message, { name });
const ofUsername = (message) => (username) => say(message, { username });
const ofTokens = (message) => (cost) => say(message, { tokens: tokens(cost) });

export const text = {
  ...catalog,

  // Everywhere
  accountMenu: ofUsername(catalog.accountMenu),
  lengthOf: (length, limit) => say(catalog.lengthOf, { length, limit }),
  newCount: ofCount(catalog.newCount),
  open: ofName(catalog.open),
  openTile: ({ type }, name) => say(catalog.openTile[type], { name }),
  play: ofName(catalog.play),
  signedInAs: ofUsername(catalog.signedInAs),
  untitled: ({ type, username }) => say(catalog.untitled[type], { username }),

  /** Explain an error of the API; a code that the catalog does not have, in its own words. */
  error: ({ code, facts, message }) => {
    const explained = catalog.wrongFields[facts.errors?.[0]?.field] ?? catalog.errors[code];
    return explained ? say(explained, facts) : message;
  },

  // Create
  createFor: (kind, cost, count = 1) =>
    count > 1
      ? say(catalog.createMany, { count, tokens: tokens(cost) })
      : say(catalog.createFor[kind], { tokens: tokens(cost) }),
  notEnough: (cost, balance) => say(catalog.notEnough, { cost: tokens(cost), balance }),
  seconds: ofCount(catalog.seconds),
  secondsShort: ofCount(catalog.secondsShort),

  // Drafts
  factsOf: (type, duration, aspectRatio, ...more) =>
    [
      catalog.names[type],
      duration && text.secondsShort(duration),
      aspectRatio,
      ...more,
    ]
      .filter(Boolean)
      .join(" · "),
  failure: ({ code, message }) => catalog.failures[code] ?? message,
  finished: ({ type, status, cost }) =>
    status === "draft"
      ? catalog.ready[type]
      : say(catalog.failed[type], { tokens: tokens(cost) }),
  percent: (percent) => (percent / 100).toLocaleString(locale, { style: "percent" }),
  publishTitle: ({ type }) => catalog.publishTitle[type],
  refund: ofTokens(catalog.refund),
  retryFor: ofTokens(catalog.retryFor),
  retryingAt: (time) => say(catalog.retryingAt, { time: clock(time) }),
  stageOf: ({ stage }) => catalog.stages[stage] ?? "",
  stateOf: ({ status, stage, progress }) =>
    ({ draft: catalog.stateReady, failed: catalog.stateFailed })[status] ??
    say(catalog.stateInProgress, {
      stage: catalog.stages[stage],
      progress: text.percent(progress),
    }),
  variation: (number, state) => say(catalog.variation, { number, state }),
  variations: ofCount(catalog.variations),

  // Drafts: schedule and expiry
  deletedOn: (time) => say(catalog.deletedOn, { day: day(time) }),
  publishesAt: (time) => say(catalog.publishesAt, { time: dayAndTime(time) }),
  publishLaterTitle: ({ type }) => catalog.publishLaterTitle[type],

  // Selecting drafts
  deleteCount: ofCount(catalog.deleteCount),
  deletedCount: ofCount(catalog.deletedCount),
  deleteTitle: ofCount(catalog.deleteTitle),
  downloadCount: ofCount(catalog.downloadCount),
  downloading: (count, bytes) => say(catalog.downloading, { count, size: megabytes(bytes) }),
  failedCount: ofCount(catalog.failedCount),
  publishCount: ofCount(catalog.publishCount),
  publishedCount: ofCount(catalog.publishedCount),
  selectCard: ({ type, prompt, status }) =>
    say(catalog[status === "failed" ? "selectFailedCard" : "selectCard"][type], { prompt }),
  selectedCount: ofCount(catalog.selectedCount),
  selectionFull: (limit) => say(catalog.selectionFull, { limit }),

  // Explore, profiles and the viewer
  like: (name, count) => say(catalog.like, { name, likes: say(catalog.likes, { count }) }),
  shortCount: (count) => count.toLocaleString(locale, { notation: "compact" }),
  userNotFound: ofUsername(catalog.userNotFound),

  // Sharing
  invited: ofUsername(catalog.invited),
  linkIs: (url) => say(catalog.linkIs, { url }),
  pageOf: ofName(catalog.pageOf),
  promptOf: (prompt) => say(catalog.promptOf, { prompt }),
  removed: ofUsername(catalog.removed),
  removePerson: ofUsername(catalog.removePerson),
  sharedBy: (username, when) => say(catalog.sharedBy, { username, day: when }),
  shareTile: ofName(catalog.shareTile),
  shareTitle: ({ type }) => catalog.shareTitle[type],

  // Signing in
  resetSent: (email) => say(catalog.resetSent, { email }),
  verifyHint: (email) => say(catalog.verifyHint, { email }),
};

const RETRY_AFTER_S = 60;

/**
 * Return what happened, what to do next, and what became of the tokens: by default, they were not
 * charged. A code that the catalog does not have is explained by the API's own sentence.
 * @param {string} code
 * @param {{ facts?: any, retryAfterS?: number, cost?: number, message?: string }} error
 */
export function problemOf(code, { facts = {}, retryAfterS = RETRY_AFTER_S, cost = 0, message }) {
  /** @type {{ what: string, tokens?: string, next?: string }} */
  const { what, tokens: charge, next } = catalog.problems[code] ?? {
    what: text.error({ code, facts, message }),
  };
  const values = {
    limit: facts.limit,
    notEnough: text.notEnough(facts.required ?? cost, facts.balance),
    refund: text.refund(cost),
    tryAgain: say(catalog.tryAgainAt, { time: clock(Date.now() + retryAfterS * 1000) }),
  };
  const filled = (part) => part && say(part, values);
  return { what: filled(what), tokens: filled(charge) ?? catalog.notCharged, next: filled(next) };
}

/** Return why one of many creations failed, by the code of its result. */
export const bulkProblem = (code) => catalog.bulkProblems[code] ?? catalog.soon;
