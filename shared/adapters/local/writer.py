"""Group commit: one thread commits the waiting transactions of a process together.

Each runs in a savepoint of one BEGIN IMMEDIATE, which is the fastest safe way to write with
synchronous=FULL. Processes take turns by the busy timeout.
"""

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from shared.adapters.local.sqlite import BUSY_TIMEOUT_S, connect
from shared.domain.errors import OutcomeUnknown, Unavailable

GROUP_SIZE_MAX = 64

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class _Waiting:
    work: Callable[[sqlite3.Connection], Any]
    future: "Future[Any]"


class GroupWriter:
    """The one writer of a process to a file.

    SQLite's errors become `unavailable` if nothing was written. They become `unknown` if a commit
    failed, or if there is no answer after twice the time that another process may block the file.
    """

    def __init__(
        self,
        path: Path,
        *,
        unavailable: type[Unavailable],
        unknown: type[Unavailable] = OutcomeUnknown,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self._unavailable, self._unknown = unavailable, unknown
        self.result_timeout_s = 2 * busy_timeout_s
        self._connection = connect(path, busy_timeout_s=busy_timeout_s)
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="sqlite-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._waiting.put(None)
        self._thread.join()

    def run(self, work: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        """Run a function in a transaction, and return its result after the commit.

        What it raises is raised here; its writes are rolled back, those of others are not.
        """
        future: Future[ResultT] = Future()
        self._waiting.put(_Waiting(work, future))
        try:
            return future.result(timeout=self.result_timeout_s)
        except TimeoutError as error:
            raise self._unknown(reason="the writer did not respond in time") from error

    def _write(self) -> None:
        is_open = True
        while is_open:
            group = [self._waiting.get()]
            with contextlib.suppress(queue.Empty):
                while len(group) < GROUP_SIZE_MAX:
                    group.append(self._waiting.get_nowait())
            is_open = None not in group
            self._commit([each for each in group if each is not None])
        self._connection.close()

    def _commit(self, group: list[_Waiting]) -> None:
        failure: Unavailable | None = None
        outcomes: list[tuple[object, BaseException | None]] = [(None, None)] * len(group)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._outcome(waiting) for waiting in group]
        except sqlite3.Error as error:
            failure = self._unavailable(reason=str(error))
        try:
            self._connection.execute("ROLLBACK" if failure else "COMMIT")
        except sqlite3.Error as error:
            failure = failure or self._unknown(reason=str(error))
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
        for waiting, (result, problem) in zip(group, outcomes, strict=True):
            if problem or failure:
                waiting.future.set_exception(problem or failure)
            else:
                waiting.future.set_result(result)

    def _outcome(self, waiting: _Waiting) -> tuple[object, BaseException | None]:
        """Return a transaction's result or its error; an error is rolled back."""
        self._connection.execute("SAVEPOINT one")
        try:
            result = waiting.work(self._connection)
        except BaseException as error:  # noqa: BLE001 (raised again by `run`)
            self._connection.execute("ROLLBACK TO one")
            is_sqlite = isinstance(error, sqlite3.Error)
            return None, self._unavailable(reason=str(error)) if is_sqlite else error
        finally:
            self._connection.execute("RELEASE one")
        return result, None
