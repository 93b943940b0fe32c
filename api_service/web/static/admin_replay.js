// Replay failures: count them, ask, replay them 50 at a time, and list what became of each.

import { post } from "./admin_api.js";
import { opener } from "./admin_creation.js";
import { labels } from "./admin_messages.js";
import { busyWhile, confirmAct, field } from "./admin_parts.js";
import { button, h } from "./dom.js";

const BATCH_SIZE = 50;
const CODES = [
  "generator_unavailable",
  "generator_rate_limited",
  "generator_bad_output",
  "generator_silent",
  "generator_rejected",
  "storage_failed",
  "queue_unavailable",
  "deadline_exceeded",
  "worker_lost",
  "internal",
  "safety_filter",
  "policy_violation",
  "cancelled",
];

const select = (id, options) =>
  h(
    "select.form-field",
    { id },
    ...options.map(([value, label]) => h("option", { value }, label)),
  );

export class ReplayForm {
  /** `changed` is called after a replay. */
  constructor(changed) {
    this.changed = changed;
    const named = (code) => [code, code];
    this.code = select("replay-code", CODES.map(named));
    this.since = select("replay-since", Object.entries(labels.sinces));
    this.since.value = "7200";
    this.type = select("replay-type", [
      ["", labels.both],
      ["image", labels.image],
      ["video", labels.video],
    ]);
    this.grant = h("input", { type: "checkbox", id: "replay-grant" });
    this.submit = h("button.button", labels.replay);
    this.problem = h("div", { role: "alert" });
    this.done = h("p.admin-done", { role: "status", tabindex: "-1" });
    this.results = h("ol.admin-list");
    this.below = h("div");
    const onsubmit = (event) => {
      event.preventDefault();
      return busyWhile(this.submit, this.problem, () => this.preview());
    };
    this.element = h(
      "form.admin-form",
      { onsubmit, "aria-labelledby": "replay-title" },
      h("h3", { id: "replay-title" }, labels.replay),
      field(labels.replayCode, this.code),
      field(labels.replaySince, this.since),
      field(labels.replayType, this.type),
      h("label.admin-check", this.grant, labels.replayGrant),
      this.submit,
      this.problem,
      this.done,
      this.results,
      this.below,
    );
  }

  /** Count the failures, which changes nothing, and ask whether to replay exactly these. */
  async preview() {
    this.show("", []);
    const failures = {
      code: this.code.value,
      since: Number(this.since.value),
      ...(this.type.value && { type: this.type.value }),
    };
    const isGranted = this.grant.checked;
    const title = labels.replayTitle(failures.code, labels.sinces[this.since.value]);
    const preview = await post("replay/preview", failures);
    if (!preview.count) return this.show(labels.noFailures, []);
    const request = { ...failures, grant: isGranted, limit: BATCH_SIZE, cursor: preview.cursor };
    return confirmAct({
      title,
      hint: labels.replayHint(preview, isGranted, BATCH_SIZE),
      submitLabel: labels.replay,
      send: () => this.send(request),
      place: this.problem,
    });
  }

  async send(request) {
    const { results, nextCursor } = await post("replay", request);
    const replayed = results.filter(({ outcome }) => outcome === "replayed").length;
    this.show(
      results.length
        ? labels.replayedCount(replayed, results.length - replayed)
        : labels.noMoreFailures,
      results,
    );
    if (nextCursor) this.below.append(...this.more({ ...request, cursor: nextCursor }));
    this.changed();
  }

  /** Show what happened, and what became of each failure. */
  show(done, results) {
    this.done.textContent = done;
    const items = results.map((each) =>
      h(
        "li",
        h("div", h("b.admin-prompt", each.creationId), h("p.muted", labels.replayed(each))),
        opener(
          labels.timeline,
          labels.timelineOf(each.creationId),
          each.creationId,
          this.changed,
        ),
      ),
    );
    this.results.replaceChildren(...items);
    this.below.replaceChildren();
  }

  /** Create the button that sends the next request; then the focus moves, as the button is gone. */
  more(request) {
    const problem = h("div", { role: "alert" });
    const next = button(labels.replayMore, () =>
      busyWhile(next, problem, async () => {
        await this.send(request);
        this.done.focus();
      }),
    );
    return [next, problem];
  }
}
