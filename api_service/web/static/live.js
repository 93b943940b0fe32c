// Live changes: a stream of events while somebody looks, polling while nobody does or nothing
// else works. Browsers' EventSource cannot send a bearer token, so the stream is read by fetch.

import { call, open, problemOf, Unreachable } from "./api.js";

const SILENCE_MS = 40_000; // the server's heartbeat comes every 15 s
const BACK_OFF_MS = [500, 1_000, 2_000, 5_000, 10_000, 20_000];
const POLL_MS = { busy: 3_000, hidden: 10_000, quiet: 20_000 };
const WHOLE = 50; // as many creations as a snapshot holds at most

const tabs = new BroadcastChannel("phoenix.changes");

/** Tell this user's other tabs that there is something to follow again. */
export function wakeOthers() {
  tabs.postMessage("changed");
}

/**
 * Follow the account and its newest creations until the page is left. `changed` is called with
 * `{account, creations, gone, isSnapshot}`; `connected` with whether changes arrive.
 */
export function follow({ changed, connected = () => {} }) {
  new Following(changed, connected).run();
}

class Following {
  unfinished = new Set();
  tag = null;
  failures = 0;
  stream = null;
  isAway = false;

  constructor(changed, connected) {
    this.connected = connected;
    this.changed = (changes) => {
      if (changes.isSnapshot) this.unfinished.clear();
      for (const { creationId, status } of changes.creations) {
        const isUnfinished = status === "pending" || status === "processing";
        this.unfinished[isUnfinished ? "add" : "delete"](creationId);
      }
      for (const id of changes.gone) this.unfinished.delete(id);
      changed(changes);
    };
    this.renewWake();
    const wake = () => this.wake();
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.stream?.abort();
      wake();
    });
    addEventListener("online", wake);
    addEventListener("focus", wake);
    addEventListener("offline", () => {
      this.connected(false);
      this.stream?.abort();
    });
    addEventListener("pagehide", () => {
      this.isAway = true; // for good, or until somebody comes back to the page as it was
      this.stream?.abort();
    });
    addEventListener("pageshow", () => {
      this.isAway = false;
      wake();
    });
    tabs.addEventListener("message", wake);
    addEventListener("phoenix.wake", wake);
  }

  async run() {
    for (;;) {
      try {
        const wait = this.isAway ? Infinity : await (document.hidden ? this.poll() : this.read());
        await this.pause(this.isAway ? Infinity : wait);
      } catch {
        this.connected(navigator.onLine && this.failures === 0);
        const wait = BACK_OFF_MS[Math.min(this.failures, BACK_OFF_MS.length - 1)];
        this.failures += 1;
        await this.pause(wait * (0.75 + Math.random() / 2));
      }
    }
  }

  /** Whatever may have brought news ends the pause, or the next one if it comes before it. */
  async pause(milliseconds) {
    let timer;
    const over = new Promise((resolve) => {
      if (Number.isFinite(milliseconds)) timer = setTimeout(resolve, milliseconds);
    });
    await Promise.race([over, this.woken]);
    clearTimeout(timer);
    this.renewWake();
  }

  renewWake() {
    this.woken = new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  /** Read one stream to its end and return how long to wait then, in milliseconds. */
  async read() {
    this.stream = new AbortController();
    const { signal } = this.stream;
    const answer = await open("/api/generate/events", { signal });
    if (answer.status === 503 || answer.status === 429)
      return this.pollFor(problemOf(answer, {}).retryAfterS ?? 30);
    if (!answer.ok) throw problemOf(answer, {});
    for await (const { name, data } of eventsOf(answer.body, this.stream)) {
      if (name === "end") return data.reason === "settled" ? Infinity : Math.random() * 1000;
      this.failures = 0;
      this.connected(true);
      this.changed({ ...data, isSnapshot: name === "snapshot" });
    }
    if (signal.aborted && navigator.onLine) return 0;
    throw new Unreachable();
  }

  /** There is no stream for us now: ask for a while, then try again. */
  async pollFor(seconds) {
    const end = Date.now() + seconds * 1000;
    while (Date.now() < end && !document.hidden) await this.pause(await this.poll());
    return 0;
  }

  /** Ask for what has changed and return when to ask again, in milliseconds. */
  async poll() {
    const headers = this.tag ? { "If-None-Match": this.tag } : {};
    const answer = await call(`/api/generate/drafts?limit=${WHOLE}`, { headers });
    this.failures = 0;
    this.connected(true);
    if (answer.status !== 304) {
      this.tag = answer.headers.get("ETag");
      const { data: account } = await call("/api/me");
      const { creations } = answer.data;
      this.changed({ account, creations, gone: [], isSnapshot: true });
    }
    if (document.hidden) return this.unfinished.size ? POLL_MS.hidden : Infinity;
    return this.unfinished.size ? POLL_MS.busy : POLL_MS.quiet;
  }
}

/** Yield a stream's events; silence for too long ends it. */
async function* eventsOf(body, controller) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let silence = 0;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => controller.abort(), SILENCE_MS);
  };
  try {
    for (heard(); ; heard()) {
      const { done, value } = await reader.read().catch(() => ({ done: true }));
      if (done) return;
      text += value;
      const blocks = text.split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        const [name, data] = block.split("\n");
        if (data)
          yield {
            name: name.slice("event: ".length),
            data: JSON.parse(data.slice("data: ".length)),
          };
      }
    }
  } finally {
    clearTimeout(silence);
    reader.cancel().catch(() => {});
  }
}
