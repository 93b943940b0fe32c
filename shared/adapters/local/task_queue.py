"""The local queue with the behaviour of Cloud Tasks: names, schedule time, rate limit, back-off.

Delivery is at least once: a task is marked as done after its execution has started.
"""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from shared.adapters.local.sqlite import ConnectionPool, check_writable, translated
from shared.domain.errors import QueueUnavailable
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.ports.clock import Clock
from shared.ports.task_queue import TRIES, TRY_TIMEOUT_S

log = logging.getLogger(__name__)

NAME_KEPT = timedelta(hours=24)
"""How long the name of a finished task stays reserved."""

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
"""


@dataclass(frozen=True, kw_only=True)
class QueueLimits:
    dispatches_per_s: float = 5
    dispatches_max: int = 10
    back_off_min_s: float = 5
    back_off_max_s: float = 60

    def back_off_s(self, dispatches: int) -> float:
        return min(self.back_off_min_s * 2.0 ** (dispatches - 1), self.back_off_max_s)


@dataclass(frozen=True)
class _Due:
    name: str
    creation_id: CreationId
    dispatches: int


class SQLiteQueue:
    """The `TaskQueue` on one machine, and its dispatcher."""

    def __init__(self, path: Path, *, clock: Clock, limits: QueueLimits | None = None) -> None:
        """Open or create the file; raise `QueueUnavailable` if it is unusable."""
        self._pool = ConnectionPool(path, busy_timeout_s=TRY_TIMEOUT_S)
        self._clock = clock
        self.limits = limits or QueueLimits()
        self._next_dispatch_s: dict[Kind, float] = {}
        with translated(QueueUnavailable):
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._pool.connection() as connection:
                connection.executescript(_SCHEMA)

    def close(self) -> None:
        self._pool.close()

    def check_writable(self) -> None:
        """Raise `QueueUnavailable` if a commit would fail now."""
        with translated(QueueUnavailable), self._pool.connection() as connection:
            check_writable(connection)

    def enqueue(
        self,
        creation_id: CreationId,
        *,
        kind: Kind,
        number: int,
        not_before: datetime | None = None,
    ) -> None:
        now = self._clock.now()
        due, forget_before = not_before or now, now - NAME_KEPT
        row = (_name(creation_id, number), kind, creation_id, now.timestamp(), due.timestamp())
        for _ in range(TRIES - 1):
            with contextlib.suppress(QueueUnavailable):
                return self._insert(row, forget_before_s=forget_before.timestamp())
        return self._insert(row, forget_before_s=forget_before.timestamp())

    def _insert(self, row: tuple[str | float, ...], *, forget_before_s: float) -> None:
        with translated(QueueUnavailable), self._pool.transaction() as connection:
            connection.execute("DELETE FROM tasks WHERE done_s < ?", [forget_before_s])
            connection.execute(
                "INSERT INTO tasks (name, kind, creation_id, created_s, due_s)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
                row,
            )

    def withdraw(self, creation_id: CreationId, *, kind: Kind, number: int) -> None:  # noqa: ARG002 (one table holds both kinds)
        with translated(QueueUnavailable), self._pool.transaction() as connection:
            connection.execute(
                "UPDATE tasks SET done_s = ? WHERE name = ? AND done_s IS NULL",
                [self._clock.now().timestamp(), _name(creation_id, number)],
            )

    def dispatches_per_s(self, kind: Kind) -> float:  # noqa: ARG002 (the rate is the same for both)
        return self.limits.dispatches_per_s

    def waits(self, creation_id: CreationId, *, kind: Kind, number: int) -> bool:  # noqa: ARG002 (one table holds both kinds)
        with translated(QueueUnavailable), self._pool.connection() as connection:
            select = "SELECT 1 FROM tasks WHERE name = ? AND done_s IS NULL"
            row = connection.execute(select, [_name(creation_id, number)]).fetchone()
        return row is not None

    def dispatch(self, kind: Kind, run: Callable[[CreationId], object]) -> bool:
        """Dispatch the next due task, if any, within the rate limit.

        `run` starts an execution; if it raises, the task is retried after a back-off.
        """
        now_s = self._clock.now().timestamp()
        if now_s < self._next_dispatch_s.get(kind, 0):
            return False
        with translated(QueueUnavailable):
            task = self._due(kind, now_s)
            if task is None:
                return False
            self._next_dispatch_s[kind] = now_s + 1 / self.limits.dispatches_per_s
            try:
                run(task.creation_id)
            except Exception:
                log.exception("dispatch_failed", extra={"creation_id": task.creation_id})
                self._put_off(task, now_s)
            else:
                self._end(task, now_s)
        return True

    def _due(self, kind: Kind, now_s: float) -> _Due | None:
        with self._pool.connection() as connection:
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
        with self._pool.transaction() as connection:
            connection.execute(
                "UPDATE tasks SET dispatches = ?, due_s = ? WHERE name = ? AND done_s IS NULL",
                [dispatches, now_s + self.limits.back_off_s(dispatches), task.name],
            )

    def _end(self, task: _Due, now_s: float) -> None:
        with self._pool.transaction() as connection:
            connection.execute("UPDATE tasks SET done_s = ? WHERE name = ?", [now_s, task.name])


def _name(creation_id: CreationId, number: int) -> str:
    return f"{creation_id}-{number}"
