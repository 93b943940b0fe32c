"""The local queue with the behaviour of Cloud Tasks: names, schedule time, rate limit, back-off.

Delivery is at least once: a task is marked as done after its execution has started.
"""

import contextlib
import logging
import math
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from shared.adapters.local.sqlite import TOUCH, ConnectionPool, translated
from shared.adapters.local.writer import GroupWriter, Outcome
from shared.domain.errors import QueueUnavailable
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.ports.clock import Clock
from shared.ports.task_queue import TRIES, TRY_TIMEOUT_S

log = logging.getLogger(__name__)

NAME_KEPT = timedelta(hours=24)
"""How long the name of a finished task stays reserved, at least."""
FORGET_EVERY_S = 60.0
FORGOTTEN_MAX = 1000
"""How many names one transaction frees, so that it blocks nobody for long."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tasks (
  name TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  creation_id TEXT NOT NULL,
  created_s REAL NOT NULL,
  due_s REAL NOT NULL,
  dispatches INTEGER NOT NULL DEFAULT 0,
  done_s REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tasks_due ON tasks (kind, due_s) WHERE done_s IS NULL;
CREATE INDEX IF NOT EXISTS tasks_done ON tasks (done_s) WHERE done_s IS NOT NULL;
"""


@dataclass(frozen=True, kw_only=True)
class QueueLimits:
    dispatches_per_s: float = 5
    running_pause_s: float = 0.5
    """Between two dispatches, for each execution of the kind that runs and may take the task."""
    dispatches_max: int = 10
    back_off_min_s: float = 5
    back_off_max_s: float = 60

    def interval_s(self, *, running: int) -> float:
        return max(1 / self.dispatches_per_s, self.running_pause_s * running)

    def back_off_s(self, dispatches: int) -> float:
        return min(self.back_off_min_s * 2.0 ** (dispatches - 1), self.back_off_max_s)


_Statement = tuple[str, tuple[str | float, ...]]


@dataclass(frozen=True)
class _Due:
    name: str
    creation_id: CreationId
    dispatches: int


class SQLiteQueue:
    """The `TaskQueue` on one machine, and its dispatcher."""

    def __init__(self, path: Path, *, clock: Clock, limits: QueueLimits | None = None) -> None:
        """Open or create the file; raise `QueueUnavailable` if it is unusable."""
        self._readers = ConnectionPool(path, busy_timeout_s=TRY_TIMEOUT_S)
        self._clock = clock
        self.limits = limits or QueueLimits()
        self._last_dispatch_s: dict[Kind, float] = {}
        self._next_forgetting_s = -math.inf
        """Both by the monotonic clock: the machine's time may be set back."""
        with translated(QueueUnavailable):
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._readers.connection() as connection:
                connection.executescript(_SCHEMA)
            self._writer = GroupWriter(
                path,
                _execute,
                unavailable=QueueUnavailable,
                unknown=QueueUnavailable,
                timeout_s=TRY_TIMEOUT_S,
            )

    def close(self) -> None:
        self._writer.close()
        self._readers.close()

    def check_writable(self) -> None:
        """Raise `QueueUnavailable` if a commit fails now."""
        self._write(TOUCH)

    def enqueue(
        self,
        creation_id: CreationId,
        *,
        kind: Kind,
        number: int,
        not_before: datetime | None = None,
    ) -> None:
        now = self._clock.now()
        due = not_before or now
        row = (_name(creation_id, number), kind, creation_id, now.timestamp(), due.timestamp())
        for _ in range(TRIES - 1):
            with contextlib.suppress(QueueUnavailable):
                return self._insert(*row)
        return self._insert(*row)

    def _insert(self, *row: str | float) -> None:
        self._write(
            "INSERT INTO tasks (name, kind, creation_id, created_s, due_s)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
            *row,
        )

    def withdraw(self, creation_id: CreationId, *, kind: Kind, number: int) -> None:  # noqa: ARG002 (one table holds both kinds)
        self._write(
            "UPDATE tasks SET done_s = ? WHERE name = ? AND done_s IS NULL",
            *(self._clock.now().timestamp(), _name(creation_id, number)),
        )

    def dispatches_per_s(self, kind: Kind) -> float:  # noqa: ARG002 (the rate is the same for both)
        return self.limits.dispatches_per_s

    def waits(self, creation_id: CreationId, *, kind: Kind, number: int) -> bool:  # noqa: ARG002 (one table holds both kinds)
        with translated(QueueUnavailable), self._readers.connection() as connection:
            select = "SELECT 1 FROM tasks WHERE name = ? AND done_s IS NULL"
            row = connection.execute(select, [_name(creation_id, number)]).fetchone()
        return row is not None

    def dispatch(
        self, kind: Kind, run: Callable[[CreationId], object], *, running: int = 0
    ) -> bool:
        """Dispatch the next due task, if any, within the rate limit.

        `run` starts an execution; if it raises, the task is retried after a back-off. `running`
        ones of the kind may take the task meanwhile, and a further one takes its start's CPU time
        from them: the more run, the later the next starts.
        """
        now_s, monotonic_s = self._clock.now().timestamp(), self._clock.monotonic_s()
        self._forget(now_s, monotonic_s)
        interval_s = self.limits.interval_s(running=running)
        if monotonic_s < self._last_dispatch_s.get(kind, -math.inf) + interval_s:
            return False
        with translated(QueueUnavailable):
            task = self._due(kind, now_s)
            if task is None:
                return False
            self._last_dispatch_s[kind] = monotonic_s
            try:
                run(task.creation_id)
            except Exception:
                log.exception("dispatch_failed", extra={"creation_id": task.creation_id})
                self._put_off(task, now_s)
            else:
                self._end(task, now_s)
        return True

    def _due(self, kind: Kind, now_s: float) -> _Due | None:
        with self._readers.connection() as connection:
            row = connection.execute(
                "SELECT name, creation_id, dispatches FROM tasks"
                " WHERE kind = ? AND due_s <= ? AND done_s IS NULL ORDER BY due_s LIMIT 1",
                [kind, now_s],
            ).fetchone()
        return None if row is None else _Due(*row)

    def _put_off(self, task: _Due, now_s: float) -> None:
        dispatches = task.dispatches + 1
        if dispatches >= self.limits.dispatches_max:
            self._end(task, now_s)
            return
        self._write(
            "UPDATE tasks SET dispatches = ?, due_s = ? WHERE name = ? AND done_s IS NULL",
            *(dispatches, now_s + self.limits.back_off_s(dispatches), task.name),
        )

    def _end(self, task: _Due, now_s: float) -> None:
        self._write("UPDATE tasks SET done_s = ? WHERE name = ?", now_s, task.name)

    def _forget(self, now_s: float, monotonic_s: float) -> None:
        """Free the names of tasks that finished long ago, now and then."""
        if monotonic_s < self._next_forgetting_s:
            return
        self._next_forgetting_s = monotonic_s + FORGET_EVERY_S
        forgotten = self._write(
            "DELETE FROM tasks WHERE name IN (SELECT name FROM tasks WHERE done_s < ? LIMIT ?)",
            *(now_s - NAME_KEPT.total_seconds(), FORGOTTEN_MAX),
        )
        if forgotten == FORGOTTEN_MAX:
            self._next_forgetting_s = monotonic_s

    def _write(self, statement: str, *values: str | float) -> int:
        """Execute and commit a statement; return the number of rows that it changed."""
        row_count: int = self._writer.run((statement, values))
        return row_count


def _execute(connection: sqlite3.Connection, statements: Sequence[_Statement]) -> list[Outcome]:
    return [(connection.execute(*each).rowcount, None) for each in statements]


def _name(creation_id: CreationId, number: int) -> str:
    return f"{creation_id}-{number}"
