// Charts as SVG, each with a table of the same numbers below it. Styles are in admin.css.

import { h, svg } from "./dom.js";
import { labels } from "./admin_messages.js";

const HEIGHT = 170;
const TOP = 18;
const BOTTOM = 22;
const LABEL_WIDTH = 46;
const BAR_WIDTH_MAX = 44;
const ROW = 40;
const BAR_HEIGHT = 10;

/**
 * A chart: its title, its drawing, and its table. `draw(width, rows)` returns the SVG's children and
 * height. The elements stay when the numbers change, so that the focus stays, too.
 */
class Chart {
  width = 0;
  /** @type {any} */
  shown = null;

  constructor(title, columns) {
    this.title = title;
    this.drawing = svg("svg", { role: "img", class: "chart-drawing" });
    this.place = h("div.chart-place", this.drawing);
    this.body = h("tbody");
    this.empty = h("p.muted", { hidden: true }, labels.nothing);
    this.legend = h("p.chart-legend", { "aria-hidden": "true", hidden: true });
    const head = columns.map((name) => h("th", { scope: "col" }, name));
    const table = h("table.admin-table", h("thead", h("tr", ...head)), this.body);
    table.prepend(h("caption.visually-hidden", title));
    this.details = h("details.chart-details", h("summary", labels.tableOf(title)), table);
    this.element = h("section.chart", h("h3", title), this.legend, this.place, this.empty);
    this.element.append(this.details);
    new ResizeObserver(() => this.place.clientWidth !== this.width && this.draw()).observe(
      this.place,
    );
  }

  /** Show `rows`: each has a label, values, and the texts of its cells. */
  show(rows, summary) {
    this.shown = rows;
    this.drawing.setAttribute("aria-label", labels.chartIs(this.title, summary));
    this.body.replaceChildren(
      ...rows.map(({ label, cells }) =>
        h("tr", h("th", { scope: "row" }, label), ...cells.map((each) => h("td", each))),
      ),
    );
    const isEmpty = !rows.length;
    this.place.hidden = this.details.hidden = isEmpty;
    this.empty.hidden = !isEmpty;
    this.draw();
  }

  draw() {
    this.width = this.place.clientWidth;
    if (!this.shown?.length || !this.width) return;
    const { children, height } = this.drawn(this.shown, this.width);
    this.drawing.setAttribute("viewBox", `0 0 ${this.width} ${height}`);
    this.drawing.setAttribute("height", String(height));
    this.drawing.replaceChildren(...children);
  }

  /** @returns {{ children: Element[], height: number }} */
  drawn(_rows, _width) {
    throw new TypeError("a chart draws itself");
  }
}

/** Columns over time: the values of a row are stacked, or next to each other. */
export class Columns extends Chart {
  constructor(title, { columns, series, isStacked = false, text }) {
    super(title, columns);
    this.series = series;
    this.isStacked = isStacked;
    this.text = text;
    this.legend.hidden = series.length < 2;
    const marks = series.map(({ name, className }) => [h(`span.chart-mark.${className}`), name]);
    this.legend.replaceChildren(...marks.flat());
  }

  drawn(rows, width) {
    const whole = (values) => values.reduce((sum, each) => sum + (each ?? 0), 0);
    const most = (values) => Math.max(...values.map((each) => each ?? 0));
    const heightOf = this.isStacked ? whole : most;
    const top = Math.max(...rows.map(({ values }) => heightOf(values))) || 1;
    const inner = HEIGHT - TOP - BOTTOM;
    const step = width / rows.length;
    const bar = Math.min(step * 0.72, BAR_WIDTH_MAX);
    const children = [
      svg("line", { class: "chart-line", x1: 0, x2: width, y1: TOP, y2: TOP }),
      svg("text", { class: "chart-label", x: 0, y: TOP - 5 }, this.text(top)),
      svg("line", { class: "chart-line", x1: 0, x2: width, y1: TOP + inner, y2: TOP + inner }),
    ];
    const every = Math.ceil((rows.length * LABEL_WIDTH) / width);
    for (const [index, { label, values }] of rows.entries()) {
      const left = index * step + (step - bar) / 2;
      children.push(...this.bars(values, { left, bar, scale: inner / top, base: TOP + inner }));
      if (index % every !== 0) continue;
      const attributes = { class: "chart-label", x: left + bar / 2, y: HEIGHT - 6 };
      children.push(svg("text", { ...attributes, "text-anchor": "middle" }, label));
    }
    return { children, height: HEIGHT };
  }

  bars(values, { left, bar, scale, base }) {
    const wide = this.isStacked ? bar : bar / values.length;
    let below = 0;
    return values.map((value, index) => {
      const height = (value ?? 0) * scale;
      const x = this.isStacked ? left : left + index * wide;
      const y = base - below - height;
      if (this.isStacked) below += height;
      return svg("rect", { class: this.series[index].className, x, y, width: wide, height });
    });
  }
}

/** One bar for each name, with its number. */
export class Bars extends Chart {
  constructor(title, { columns, text }) {
    super(title, columns);
    this.text = text;
  }

  drawn(rows, width) {
    const totals = rows.map(({ values }) => values.reduce((sum, each) => sum + each, 0));
    const top = Math.max(...totals) || 1;
    const children = rows.flatMap(({ label }, index) => {
      const y = index * ROW;
      const bar = { x: 0, y: y + 20, height: BAR_HEIGHT, rx: BAR_HEIGHT / 2 };
      const right = { class: "chart-label", x: width, y: y + 14, "text-anchor": "end" };
      return [
        svg("text", { class: "chart-label", x: 0, y: y + 14 }, label),
        svg("text", right, this.text(totals[index])),
        svg("rect", { class: "chart-track", ...bar, width }),
        svg("rect", { class: "chart-1", ...bar, width: (width * totals[index]) / top }),
      ];
    });
    return { children, height: rows.length * ROW };
  }
}
