// The create form. It can be filled in without an account: the button then leads to sign-in.

import { requestCreation } from "./create_request.js";
import { find, h, isBusy, setBusy } from "./dom.js";
import { chargeMessage, errorMessage, getTokensLink } from "./errors.js";
import { follow, wake } from "./live.js";
import { say, text, tokens } from "./messages.js";
import { goToSignIn, saveForm, savedForm, session, webConfig } from "./session.js";
import { knownBalance, refreshAccount, showBalance, watchQueue } from "./shell.js";

const KEYBOARD_PX_MIN = 120; // less is a browser's own bar

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
    this.drawNote();
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

  /** Say what a click costs, and with too few tokens, what to do instead. */
  drawNote() {
    const balance = session() ? knownBalance() : null;
    const isShort = balance !== null && balance < this.cost;
    const price = session() ? text.charged : text.createPage.signedOut;
    const note = isShort ? text.notEnough(this.cost, balance) : price;
    if (find("note").textContent !== note) find("note").textContent = note; // else it is read again
    find("short").hidden = !isShort;
    this.cheaper = isShort ? this.affordable(balance) : null;
    find("cheaper").hidden = !this.cheaper;
    if (!this.cheaper) return;
    const { kind, count } = this.cheaper;
    const values = { count, tokens: tokens(count * this.costs[kind]) };
    find("cheaper").textContent = say(text.createPage.instead[kind], values);
  }

  /** Return what this balance pays for: fewer images, or the other kind; else null. */
  affordable(balance) {
    const count = Math.min(this.state.count, Math.floor(balance / this.costs.image));
    if (count >= 1) return { kind: "image", count };
    return balance >= this.costs.video ? { kind: "video", count: 1 } : null;
  }

  takeCheaper() {
    if (!this.cheaper) return;
    const { kind, count } = this.cheaper;
    const chip = find("counts").querySelector(`[value="${count}"]`);
    if (chip instanceof HTMLElement) chip.click();
    find(`kind-${kind}`).click();
    submitButton.focus();
  }

  change({ name, value }) {
    const { state } = this;
    find("problem").replaceChildren();
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
    if (!session()) return goToSignIn();
    const { cost } = this;
    find("problem").replaceChildren();
    setBusy(submitButton, true);
    submitButton.textContent = text.starting;
    try {
      const data = await requestCreation(this.body());
      showBalance(data.tokenBalance);
      wake();
      location.assign(`/soho/${session()?.username}?tab=drafts#${data.groupId ?? data.creationId}`);
    } catch (error) {
      find("problem").replaceChildren(chargeMessage(error, cost));
      refreshAccount().then(() => this.draw(), () => {});
      this.offer();
    }
  }

  offer() {
    setBusy(submitButton, false);
    this.draw();
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

/** Keep the button above a phone's keyboard, which covers the bottom of the page. */
function followKeyboard() {
  const viewport = window.visualViewport;
  if (!viewport) return;
  const place = () => {
    const covered = innerHeight - viewport.offsetTop - viewport.height;
    const isKeyboard = viewport.scale === 1 && covered > KEYBOARD_PX_MIN;
    form.style.setProperty("--keyboard-height", isKeyboard ? `${covered}px` : "0px");
  };
  viewport.addEventListener("resize", place);
  viewport.addEventListener("scroll", place);
}

function followBalance() {
  follow({
    changed: ({ account }) => {
      if (!account) return;
      showBalance(account.tokenBalance);
      withForm((ready) => ready.draw());
    },
  });
}

function start() {
  withForm(() => {});
  find("short").prepend(getTokensLink());
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
  find("cheaper").addEventListener("click", () => withForm((ready) => ready.takeCheaper()));
  prompt.addEventListener("keydown", ({ key, metaKey, ctrlKey }) => {
    if (key === "Enter" && (metaKey || ctrlKey)) form.requestSubmit();
  });
  // The button stays busy while the next page loads; Back may bring this one as it was.
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) withForm((ready) => ready.offer());
  });
  followKeyboard();
  if (session()) followBalance();
  watchQueue();
}

start();
