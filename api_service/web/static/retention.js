// A draft's schedule, its expiry, and whether it is kept.

import { call, creationPath, postAction } from "./api.js";
import { announce, button, h, toast } from "./dom.js";
import { errorMessage } from "./errors.js";
import { text } from "./messages.js";
import { editCaption } from "./sheet.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const WARNED_MS = 3 * DAY_MS;
const AHEAD_MS = { min: 2 * MINUTE_MS, max: 90 * DAY_MS };

const isExpiringSoon = ({ expiresAt }) =>
  Boolean(expiresAt) && Date.parse(expiresAt) - Date.now() < WARNED_MS;

/** Return what decides the texts and buttons: while it stays the same, they keep their focus. */
const stateOf = (creation) => {
  const { publishAt, scheduleError, isKept, expiresAt } = creation;
  const expires = isExpiringSoon(creation) && expiresAt;
  return [publishAt, scheduleError?.code, isKept, expires].join(" ");
};

/** Show in `card.retention` what becomes of the card's creation. */
export function showRetention(card) {
  const { creation, retention } = card;
  const state = stateOf(creation);
  if (retention.dataset.state === state) return;
  const hadFocus = retention.contains(document.activeElement);
  retention.dataset.state = state;
  retention.replaceChildren(...lines(card).map((parts) => h("p.card-retention-line", ...parts)));
  if (hadFocus) (retention.querySelector("button") ?? card.article).focus();
}

function lines(card) {
  const { publishAt, scheduleError, isKept, expiresAt } = card.creation;
  const small = { kind: "small bare" };
  const keepButton = (label, method, isPressed) => {
    const toggle = () => change(card, method, "keep", isPressed ? text.notKept : text.kept);
    const element = button(label, toggle, small);
    element.setAttribute("aria-pressed", String(isPressed));
    return element;
  };
  const withdraw = () => change(card, "DELETE", "schedule", text.scheduleCancelled);
  const all = [];
  if (publishAt) all.push([text.publishesAt(publishAt), button(text.cancelSchedule, withdraw, small)]);
  if (scheduleError) all.push([text.draft.scheduleErrors[scheduleError.code] ?? scheduleError.message]);
  if (isKept) all.push([keepButton(text.kept, "DELETE", true)]);
  else if (isExpiringSoon(card.creation))
    all.push([text.deletedOn(expiresAt), keepButton(text.keep, "PUT", false)]);
  return all;
}

async function change(card, method, part, announcement) {
  if (card.isBusy) return;
  card.isBusy = true;
  card.showProblem("");
  try {
    const { data } = await call(`${creationPath(card.creation.creationId)}/${part}`, { method });
    card.list.take(data.creation);
    announce(announcement);
  } catch (error) {
    card.showProblem(errorMessage(error));
  }
  card.isBusy = false;
}

/** Return a time as the value of a `datetime-local` field, in the browser's time zone. */
function localMinute(time) {
  const offset = new Date(time).getTimezoneOffset() * MINUTE_MS;
  return new Date(time - offset).toISOString().slice(0, "2026-01-01T00:00".length);
}

export function publishLater(list, { creation: { creationId, type, caption, publishAt } }) {
  const now = Date.now();
  const nextHour = Math.ceil((now + HOUR_MS) / HOUR_MS) * HOUR_MS;
  const when = h("input.form-field", {
    id: "publish-at",
    type: "datetime-local",
    required: true,
    min: localMinute(now + AHEAD_MS.min),
    max: localMinute(now + AHEAD_MS.max),
    value: localMinute(publishAt ? Date.parse(publishAt) : nextHour),
  });
  const label = h("label.form-label", { for: "publish-at" }, text.publishTime);
  return editCaption({
    title: text.publishLaterTitle({ type }),
    submitLabel: text.schedule,
    value: caption,
    more: h("div", label, when),
    send: (edited) =>
      postAction(creationId, "publish", {
        caption: edited,
        publishAt: new Date(when.value).toISOString(),
      }),
    done: ({ data }) => {
      list.take(data.creation);
      toast(text.publishesAt(data.creation.publishAt));
    },
  });
}
