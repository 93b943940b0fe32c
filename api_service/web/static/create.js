// The create form: one Idempotency-Key per click, kept while the outcome is unknown.

import { call, Unreachable } from "./api.js";
import { find, h, isBusy, setBusy } from "./dom.js";
import { chargeMessage, errorMessage } from "./errors.js";
import { follow, wake } from "./live.js";
import { text, tokens } from "./messages.js";
import { goToSignIn, saveForm, savedForm, session, webConfig } from "./session.js";
import { knownBalance, refreshAccount, showBalance, watchQueue } from "./shell.js";

const UNANSWERED = "phoenix.open"; // the last request without a response: `{key, text}`
const ATTEMPTS_MAX = 3;
const RETRY_DELAY_MS = 700;

const form = find("form", HTMLFormElement);
const prompt = find("prompt", HTMLTextAreaElement);
const submitButton = find("submit");

function chip(name, value, checked, ...face) {
  const input = h("input", { type: "radio", name, value: String(value), checked });
  return h("label.chip", input, h("span.chip-face", ...face));
}

function formatChip(format, checked) {
  const [wide, high] = format.split(":").map(Number);
  const shape = h(wide > high ? "span.chip-ratio.wide" : "span.chip-ratio");
  shape.style.aspectRatio = `${wide} / ${high}`;
  const name = h("span.visually-hidden", text.formats[format]);
  return chip("format", format, checked, shape, name, format);
}

const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");

const isOutcomeUnknown = ({ code, isSent }) =>
  isSent || code === "outcome_unknown" || code === "internal";

/** Return whether the same request may have reached the server, now or in an earlier try. */
const mayBeRepeated = (error) => error instanceof Unreachable || isOutcomeUnknown(error);

const promptLength = () => [...prompt.value.trim()].length;

class CreateForm {
  constructor({ costs, limits, formats, formatDefaults, durations, durationDefault }) {
    this.costs = costs;
    this.limits = limits;
    this.formats = formats;
    const saved = savedForm();
    this.state = { kind: "image", prompt: "", duration: durationDefault, count: 1, ...saved };
    this.state.formats = { ...formatDefaults, ...saved.formats };
    // The user may have filled in the form before this script ran.
    const { kind } = Object.fromEntries(new FormData(form));
    if (kind === "video") this.state.kind = "video";
    prompt.value = prompt.value || this.state.prompt;
    this.state.prompt = prompt.value;
    find(`kind-${this.state.kind}`, HTMLInputElement).checked = true;
    find("durations").lastElementChild?.append(
      ...durations.map((duration) =>
        chip("duration", duration, duration === this.state.duration, text.seconds(duration)),
      ),
    );
    const counts = Array.from({ length: limits.count }, (_, index) => index + 1);
    find("counts").lastElementChild?.append(
      ...counts.map((count) => chip("count", count, count === this.state.count, String(count))),
    );
    this.drawFormats();
    this.draw();
  }

  /** How many are created: a video has no variations. */
  get count() {
    return this.state.kind === "image" ? this.state.count : 1;
  }

  get cost() {
    return this.count * this.costs[this.state.kind];
  }

  drawFormats() {
    const { kind, formats } = this.state;
    const chips = this.formats[kind].map((format) => formatChip(format, format === formats[kind]));
    find("formats").replaceChildren(...chips);
  }

  draw() {
    const { cost, state } = this;
    const { kind, duration } = state;
    const format = state.formats[kind];
    find("image-price").textContent = tokens(this.costs.image);
    find("video-price").textContent = tokens(this.costs.video);
    find("durations").hidden = kind === "image";
    find("counts").hidden = kind === "video";
    submitButton.textContent = text.createFor(kind, cost, this.count);
    const balance = knownBalance();
    const isShort = balance !== null && balance < cost;
    find("note").textContent = isShort ? text.notEnough(cost, balance) : text.charged;
    const length = promptLength();
    find("count").textContent = text.lengthOf(length, this.limits.promptLength);
    find("count").classList.toggle("too-long", length > this.limits.promptLength);
    const [wide, high] = format.split(":").map(Number);
    const preview = find("preview");
    preview.style.aspectRatio = `${wide} / ${high}`;
    preview.style.width = `${Math.min(100, (wide / high) * 118)}%`;
    preview.firstElementChild?.replaceChildren(
      text.factsOf(kind, kind === "video" && duration, format),
    );
    saveForm(state);
  }

  change({ name, value }) {
    const { state } = this;
    if (name === "kind") {
      state.kind = value;
      this.drawFormats();
    }
    if (name === "format") state.formats[state.kind] = value;
    if (name === "duration") state.duration = Number(value);
    if (name === "count") state.count = Number(value);
    if (name === "prompt") state.prompt = value;
    this.draw();
  }

  body() {
    const { kind, formats, duration } = this.state;
    const body = { type: kind, prompt: prompt.value.trim(), aspectRatio: formats[kind] };
    if (this.count > 1) return { ...body, count: this.count };
    return kind === "video" ? { ...body, duration } : body;
  }

  isPromptValid() {
    const length = promptLength();
    if (length > 0 && length <= this.limits.promptLength) return true;
    const message = length ? text.promptTooLong : text.promptMissing;
    find("problem").replaceChildren(h("p.message", message));
    prompt.focus();
    return false;
  }

  async submit() {
    if (isBusy(submitButton) || !this.isPromptValid()) return;
    const { cost } = this;
    find("problem").replaceChildren();
    setBusy(submitButton, true);
    submitButton.textContent = text.starting;
    try {
      const { data } = await sendOnce(this.body());
      sessionStorage.removeItem(UNANSWERED);
      showBalance(data.tokenBalance);
      wake();
      location.assign(`/soho/${session()?.username}?tab=drafts#${data.groupId ?? data.creationId}`);
    } catch (error) {
      if (!mayBeRepeated(error)) sessionStorage.removeItem(UNANSWERED);
      find("problem").replaceChildren(chargeMessage(error, cost));
      refreshAccount().then(() => this.draw(), () => {});
    }
    setBusy(submitButton, false);
    this.draw();
  }
}

/** Send a request; without a response, repeat it with the same key, which never charges twice. */
async function sendOnce(json) {
  const sent = JSON.stringify(json);
  const unanswered = JSON.parse(sessionStorage.getItem(UNANSWERED) ?? "null");
  const isRepeated = unanswered?.text === sent;
  let isSent = isRepeated && unanswered.isSent;
  const key = isRepeated ? unanswered.key : newKey();
  const remember = () =>
    sessionStorage.setItem(UNANSWERED, JSON.stringify({ key, text: sent, isSent }));
  remember();
  const headers = { "Idempotency-Key": key };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call("/api/generate/creation", { method: "POST", json, headers });
    } catch (error) {
      isSent ||= isOutcomeUnknown(error);
      remember();
      if (!(error instanceof Unreachable)) throw error;
      if (attempt === ATTEMPTS_MAX || !navigator.onLine) throw new Unreachable({ isSent });
      await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS));
    }
  }
}

/** @type {Promise<CreateForm> | null} */
let ready = null;

/** Use the form when it is ready, or show why its configuration is missing; each use tries again. */
async function withForm(use) {
  ready ??= webConfig().then((config) => {
    find("problem").replaceChildren();
    return new CreateForm(config);
  });
  try {
    await ready;
  } catch (error) {
    ready = null;
    return find("problem").replaceChildren(errorMessage(error));
  }
  use(await ready);
}

async function start() {
  if (!session()) return goToSignIn();
  withForm(() => {});
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    withForm((ready) => ready.submit());
  });
  form.addEventListener("input", ({ target }) => withForm((ready) => ready.change(target)));
  find("ideas").addEventListener("click", async ({ target }) => {
    if (!(target instanceof HTMLButtonElement)) return;
    prompt.value = target.value;
    await withForm((ready) => ready.change(prompt));
    prompt.focus();
  });
  prompt.addEventListener("keydown", ({ key, metaKey, ctrlKey }) => {
    if (key === "Enter" && (metaKey || ctrlKey)) form.requestSubmit();
  });
  follow({
    changed: ({ account }) => {
      if (!account) return;
      showBalance(account.tokenBalance);
      withForm((ready) => ready.draw());
    },
  });
  watchQueue();
}

start();
