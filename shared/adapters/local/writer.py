"""Group commit: one thread commits the waiting transactions of a process together.

They share one BEGIN IMMEDIATE, which is the fastest safe way to write with synchronous=FULL. If their
writes fail, the group is rolled back and each runs alone.

Processes take turns by a lock on a file next to the database: the kernel wakes the next one at once,
where SQLite's busy timeout sleeps while the last one writes again. That lock is for fairness only;
SQLite's own lock protects the data. The kernel frees both if a process is killed; one that is stopped
while it holds them blocks the writes of all.
"""

import contextlib
import fcntl
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

from shared.adapters.local.sqlite import BUSY_TIMEOUT_S, connect
from shared.domain.errors import OutcomeUnknown, Unavailable

GROUP_SIZE_MAX = 64
LOCK_SUFFIX = "-lock"

WorkT = TypeVar("WorkT")
Outcome = tuple[Any, BaseException | None]
"""A transaction's result, or the error that kept it from writing anything."""


@dataclass(frozen=True)
class _Waiting(Generic[WorkT]):
    work: WorkT
    future: "Future[Any]"


class GroupWriter(Generic[WorkT]):
    """The one writer of a process to a file.

    `carry_out` runs a group's work and returns its outcomes; what it raises rolls the group back.
    SQLite's errors become `unavailable` if nothing was written, and `unknown` if a commit failed.
    A transaction that does not begin within `timeout_s` is cancelled and `unavailable`; one that
    does not end within as much again is `unknown`.
    """

    def __init__(
        self,
        path: Path,
        carry_out: Callable[[sqlite3.Connection, Sequence[WorkT]], list[Outcome]],
        *,
        unavailable: type[Unavailable],
        unknown: type[Unavailable] = OutcomeUnknown,
        timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self._carry_out = carry_out
        self._unavailable, self._unknown, self._timeout_s = unavailable, unknown, timeout_s
        self._lock = _opened(path.with_name(path.name + LOCK_SUFFIX))
        self._connection = connect(path, busy_timeout_s=timeout_s)
        self._waiting: queue.SimpleQueue[_Waiting[WorkT] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="sqlite-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Commit what waits; give up if another process blocks the file."""
        self._waiting.put(None)
        self._thread.join(2 * self._timeout_s)

    def run(self, work: WorkT) -> Any:  # noqa: ANN401 (the work's own result)
        """Return the work's result after the commit, or raise what it raises. It may run twice."""
        future: Future[Any] = Future()
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
        if self._lock is not None:
            self._lock.close()

    def _arrived(self) -> Iterator[_Waiting[WorkT]]:
        """Yield what waits, at most as much as a group has room for after its first."""
        with contextlib.suppress(queue.Empty):
            for _ in range(GROUP_SIZE_MAX - 1):
                waiting = self._waiting.get_nowait()
                if waiting is None:
                    self._waiting.put(None)
                    return
                yield waiting

    def _commit(self, group: Sequence[_Waiting[WorkT]]) -> list[Outcome]:
        """Return each transaction's outcome once the group is committed."""
        outcomes: list[Outcome] = [(None, None)] * len(group)
        failure, has_begun = self._unavailable, False
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            has_begun = True
            outcomes = self._carry_out(self._connection, [each.work for each in group])
            has_begun, failure = False, self._unknown
            self._connection.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 (raised again by `run`)
            self._roll_back()
            if has_begun and len(group) > 1:
                return [outcome for each in group for outcome in self._commit([each])]
            if not isinstance(error, sqlite3.Error):
                return [(None, error)] * len(group)
            return [(None, own or failure(reason=str(error))) for _, own in outcomes]
        return outcomes

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")


def _opened(lock: Path) -> BinaryIO | None:
    try:
        return lock.open("wb", buffering=0)
    except OSError:
        return None


@contextlib.contextmanager
def _turn(lock: BinaryIO | None) -> Iterator[None]:
    """Let other processes write first; continue without if there can be no lock."""
    if lock is None:
        yield
        return
    with contextlib.suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_UN)
