// Starting a creation: one Idempotency-Key for each click, and what went wrong in words.

import { call, newKey, Unreachable } from "./api.js";
import { find, h, tokens } from "./dom.js";
import { account, knownBalance, showBalance, watchQueue } from "./frame.js";
import { follow, wakeOthers } from "./live.js";
import { goToSignIn, session, webConfig } from "./session.js";
import { explained, isOpen } from "./words.js";

const FORM = "phoenix.form";
const OPEN = "phoenix.open"; // what was sent and not answered: `{key, body}` as text
const PROMPT_LENGTH_MAX = 2000;
const TRIES = 3;
const FORMATS = {
  image: { "1:1": "Square", "3:4": "Portrait", "4:3": "Landscape", "9:16": "Tall", "16:9": "Wide" },
  video: { "16:9": "Landscape", "9:16": "Portrait" },
};
const FORMAT = { image: "1:1", video: "16:9" };
const DURATIONS_S = [4, 6, 8];
const IDEAS = [
  "Koi in a night pond, lanterns above, slow ripples",
  "A tiny astronaut tending a rooftop garden at dawn",
  "Paper boats drifting through a flooded library",
  "Northern lights over a sleeping harbour, long exposure",
];

const form = find("form");
const prompt = find("prompt");
const go = find("go");
let costs = { image: 1, video: 10 };
let state = {
  kind: "image",
  prompt: "",
  formats: { ...FORMAT },
  duration: 8,
  ...JSON.parse(sessionStorage.getItem(FORM) ?? "{}"),
};

function chip(name, value, checked, ...face) {
  const input = h("input", { type: "radio", name, value, checked });
  return h("label", { class: "chip" }, input, h("span", { class: "face-of-chip" }, ...face));
}

function glyph(format) {
  const [wide, high] = format.split(":").map(Number);
  const shape = h("span", { class: wide > high ? "ratio wide" : "ratio" });
  shape.style.aspectRatio = `${wide} / ${high}`;
  return shape;
}

function drawFormats() {
  const chosen = state.formats[state.kind];
  find("formats").replaceChildren(
    ...Object.entries(FORMATS[state.kind]).map(([format, name]) =>
      chip(
        "format",
        format,
        format === chosen,
        glyph(format),
        h("span", { class: "unseen" }, name),
        format,
      ),
    ),
  );
}

/** Show what the choice means: the button names the price. */
function draw() {
  const { kind } = state;
  const cost = costs[kind];
  find("image-price").textContent = tokens(costs.image);
  find("video-price").textContent = tokens(costs.video);
  find("durations").hidden = kind === "image";
  go.textContent = `Create ${kind} · ${tokens(cost)}`;
  const balance = knownBalance();
  find("note").textContent =
    balance !== null && balance < cost
      ? `You have ${tokens(balance)}: not enough for this one.`
      : "Paid now, and returned by itself if it fails.";
  const length = [...prompt.value.trim()].length;
  find("count").textContent = `${length.toLocaleString("en")} of 2,000`;
  find("count").classList.toggle("over", length > PROMPT_LENGTH_MAX);
  const [wide, high] = state.formats[kind].split(":").map(Number);
  const stage = find("stage");
  stage.style.aspectRatio = `${wide} / ${high}`;
  stage.style.width = `${Math.min(100, (wide / high) * 118)}%`;
  stage.firstElementChild.textContent =
    kind === "image"
      ? `Image · ${state.formats.image}`
      : `Video · ${state.formats.video} · ${state.duration} s`;
  sessionStorage.setItem(FORM, JSON.stringify(state));
}

function changed({ target: { name, value } }) {
  if (name === "kind") state.kind = value;
  if (name === "kind") drawFormats();
  if (name === "format") state.formats[state.kind] = value;
  if (name === "duration") state.duration = Number(value);
  if (name === "prompt") state.prompt = value;
  draw();
}

function bodyOf({ kind, formats, duration }) {
  const body = { type: kind, prompt: prompt.value.trim(), aspectRatio: formats[kind] };
  return kind === "video" ? { ...body, duration } : body;
}

/** Return the key of this click, or the one of the same request that was never answered. */
function keyFor(body) {
  const text = JSON.stringify(body);
  const left = JSON.parse(sessionStorage.getItem(OPEN) ?? "null");
  const key = left?.text === text ? left.key : newKey();
  sessionStorage.setItem(OPEN, JSON.stringify({ key, text }));
  return key;
}

/** Send a request; one that nobody answered is sent again with its key, which pays once. */
async function send(body, key) {
  for (let left = TRIES - 1; ; left -= 1) {
    try {
      const headers = { "Idempotency-Key": key };
      return await call("/api/generate/creation", { method: "POST", body, headers });
    } catch (error) {
      if (!(error instanceof Unreachable) || !left || !navigator.onLine) throw error;
      await new Promise((resolve) => setTimeout(resolve, 700));
    }
  }
}

function check() {
  const length = [...prompt.value.trim()].length;
  if (length > 0 && length <= PROMPT_LENGTH_MAX) return true;
  const words = length ? "The prompt is too long." : "Describe what you want to see first.";
  find("problem").replaceChildren(h("p", { class: "message" }, words));
  prompt.focus();
  return false;
}

async function submit(event) {
  event.preventDefault();
  if (go.getAttribute("aria-disabled") === "true" || !check()) return;
  const body = bodyOf(state);
  const cost = costs[state.kind];
  find("problem").replaceChildren();
  go.setAttribute("aria-disabled", "true");
  go.textContent = "Starting …";
  try {
    const { data } = await send(body, keyFor(body));
    sessionStorage.removeItem(OPEN);
    showBalance(data.tokenBalance);
    wakeOthers();
    location.assign(`/soho/${session().username}?tab=drafts#${data.creationId}`);
  } catch (error) {
    if (!isOpen(error)) sessionStorage.removeItem(OPEN);
    find("problem").replaceChildren(explained(error, cost));
    account().then(draw, () => {});
  } finally {
    go.removeAttribute("aria-disabled");
    draw();
  }
}

function fill(idea) {
  prompt.value = idea;
  state.prompt = idea;
  draw();
  prompt.focus();
}

async function start() {
  if (!session()) return goToSignIn();
  // Somebody may have been faster than this script.
  if (form.elements.kind.value === "video") state.kind = "video";
  if (prompt.value) state.prompt = prompt.value;
  prompt.value = state.prompt;
  form.querySelector(`[value="${state.kind}"]`).checked = true;
  find("durations").lastElementChild.append(
    ...DURATIONS_S.map((seconds) =>
      chip("duration", seconds, seconds === state.duration, `${seconds} seconds`),
    ),
  );
  find("ideas").append(
    ...IDEAS.map((idea) =>
      h("button", { type: "button", class: "idea", onclick: () => fill(idea) }, idea.split(",")[0]),
    ),
  );
  drawFormats();
  draw();
  form.addEventListener("input", changed);
  form.addEventListener("submit", submit);
  prompt.addEventListener("keydown", ({ key, metaKey, ctrlKey }) => {
    if (key === "Enter" && (metaKey || ctrlKey)) form.requestSubmit();
  });
  follow({
    changed: ({ account: mine }) => {
      if (mine) showBalance(mine.tokenBalance);
      if (mine) draw();
    },
  });
  watchQueue();
  ({ costs } = await webConfig());
  draw();
}

start();
