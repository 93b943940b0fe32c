"""Group commit: one thread commits the waiting transactions of a process together.

They share one BEGIN IMMEDIATE, which is the fastest safe way to write with synchronous=FULL. If one
of them fails after its first write, the group is rolled back and each runs alone.

Processes take turns by a lock on a file next to the database: the kernel wakes the next one at once,
where SQLite's busy timeout sleeps while the last one writes again. That lock is for fairness only;
SQLite's own lock protects the data. The kernel frees both if a process is killed.
"""

import contextlib
import fcntl
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from shared.adapters.local.sqlite import BUSY_TIMEOUT_S, connect
from shared.domain.errors import OutcomeUnknown, Unavailable

GROUP_SIZE_MAX = 64
LOCK_SUFFIX = "-lock"

ResultT = TypeVar("ResultT")
_Outcome = tuple[Any, BaseException | None]


@dataclass(frozen=True)
class _Waiting:
    work: Callable[[sqlite3.Connection], Any]
    future: "Future[Any]"


class _HalfWritten(Exception):
    """A transaction failed after its first write, or SQLite rolled its group back; see the cause."""


class GroupWriter:
    """The one writer of a process to a file.

    SQLite's errors become `unavailable` if nothing was written, and `unknown` if a commit failed.
    A transaction that does not begin within `timeout_s` is cancelled and `unavailable`; one that
    does not end within as much again is `unknown`.
    """

    def __init__(
        self,
        path: Path,
        *,
        unavailable: type[Unavailable],
        unknown: type[Unavailable] = OutcomeUnknown,
        timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self._unavailable, self._unknown, self._timeout_s = unavailable, unknown, timeout_s
        self._lock = path.with_name(path.name + LOCK_SUFFIX)
        self._connection = connect(path, busy_timeout_s=timeout_s)
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="sqlite-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Commit what waits; give up if another process blocks the file."""
        self._waiting.put(None)
        self._thread.join(2 * self._timeout_s)

    def run(self, work: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        """Run a function in a transaction, and return its result after the commit.

        The function may run twice. What it raises is raised here: its writes are rolled back, and
        those of others are not.
        """
        future: Future[ResultT] = Future()
        self._waiting.put(_Waiting(work, future))
        with contextlib.suppress(TimeoutError):
            return future.result(self._timeout_s)
        if future.cancel():
            raise self._unavailable(reason="the writer did not begin in time")
        try:
            return future.result(self._timeout_s)
        except TimeoutError as error:
            raise self._unknown(reason="the writer did not respond in time") from error

    def _write(self) -> None:
        while (first := self._waiting.get()) is not None:
            with _turn(self._lock):
                arrived = [first, *self._arrived()]
                group = [each for each in arrived if each.future.set_running_or_notify_cancel()]
                outcomes = self._commit(group)
            for waiting, (result, error) in zip(group, outcomes, strict=True):
                if error is None:
                    waiting.future.set_result(result)
                else:
                    waiting.future.set_exception(error)
        self._connection.close()

    def _arrived(self) -> Iterator[_Waiting]:
        """Yield what waits, at most as much as a group has room for after its first."""
        with contextlib.suppress(queue.Empty):
            for _ in range(GROUP_SIZE_MAX - 1):
                waiting = self._waiting.get_nowait()
                if waiting is None:
                    self._waiting.put(None)
                    return
                yield waiting

    def _commit(self, group: list[_Waiting]) -> list[_Outcome]:
        """Return each transaction's result or error, once they are committed."""
        outcomes: list[_Outcome] = [(None, None)] * len(group)
        failure = self._unavailable
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._outcome(waiting) for waiting in group]
            failure = self._unknown
            self._connection.execute("COMMIT")
        except _HalfWritten as half:
            self._roll_back()
            if len(group) == 1:
                return [(None, half.__cause__)]
            return [outcome for each in group for outcome in self._commit([each])]
        except sqlite3.Error as error:
            self._roll_back()
            return [(None, own or failure(reason=str(error))) for _, own in outcomes]
        return outcomes

    def _outcome(self, waiting: _Waiting) -> _Outcome:
        """Return a transaction's result, or its error if it wrote nothing."""
        changes = self._connection.total_changes
        try:
            return waiting.work(self._connection), None
        except BaseException as error:  # noqa: BLE001 (raised again by `run`)
            is_sqlite = isinstance(error, sqlite3.Error)
            own = self._unavailable(reason=str(error)) if is_sqlite else error
            if self._connection.total_changes != changes or not self._connection.in_transaction:
                raise _HalfWritten from own
            return None, own

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")


@contextlib.contextmanager
def _turn(lock: Path) -> Iterator[None]:
    """Let other processes write first; continue without if there can be no lock."""
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            fcntl.flock(held.enter_context(lock.open("wb", buffering=0)), fcntl.LOCK_EX)
        yield
