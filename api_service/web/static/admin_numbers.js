// The operators' numbers: figures, a table by kind, and charts; renewed while the page is visible.

import { adminCall, Refused } from "./admin_api.js";
import {
  age,
  count,
  dayOf,
  dollars,
  hourOf,
  labels,
  percent,
  seconds,
} from "./admin_messages.js";
import { Bars, Columns } from "./charts.js";
import { h } from "./dom.js";
import { sentence } from "./errors.js";

const RENEW_MS = 30_000;
const HOURLY_MAX = 24;
const KINDS = ["image", "video"];
const KIND_FORMATS = {
  ready: count,
  failed: count,
  successRate: percent,
  medianS: seconds,
  p95S: seconds,
  costMicroUsd: dollars,
  pending: count,
  processing: count,
  oldestWaitingS: age,
  isPaused: (isPaused) => (isPaused ? labels.paused : labels.accepted),
};

export class NumbersPart {
  hours = 24;
  renewals = 0;
  /** @type {any} */
  latest = null;
  renewed = (_numbers) => {};

  constructor() {
    this.state = h("p.muted");
    this.problem = h("p.admin-stale", { role: "status" });
    this.figures = h("dl.admin-figures");
    this.kinds = new KindTable();
    this.charts = charts();
    const { windows, window: legend } = labels;
    this.choice = h(
      "fieldset.admin-windows",
      h("legend.visually-hidden", legend),
      ...Object.entries(windows).map(([hours, label]) =>
        h("label", this.radio(Number(hours)), h("span", label)),
      ),
    );
    this.element = h(
      "section.admin-section",
      { "aria-labelledby": "numbers-title" },
      h("div.admin-head", h("h2", { id: "numbers-title" }, labels.numbers), this.choice),
      this.state,
      this.problem,
      this.figures,
      h(
        "div.admin-charts",
        this.kinds.element,
        ...Object.values(this.charts).map(({ element }) => element),
      ),
    );
  }

  radio(hours) {
    return h("input", {
      type: "radio",
      name: "window",
      value: String(hours),
      checked: hours === this.hours,
      onchange: () => {
        this.hours = hours;
        this.renew();
      },
    });
  }

  /** Fetch and show the numbers now and from time to time. */
  start(first) {
    this.show(first);
    const renew = () => document.hidden || !this.element.isConnected || this.renew();
    setInterval(renew, RENEW_MS);
    document.addEventListener("visibilitychange", renew);
  }

  fetch() {
    return adminCall(`stats?hours=${this.hours}`);
  }

  async renew() {
    this.renewals += 1;
    const number = this.renewals;
    try {
      const numbers = await this.fetch();
      if (number === this.renewals) this.show(numbers);
    } catch (error) {
      if (number === this.renewals && !(error instanceof Refused))
        this.problem.textContent = labels.notRenewed(sentence(error));
    }
  }

  show(numbers) {
    this.latest = numbers;
    this.problem.textContent = "";
    this.state.textContent = labels.numbersOf(numbers.since, numbers.at);
    this.figures.replaceChildren(...figuresOf(numbers));
    this.kinds.show(numbers);
    showCharts(this.charts, numbers, this.hours);
    this.renewed(numbers);
  }
}

function figuresOf(numbers) {
  const { figures } = labels;
  const unfinished = KINDS.map((kind) => numbers[kind].pending + numbers[kind].processing);
  const figure = (name, value, hint = "") =>
    h("div", h("dt", name), h("dd", h("b", value), hint && h("span", hint)));
  const unfolded = numbers.oldestUnfoldedS === null ? "" : labels.unfolded(numbers.oldestUnfoldedS);
  return [
    figure(figures.created, count(numbers.created), unfolded),
    figure(figures.ready, count(numbers.ready)),
    figure(figures.failed, count(numbers.failed), labels.failedHint(numbers.failedByCode)),
    figure(figures.successRate, percent(numbers.successRate), labels.withoutOwners),
    figure(figures.refundRate, percent(numbers.refundRate)),
    figure(
      figures.refundLag,
      age(numbers.refundLagMedianS),
      labels.lagHint(numbers.refundLagP95S, numbers.refundLagMaxS),
    ),
    figure(
      figures.published,
      count(numbers.published),
      labels.publishedHint(numbers.publishedShare),
    ),
    figure(
      figures.unfinished,
      count(unfinished[0] + unfinished[1]),
      labels.unfinishedHint(unfinished[0], unfinished[1]),
    ),
    figure(figures.cost, dollars(numbers.costMicroUsd)),
  ];
}

/** The numbers of both kinds, one row for each number. */
class KindTable {
  constructor() {
    this.body = h("tbody");
    const head = [labels.metric, labels.image, labels.video];
    this.element = h(
      "div.admin-kinds",
      h("h3", { id: "kinds-title" }, labels.byKind),
      h(
        "table.admin-table",
        { "aria-labelledby": "kinds-title" },
        h("thead", h("tr", ...head.map((name) => h("th", { scope: "col" }, name)))),
        this.body,
      ),
    );
  }

  show(numbers) {
    this.body.replaceChildren(
      ...Object.entries(KIND_FORMATS).map(([name, format]) =>
        h(
          "tr",
          h("th", { scope: "row" }, labels.kindRows[name]),
          ...KINDS.map((kind) => h("td", format(numbers[kind][name]))),
        ),
      ),
    );
  }
}

function charts() {
  const { charts: titles } = labels;
  const kinds = [
    { name: labels.image, className: "chart-1" },
    { name: labels.video, className: "chart-2" },
  ];
  return {
    outcomes: new Columns(titles.outcomes, {
      columns: [labels.from, labels.ready, labels.failed],
      series: [
        { name: labels.ready, className: "chart-1" },
        { name: labels.failed, className: "chart-bad" },
      ],
      isStacked: true,
      text: count,
    }),
    seconds: new Columns(titles.seconds, {
      columns: [labels.from, labels.image, labels.video],
      series: kinds,
      text: seconds,
    }),
    dollars: new Columns(titles.dollars, {
      columns: [labels.from, labels.dollars],
      series: [kinds[0]],
      text: dollars,
    }),
    failures: new Bars(titles.failures, {
      columns: [labels.code, labels.image, labels.video],
      text: count,
    }),
    models: new Bars(titles.models, { columns: [labels.model, labels.dollars], text: dollars }),
    days: new Bars(titles.days, { columns: [labels.day, labels.dollars], text: dollars }),
  };
}

function showCharts(shown, numbers, hours) {
  const label = hours <= HOURLY_MAX ? hourOf : dayOf;
  const row = ({ beginsAt }, values, format) => ({
    label: label(beginsAt),
    values,
    cells: values.map(format),
  });
  const { series } = numbers;
  shown.outcomes.show(
    series.map((each) => row(each, [each.ready, each.failed], count)),
    `${count(numbers.ready)} ready, ${count(numbers.failed)} failed.`,
  );
  shown.seconds.show(
    series.map((each) => row(each, KINDS.map((kind) => each.medianS[kind]), seconds)),
    `${labels.image}: ${seconds(numbers.image.medianS)}. ${labels.video}: ${seconds(numbers.video.medianS)}.`,
  );
  shown.dollars.show(
    series.map((each) => row(each, [each.costMicroUsd], dollars)),
    `${dollars(numbers.costMicroUsd)} in all.`,
  );
  shown.failures.show(failures(numbers), `${count(numbers.failed)} in all.`);
  shown.models.show(costs(numbers.costMicroUsdByModel), `${dollars(numbers.costMicroUsd)} in all.`);
  shown.days.show(costs(numbers.costMicroUsdByDay), `${dollars(numbers.costMicroUsd)} in all.`);
}

const failures = (numbers) =>
  Object.keys(numbers.failedByCode)
    .sort((a, b) => numbers.failedByCode[b] - numbers.failedByCode[a])
    .map((code) => {
      const values = KINDS.map((kind) => numbers[kind].failedByCode[code] ?? 0);
      return { label: code, values, cells: values.map(count) };
    });

const costs = (named) =>
  Object.entries(named).map(([label, value]) => ({
    label,
    values: [value],
    cells: [dollars(value)],
  }));
