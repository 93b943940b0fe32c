// Live changes: an event stream while the page is visible, polling while it is hidden or the stream
// is unavailable. EventSource cannot send a bearer token, so the stream is read with fetch.

import { call, isUnfinished, Problem, request, Unreachable } from "./api.js";
import { webConfig } from "./session.js";

const SILENCE_MS = 40_000; // the server sends a heartbeat every 15 s
const BACK_OFF_MS = [500, 1_000, 2_000, 5_000, 10_000, 20_000];
const POLL_MS = { busy: 3_000, hidden: 10_000, idle: 20_000 };

const tabs = new BroadcastChannel("phoenix.changes");

/** Let this tab and the user's other tabs follow changes again. */
export function wake() {
  dispatchEvent(new Event("phoenix.wake"));
  tabs.postMessage("changed");
}

/**
 * Follow the account and its newest creations until the page is left.
 * @param {object} listeners
 * @param {(changes: Changes) => void} listeners.changed
 * @param {(isConnected: boolean) => void} [listeners.connected]
 */
export function follow({ changed, connected = () => {} }) {
  new Follower(changed, connected).run();
}

class Follower {
  unfinished = new Set();
  /** @type {string | null} */
  etag = null;
  failureCount = 0;
  /** @type {AbortController | null} */
  stream = null;
  isAway = false;
  wake = () => {};

  constructor(changed, connected) {
    this.connected = connected;
    this.onChanges = changed;
    this.renewWake();
    const onWake = () => this.wake();
    const abort = () => this.stream?.abort();
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) abort();
      onWake();
    });
    addEventListener("offline", () => {
      this.connected(false);
      abort();
    });
    addEventListener("pagehide", () => {
      this.isAway = true; // until the page is restored from the back/forward cache
      abort();
    });
    addEventListener("pageshow", () => {
      this.isAway = false;
      onWake();
    });
    for (const name of ["online", "focus", "phoenix.wake"]) addEventListener(name, onWake);
    tabs.addEventListener("message", onWake);
  }

  async run() {
    for (;;) {
      try {
        const wait = this.isAway ? Infinity : await (document.hidden ? this.poll() : this.read());
        await this.pause(this.isAway ? Infinity : wait);
      } catch {
        this.connected(navigator.onLine && this.failureCount === 0);
        const wait = BACK_OFF_MS[Math.min(this.failureCount, BACK_OFF_MS.length - 1)];
        this.failureCount += 1;
        await this.pause(wait * (0.75 + Math.random() / 2));
      }
    }
  }

  /** Wait; a wake-up ends the pause, even if it came before the pause began. */
  async pause(milliseconds) {
    const isEndless = milliseconds === Infinity;
    const timer = isEndless ? undefined : setTimeout(() => this.wake(), milliseconds);
    await this.woken;
    clearTimeout(timer);
    this.renewWake();
  }

  renewWake() {
    this.woken = new Promise((resolve) => {
      this.wake = () => resolve(undefined);
    });
  }

  changed(changes) {
    if (changes.isSnapshot) this.unfinished.clear();
    for (const creation of changes.creations)
      this.unfinished[isUnfinished(creation) ? "add" : "delete"](creation.creationId);
    for (const id of changes.gone) this.unfinished.delete(id);
    this.onChanges(changes);
    this.succeeded();
  }

  succeeded() {
    this.failureCount = 0;
    this.connected(true);
  }

  /** Read one stream to its end; return how long to wait afterwards, in milliseconds. */
  async read() {
    const stream = new AbortController();
    this.stream = stream;
    const response = await request("/api/generate/events", { signal: stream.signal });
    const problem = response.ok ? null : new Problem(response, {});
    if (problem) response.body?.cancel();
    if (response.status === 503 || response.status === 429)
      return this.pollFor(problem?.retryAfterS ?? 30);
    if (problem) throw problem;
    for await (const { name, data } of eventsOf(response.body, stream)) {
      if (name === "end") return data.reason === "settled" ? Infinity : Math.random() * 1000;
      this.changed({ ...data, isSnapshot: name === "snapshot" });
    }
    if (stream.signal.aborted && navigator.onLine) return 0;
    throw new Unreachable();
  }

  /** Poll for a while instead of reading a stream, which the server refused. */
  async pollFor(seconds) {
    const end = Date.now() + seconds * 1000;
    while (Date.now() < end && !document.hidden) await this.pause(await this.poll());
    return 0;
  }

  /** Fetch the newest creations; return when to poll again, in milliseconds. */
  async poll() {
    const { limits } = await webConfig();
    const response = await call(`/api/generate/drafts?limit=${limits.watched}`, {
      headers: { ...(this.etag && { "If-None-Match": this.etag }) },
    });
    if (response.status === 304) this.succeeded();
    else {
      const { data: account } = await call("/api/me");
      const { creations } = response.data;
      this.changed({ account, creations, gone: [], isSnapshot: true });
      this.etag = response.headers.get("ETag");
    }
    if (document.hidden) return this.unfinished.size ? POLL_MS.hidden : Infinity;
    return this.unfinished.size ? POLL_MS.busy : POLL_MS.idle;
  }
}

/** Yield a stream's events, and abort it after too long a silence. */
async function* eventsOf(body, controller) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  let timer;
  const restartTimer = () => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.abort(), SILENCE_MS);
  };
  try {
    for (restartTimer(); ; restartTimer()) {
      const { done, value } = await reader.read().catch(() => ({ done: true }));
      if (done) return;
      const blocks = (buffer + value).split("\n\n");
      buffer = blocks.pop() ?? "";
      for (const block of blocks) {
        const [name, data] = block.split("\n").map((line) => line.replace(/^\w+: /, ""));
        if (data) yield { name, data: JSON.parse(data) };
      }
    }
  } finally {
    clearTimeout(timer);
    reader.cancel().catch(() => {});
  }
}
