// What operators do to the whole: sweep, pause and resume; and the log of acts.

import { post } from "./admin_api.js";
import { labels, when } from "./admin_messages.js";
import { opener } from "./admin_creation.js";
import { busyWhile, confirmAct, PagedList } from "./admin_parts.js";
import { ReplayForm } from "./admin_replay.js";
import { button, h } from "./dom.js";

const KINDS = ["image", "video"];

/** Create the list of what operators did, newest first; `changed` is called after an act. */
export const actsList = (changed) =>
  new PagedList({
    title: labels.acts,
    path: "acts",
    key: "acts",
    empty: labels.noActs,
    item: (act) =>
      h(
        "li",
        { "data-verb": act.verb },
        h(
          "div",
          h("b.admin-prompt", labels.act(act)),
          act.reason && h("p", act.reason),
          h("time.muted", { datetime: act.createdAt }, when(act.createdAt)),
        ),
        act.creationId &&
          opener(labels.timeline, labels.timelineOf(act.creationId), act.creationId, changed),
      ),
  });

export class OperatePart {
  /** `changed` is called after an act. */
  constructor(changed) {
    this.changed = changed;
    this.problem = h("div", { role: "alert" });
    this.done = h("p.admin-done", { role: "status" });
    this.sweepButton = button(labels.sweep, () => this.sweep());
    this.switches = KINDS.map((kind) => button("", () => this.switch(kind)));
    this.element = h(
      "section.admin-section",
      { "aria-labelledby": "operate-title" },
      h("h2", { id: "operate-title" }, labels.operate),
      h("div.admin-buttons", this.sweepButton, ...this.switches),
      this.problem,
      this.done,
      new ReplayForm(changed).element,
    );
  }

  /** Show whether each kind is paused. */
  show(numbers) {
    for (const kind of KINDS) this.showSwitch(kind, numbers[kind].isPaused);
  }

  showSwitch(kind, isPaused) {
    const element = this.switches[KINDS.indexOf(kind)];
    const label = (isPaused ? labels.resumeKind : labels.pauseKind)(kind);
    if (element.textContent !== label) element.textContent = label;
    element.dataset.paused = String(isPaused);
  }

  sweep() {
    this.done.textContent = labels.sweeping;
    return busyWhile(this.sweepButton, this.problem, async () => {
      try {
        this.done.textContent = labels.sweptWith(await post("sweep"));
      } catch (error) {
        this.done.textContent = "";
        throw error;
      }
      this.changed();
    });
  }

  switch(kind) {
    const element = this.switches[KINDS.indexOf(kind)];
    const isPaused = element.dataset.paused !== "true";
    const send = async () => {
      await post(`switches/${kind}`, { isPaused });
      this.showSwitch(kind, isPaused);
      this.done.textContent = labels.switched(kind, isPaused);
      this.changed();
    };
    if (!isPaused) return busyWhile(element, this.problem, send);
    return confirmAct({
      title: labels.pauseTitle(kind),
      hint: labels.pauseHint,
      submitLabel: labels.pauseKind(kind),
      send,
      place: this.problem,
    });
  }
}
