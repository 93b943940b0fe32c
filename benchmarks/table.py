"""The rows of every part: medians of repeats, ratios to the commit before, and goals."""

import os
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.table import Table as RichTable

from benchmarks.trees import BEFORE, NOW
from benchmarks.wrk import Load

SMALL, LARGE = 10, 100
"""Figures below these keep two decimals, or one."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A limit for the median of `now`: a figure, or a multiple of another subject's median."""

    limit: float
    at_least: bool = False
    than: str = ""

    def holds(self, row: "Row") -> bool | None:
        """Return whether a row reaches the goal; None if a needed figure is missing."""
        value, base = row.median(NOW), row.median(self.than) if self.than else 1.0
        if value is None or base is None:
            return None
        if row.bad.get(NOW):
            return False
        return value >= self.limit * base if self.at_least else value <= self.limit * base

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.limit:g} x {self.than}" if self.than else f"{sign} {self.limit:.3g}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure of several subjects: its samples, and the answers that were not expected."""

    what: str
    samples: Mapping[str, Sequence[float]]
    bad: Mapping[str, Counter[str]] = field(default_factory=dict)
    load: float = 0.0
    """The machine's load average over a minute, while it was measured."""
    goal: Goal | None = None

    def median(self, subject: str) -> float | None:
        samples = self.samples.get(subject)
        return statistics.median(samples) if samples else None

    @property
    def ratio(self) -> float | None:
        """Return now / before, or None without one of them."""
        before, now = self.median(BEFORE), self.median(NOW)
        return now / before if before and now is not None else None

    @property
    def holds(self) -> bool | None:
        return self.goal.holds(self) if self.goal else None

    def cells(self, subjects: Sequence[str]) -> list[str]:
        return [
            self.what,
            *(shown(self.median(subject)) for subject in subjects),
            shown(self.ratio),
            str(self.goal or ""),
            {None: "", True: "yes", False: "NO"}[self.holds],
            "; ".join(f"{subject} {counted(bad)}" for subject, bad in self.bad.items() if bad),
            f"{self.load:.1f}",
        ]


@dataclass(frozen=True)
class Table:
    title: str
    subjects: Sequence[str]
    rows: Sequence[Row]
    note: str = ""

    @property
    def headings(self) -> list[str]:
        return ["what", *self.subjects, "now / before", "goal", "holds", "bad answers", "load"]

    def rich(self) -> RichTable:
        table = RichTable(box=box.SIMPLE, title=self.title, title_justify="left")
        for number, heading in enumerate(self.headings):
            table.add_column(heading, justify="right" if number else "left")
        for row in self.rows:
            table.add_row(*row.cells(self.subjects))
        return table

    def markdown(self) -> str:
        ruler = ["---", *["---:"] * (len(self.headings) - 1)]
        lines = [self.headings, ruler, *(row.cells(self.subjects) for row in self.rows)]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"{self.note}\n\n{table}".strip()


def counted(bad: Counter[str]) -> str:
    return ", ".join(f"{count:,} x {status}" for status, count in sorted(bad.items()))


def shown(value: float | None) -> str:
    if value is None:
        return ""
    decimals = 2 if abs(value) < SMALL else 1 if abs(value) < LARGE else 0
    return f"{value:,.{decimals}f}"


class Samples:
    """Collects samples in the order of their first appearance."""

    def __init__(self, title: str, subjects: Sequence[str], note: str = "") -> None:
        self._title, self._subjects, self._note = title, subjects, note
        self._values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._bad: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        self._loads: dict[str, list[float]] = defaultdict(list)

    def add(
        self, subject: str, what: str, value: float, *, bad: Counter[str] | None = None
    ) -> None:
        self._values[what][subject].append(value)
        self._bad[what][subject].update(bad or {})
        self._loads[what].append(os.getloadavg()[0])

    def add_load(self, subject: str, connections: int, load: Load, *, cpu_ms: float) -> None:
        """Add the figures of a load run; a bad answer counts in each."""
        after = "1 connection" if connections == 1 else f"{connections} connections"
        figures = {"req/s": load.per_s, "p50 ms": load.p50_ms, "p99 ms": load.p99_ms}
        for name, value in (figures | {"CPU ms": cpu_ms}).items():
            self.add(subject, f"{name}, {after}", value, bad=load.bad)

    def table(self, goals: Mapping[str, Goal]) -> Table:
        """Return the rows; every goal must be for one of them."""
        rows = list(self._rows(goals))
        unused = goals.keys() - {row.what for row in rows}
        return Table(self._title, self._subjects, rows, self._note + _unmeasured(unused))

    def _rows(self, goals: Mapping[str, Goal]) -> Iterator[Row]:
        for what, samples in self._values.items():
            yield Row(
                what=what,
                samples=samples,
                bad=self._bad[what],
                load=statistics.fmean(self._loads[what]),
                goal=goals.get(what),
            )


def _unmeasured(whats: set[str]) -> str:
    return f" Not measured in this run: {', '.join(sorted(whats))}." if whats else ""
