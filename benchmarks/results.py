"""The record of benchmark runs, benchmarks/results.md: a section for each table."""

import os
import platform
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.table import Table

FILE = Path(__file__).parent / "results.md"
HEAD = """# Recorded results

Written by `make bench`, except the section on hostile bodies. Every figure is a median of repeats that
took turns with the commit before, on a shared machine: compare only figures of the same table. A bad
answer, one with another status than expected, fails its row's goal.
"""
LOSSES = "Where we lose"
LOSSES_TEXT = """\
* A task starts later than Celery's. A Celery worker waits for its task and takes it in milliseconds;
  a Cloud Run job starts a container, which takes seconds. We accept it: a job uses nothing while
  there is no work, and one that dies harms no other.
* Every request verifies a token, writes a ledger entry and waits for an fsync, before the answer. The
  old design does none of this, and answers 1.5 to 1.7 times as many POSTs with two processes.
* POST at 16 connections: about twice as many as before, not 2.5 times. Of 1.1 ms of CPU, 0.4 ms are the
  kernel's: 17 pages for the write-ahead logs, two fsyncs, and about 30 switches between
  threads. One core's worth of Python is the limit of a process. Tried without effect: fewer threads,
  other switch intervals, buffered log lines, longer groups, cheaper timers and ids. Left out on
  purpose: the log lines (17 %), the queue's own commit (17 %) and the fsyncs (10 %) are promises.
* A 304 costs eight tenths of a 200, not one third: views that are known are only joined, so that most
  of both is the request itself. It costs about a quarter of a 200 before.
* One creation and the feed are twice as fast, not three times: a token, a route, a thread and a log line
  are all that is left of them.
* A local job without work takes 2.5 times its bare imports, sqlite3 and cattrs, which take 45 ms; in the
  cloud it takes less than Firestore's imports.
"""
_SECTION = re.compile(r"^## (.*)\n", re.MULTILINE)


@dataclass
class Results:
    """The tables of one run."""

    before: str
    now: str
    tables: list[Table] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Parts that could not run."""
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    def heading(self) -> str:
        """Return the machine, the commits and the load before the run."""
        return (
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores,"
            f" Python {platform.python_version()}, load {self.load:.1f} at the start;"
            f" before {self.before}, now {self.now}."
        )

    def summary(self) -> str:
        rows = [(table, row) for table in self.tables for row in table.rows]
        missed = [f"{table.title}: {row.what}" for table, row in rows if row.holds is False]
        reached = sum(row.holds is True for _, row in rows)
        goals = "\n  ".join([f"{reached} goals reached, {len(missed)} missed", *missed])
        return "\n".join([goals, *self.problems])


def record(results: Results) -> None:
    """Replace the sections of these tables in the file; keep all others."""
    text = FILE.read_text() if FILE.exists() else HEAD
    FILE.write_text(recorded(text, results))


def recorded(text: str, results: Results) -> str:
    """Return the text of the file: a section for each table, and then the others as they were."""
    _, *parts = _SECTION.split(text)
    old = dict(zip(parts[::2], parts[1::2], strict=True))
    old.pop(LOSSES, None)
    new = {each.title: f"{results.heading()} {each.markdown()}" for each in results.tables}
    sections = new | {title: text for title, text in old.items() if title not in new}
    sections[LOSSES] = LOSSES_TEXT
    parts = [f"## {title}\n\n{section.strip()}\n" for title, section in sections.items()]
    return "\n".join([HEAD, *parts])
