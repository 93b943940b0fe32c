// All texts of the scripts, in English. The HTML files contain the static ones.

export const tokens = (count) => `${count.toLocaleString("en")} token${count === 1 ? "" : "s"}`;
export const clock = (time) =>
  new Date(time).toLocaleTimeString([], { hour: "numeric", minute: "2-digit" });
export const date = (time) => new Date(time).toLocaleDateString([], { dateStyle: "medium" });

const day = (time) => new Date(time).toLocaleDateString([], { day: "numeric", month: "short" });
const dayAndTime = (time) => `${day(time)}, ${clock(time)}`;
const megabytes = (bytes) => `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} MB`;

const NAMES = { image: "Image", video: "Video" };
const USUAL_TIME = { image: "Usually a few seconds.", video: "Usually about 2 min." };

export const text = {
  // Everywhere
  accountMenu: (username) => `Account: ${username}`,
  cancel: "Cancel",
  caption: "Caption",
  close: "Close",
  create: "Create",
  createSomething: "Create something",
  delete: "Delete",
  deleted: "Deleted.",
  explore: "Explore",
  lengthOf: (length, limit) => `${length.toLocaleString("en")} of ${limit.toLocaleString("en")}`,
  newCount: (count) => `${count} new`,
  open: (name) => `Open: ${name}`,
  openTile: ({ type }, name) => `Open ${type}: ${name}`,
  play: (name) => `Play: ${name}`,
  publish: "Publish",
  queueDown: "We can’t start new creations right now. You won’t be charged.",
  restored: "Restored.",
  save: "Save",
  showMore: "Show more",
  signedInAs: (username) => `Signed in as ${username}`,
  tryAgain: "Try again",
  undo: "Undo",
  untitled: ({ type, username }) => `${type} by ${username}`,
  visibleToEveryone: "Visible to everyone",

  // Create
  charged: "Charged now. Refunded automatically if it fails.",
  createFor: (kind, cost, count = 1) =>
    `Create ${count > 1 ? `${count} ${kind}s` : kind} · ${tokens(cost)}`,
  notEnough: (cost, balance) => `You need ${tokens(cost)} and have ${balance}.`,
  promptMissing: "Enter a prompt first.",
  promptTooLong: "Your prompt is too long.",
  seconds: (count) => `${count} seconds`,
  starting: "Starting…",
  formats: {
    "1:1": "Square",
    "3:4": "Portrait",
    "4:3": "Landscape",
    "9:16": "Tall portrait",
    "16:9": "Widescreen",
  },

  // Drafts
  drafts: "Drafts",
  editPrompt: "Edit prompt",
  factsOf: (type, duration, aspectRatio, ...more) =>
    [NAMES[type], duration && `${duration} s`, aspectRatio, ...more].filter(Boolean).join(" · "),
  finished: ({ type, status, cost }) =>
    status === "draft" ? `Your ${type} is ready.` : `Your ${type} failed. ${text.refund(cost)}.`,
  live: "Live",
  noDrafts: "No drafts yet",
  noDraftsHint: "Everything you create shows up here.",
  notifyMe: "Notify me",
  progress: "Progress",
  published: "Published.",
  publishTitle: ({ type }) => `Publish this ${type}`,
  reconnecting: "Reconnecting…",
  refund: (cost) => `${tokens(cost)} refunded`,
  retryFor: (cost) => `Retry · ${tokens(cost)}`,
  retryingAt: (time) => `Retrying at ${clock(time)}`,
  seeOnExplore: "See it on Explore",
  stateOf: ({ status, stage, progress }) =>
    ({ draft: "Ready", failed: "Failed" })[status] ?? `${text.stages[stage]}, ${progress} %`,
  variation: (number, state) => `Variation ${number}: ${state}`,
  variations: (count) => `${count} variations`,
  undoHint: "Deleted. You can undo this for 5 seconds.",
  waitingFor: ({ type, deadlineAt }) =>
    `${USUAL_TIME[type]} Refunded if not ready by ${clock(deadlineAt)}.`,
  stages: {
    queued: "Queued",
    waiting_to_retry: "Waiting to retry",
    generating: "Generating",
    downloading: "Downloading",
    checking: "Checking",
    uploading: "Saving",
  },

  // Drafts: schedule and expiry
  cancelSchedule: "Cancel schedule",
  deletedOn: (time) => `Deleted on ${day(time)} unless you keep it.`,
  keep: "Keep",
  kept: "Kept",
  notKept: "No longer kept.",
  publishesAt: (time) => `Publishes ${dayAndTime(time)}.`,
  publishLater: "Publish later",
  publishLaterTitle: ({ type }) => `Publish this ${type} later`,
  publishTime: "Date and time",
  schedule: "Schedule",
  scheduleCancelled: "Schedule cancelled.",

  // Selecting drafts
  deleteCount: (count) => `Delete ${count}`,
  deletedCount: (count) => `${count} deleted.`,
  deleteForGood: "This cannot be undone. The files are deleted, too.",
  deleteTitle: (count) => `Delete ${count} ${count === 1 ? "creation" : "creations"}?`,
  done: "Done",
  downloadCount: (count) => `Download ${count}`,
  downloading: (count, bytes) =>
    `Downloading ${count} ${count === 1 ? "file" : "files"} (${megabytes(bytes)}).`,
  failedCount: (count) => `${count} failed:`,
  publishCount: (count) => `Publish ${count}`,
  publishedCount: (count) => `${count} published.`,
  select: "Select",
  selectAll: "Select all",
  selectCard: ({ type, prompt, status }) =>
    `Select ${status === "failed" ? "failed " : ""}${type}: ${prompt}`,
  selectedCount: (count) => `${count} selected`,
  selectionBar: "Selected creations",
  selectionFull: (limit) => `You can select up to ${limit}.`,
  selectionHint: "Press Space to select, Shift and an arrow key to select several.",

  // Explore, profiles and the viewer
  editCaption: "Edit caption",
  like: (name, count) => `Like: ${name} (${count === 1 ? "1 like" : `${count} likes`})`,
  next: "Next",
  nothingHere: "Nothing here yet",
  nothingHereHint: "Be the first to publish something.",
  nothingPublished: "Nothing published yet",
  nothingPublishedHint: "Drafts you publish appear here.",
  previous: "Previous",
  publications: "Published",
  seeDrafts: "See drafts",
  shortCount: (count) => count.toLocaleString("en", { notation: "compact" }),
  unpublish: "Unpublish",
  unpublished: "Moved back to drafts.",
  userNotFound: (username) => `We couldn’t find @${username}`,
  viewer: "Viewer",
  yourProfile: "Your public profile",

  // Sharing
  copyLink: "Copy link",
  createLink: "Create a link",
  invite: "Invite",
  invited: (username) => `@${username} can see it now.`,
  link: "Link",
  linkCopied: "Link copied.",
  linkCreated: "Link created.",
  linkHint: "Anyone with the link can see it, even without an account. Nobody can change it.",
  linkIs: (url) => `Copy this link: ${url}`,
  linkRevoked: "The link no longer works.",
  nothingShared: "Nothing shared with you yet",
  nothingSharedHint: "Drafts that others invite you to see appear here.",
  notSharedNow: "This is no longer shared with you.",
  pageOf: (name) => `Page of: ${name}`,
  people: "People",
  peopleHint: "They find it under “Shared with me”.",
  promptHidden: "The prompt is hidden.",
  promptOf: (prompt) => `Prompt: ${prompt}`,
  promptShown: "Everyone who sees it can read the prompt.",
  removed: (username) => `@${username} can no longer see it.`,
  removePerson: (username) => `Remove @${username}`,
  revokeLink: "Turn off link",
  share: "Share",
  sharedBy: (username, day) => `by @${username} · ${day}`,
  sharedFact: "Shared",
  sharedHint: "What others share with you.",
  sharedWithMe: "Shared with me",
  shareTile: (name) => `Share: ${name}`,
  shareTitle: ({ type }) => `Share this ${type}`,
  sharingOf: "Link and people",
  showPrompt: "Show the prompt, too",
  username: "Username",

  // Signing in
  continueWithGoogle: "Continue with Google",
  email: "Email",
  localMode: "Local mode: no password needed.",
  or: "or",
  password: "Password",
  signIn: "Sign in",
  signedOut: "You’ve been signed out. Sign in to continue.",
  usernameRules: "Use 3 to 24 letters a-z, digits or hyphens. Some names are reserved.",
  wrongPassword: "Wrong email or password.",
  yourName: "Your name",

  // Errors
  internal: "Something went wrong on our side.",
  notCharged: "You weren’t charged.",
  noResponse: "No response. Check your connection and try again.",
};

const SOON = "Try again in a moment.";
const tryAgainIn = (seconds) => `Try again at ${clock(Date.now() + seconds * 1000)}.`;

/**
 * By error code: what happened, what to do next, and what became of the tokens; without the last,
 * they were not charged.
 */
export const problems = {
  insufficient_tokens: ({ required, balance }) => ({
    what: "Not enough tokens.",
    tokens: `${text.notEnough(required, balance)} ${text.notCharged}`,
  }),
  too_many_unfinished: ({ limit }) => ({
    what: `You’ve reached your limit of ${limit} in progress.`,
    next: "Try again when one of them is ready.",
  }),
  too_many_opened: ({ limit }, { retryAfterS = 3600 }) => ({
    what: "Hourly limit reached.",
    next: `You can start ${limit} an hour. ${tryAgainIn(retryAfterS)}`,
  }),
  too_many_free_outcomes: ({ limit }, { retryAfterS = 3600 }) => ({
    what: "Too many cancelled or rejected creations.",
    next: `The limit is ${limit} an hour. ${tryAgainIn(retryAfterS)}`,
  }),
  queue_full: (_, { retryAfterS = 60 }) => ({
    what: "The queue is full.",
    next: tryAgainIn(retryAfterS),
  }),
  paused: ({ kind = "creation" }) => ({
    what: `New ${kind}s are paused.`,
    next: "Try again later.",
  }),
  spending_limit: (_, { retryAfterS = 3600 }) => ({
    what: "Phoenix has reached its daily limit.",
    next: tryAgainIn(retryAfterS),
  }),
  queue_unavailable: (_, { cost }) => ({
    what: "We couldn’t start this.",
    tokens: `${text.refund(cost)}.`,
    next: SOON,
  }),
  store_unavailable: () => ({ what: "Phoenix is temporarily unavailable.", next: SOON }),
  store_contention: () => problems.store_unavailable(),
  identity_unavailable: () => ({ what: "We can’t verify your sign-in right now.", next: SOON }),
  outcome_unknown: () => ({
    what: "We don’t know yet whether this was started.",
    tokens: "You won’t be charged twice.",
    next: "Press the button again to find out.",
  }),
  internal: () => problems.outcome_unknown(),
  unreachable: () => ({
    what: "No response. The connection may be lost.",
    tokens: "It may have been started. You won’t be charged twice.",
    next: "Press the button again when you’re back online.",
  }),
  offline: () => ({
    what: "You’re offline.",
    tokens: "Nothing was sent.",
    next: "Try again when you’re back online.",
  }),
  other: (_, { message }) => ({ what: message }),
};

const BULK_PROBLEMS = {
  creation_not_found: "It no longer exists.",
  media_missing: "Its file no longer exists.",
  outcome_unknown: "We don’t know yet whether this was done. Check again in a moment.",
};

/** Return why one of many creations failed, by the code of its result. */
export const bulkProblem = (code, status) =>
  code === "illegal_transition" ? `It is ${status}.` : (BULK_PROBLEMS[code] ?? SOON);
