// The progress of a creation between the reports of its job, and about how long it still takes.

import { serverNow } from "./api.js";
import { webConfig } from "./session.js";

const TICK_MS = 1_000;
const GENERATING = { from: 5, to: 85 };
/** The progress that each stage never reaches by estimate: that of the next one, or the last. */
const CEILINGS = { generating: 88, downloading: 92, checking: 95, uploading: 95 };
const STAGE_S = 10; // about as long as a stage after the generation takes
const SETTLING_S = 8; // and all of them
const REPORT_AGE_MAX_S = 30; // when it arrives; a larger one means that a clock is wrong

/** Come closer to `to` with time, and never reach it. */
const creep = (from, to, times) => from + (to - from) * (1 - Math.exp(-times));

/**
 * Estimate the progress in percent and the seconds left, from the last report and its age. No seconds
 * are left if it takes longer than usual; null means unknown.
 * @param {{ stage: string | null, progress: number }} report
 * @param {number} ageS
 * @param {number} typicalS
 */
export function estimate({ stage, progress }, ageS, typicalS) {
  const ceiling = CEILINGS[stage ?? ""];
  if (!ceiling || !typicalS) return { percent: progress, leftS: null };
  if (stage !== "generating")
    return { percent: creep(progress, Math.max(progress, ceiling), ageS / STAGE_S), leftS: 1 };
  const { from, to } = GENERATING;
  const reportedS = (Math.max(0, progress - from) / (to - from)) * typicalS;
  const workedS = reportedS + ageS;
  const lateS = workedS - typicalS;
  const percent =
    lateS > 0 ? creep(to, ceiling, lateS / typicalS) : from + ((to - from) * workedS) / typicalS;
  const leftS = progress < to ? Math.max(0, SETTLING_S - lateS) : 0;
  return { percent, leftS };
}

/** One creation's progress, which never goes back during an attempt. */
export class Progress {
  attempt = "";
  percent = 0;
  /** @type {number | null} */
  leftS = null;

  /** @param {Creation} creation */
  report(creation) {
    const { updatedAt, attempt, debits } = creation;
    const current = `${debits} ${attempt}`;
    if (this.attempt !== current) this.percent = 0;
    if (this.creation?.updatedAt !== updatedAt || this.attempt !== current) {
      const ageS = (serverNow() - Date.parse(updatedAt)) / 1000 || 0;
      const knownS = Math.min(Math.max(0, ageS), REPORT_AGE_MAX_S);
      this.reportedMs = performance.now() - knownS * 1000;
    }
    this.attempt = current;
    this.creation = creation;
    this.advance();
  }

  /** Estimate again. */
  advance() {
    const { creation, reportedMs = 0 } = this;
    if (!creation) return;
    const ageS = (performance.now() - reportedMs) / 1000;
    const { percent, leftS } = estimate(creation, ageS, typicalS?.[creation.type] ?? 0);
    this.percent = Math.max(this.percent, percent);
    this.leftS = leftS;
  }
}

/** @type {WebConfig["typicalS"] | null} */
let typicalS = null;
/** @type {Set<{ tick: () => void }>} */
const ticking = new Set();
let timer = 0;

/** Call `card.tick()` every second while the page is visible. */
export function startTicking(card) {
  ticking.add(card);
  if (!typicalS) webConfig().then((config) => (typicalS = config.typicalS), () => {});
  schedule();
}

export function stopTicking(card) {
  ticking.delete(card);
}

function schedule() {
  if (timer || document.hidden || !ticking.size) return;
  timer = setTimeout(() => {
    timer = 0;
    for (const card of ticking) card.tick();
    schedule();
  }, TICK_MS);
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  timer = 0;
  if (document.hidden) return;
  for (const card of ticking) card.tick();
  schedule();
});
