"""Concurrent writers of the local files: each is answered after its commit, and for itself."""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.local import sqlite as sqlite_files
from shared.adapters.local import writer
from shared.adapters.local.sqlite import connect
from shared.adapters.local.store import SQLiteStore
from shared.adapters.local.task_queue import SQLiteQueue
from shared.domain.errors import OutcomeUnknown
from shared.domain.kind import Kind
from shared.ports.store import Decision, Found, unchanged, write
from tests.support.builders import a_creation_id, an_account
from tests.support.eventually import eventually
from tests.support.fakes import FakeClock

WRITERS = 16
COMMIT_S = 0.02
"""So slow that a response before the end of a commit is noticed."""


@dataclass
class Commits:
    """Every commit of the local files: slow, and failing while `error` is set."""

    count: int = 0
    error: sqlite3.Error | None = None
    never: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        self.count += 1
        self.never.wait(COMMIT_S)
        if self.error is not None:
            raise self.error


@dataclass
class WatchedConnection:
    connection: sqlite3.Connection
    commits: Commits

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        if statement == "COMMIT":
            self.commits.begin()
        return self.connection.execute(statement, *parameters)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Commits:
    commits = Commits()

    def connect_watched(path: Path, **options: Any) -> WatchedConnection:
        return WatchedConnection(connect(path, **options), commits)

    for module in (writer, sqlite_files):
        monkeypatch.setattr(module, "connect", connect_watched)
    return commits


def is_committed(path: Path, select: str, value: str) -> bool:
    """Return whether another connection sees the row."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(select, [value]).fetchone() is not None


def at_once(act: Callable[[str], bool]) -> list[bool]:
    """Call from each of the writers with its name, all at the same moment."""
    start = threading.Barrier(WRITERS)

    def begin(number: int) -> bool:
        start.wait()
        return act(f"user-{number}")

    with ThreadPoolExecutor(WRITERS) as threads:
        return list(threads.map(begin, range(WRITERS)))


def test_each_transaction_returns_after_its_commit(tmp_path: Path, commits: Commits) -> None:
    path = tmp_path / "store.db"
    with closing(SQLiteStore(path)) as store:

        def create(user: str) -> bool:
            store.transact([], lambda _: write(an_account(user), result=None))
            return is_committed(path, "SELECT 1 FROM users WHERE id = ?", user)

        assert at_once(create) == [True] * WRITERS
    assert 1 <= commits.count < WRITERS


def test_each_task_is_created_after_its_commit(
    tmp_path: Path, commits: Commits, clock: FakeClock
) -> None:
    path = tmp_path / "queue.db"
    with closing(SQLiteQueue(path, clock=clock)) as queue:

        def enqueue(user: str) -> bool:
            creation_id = a_creation_id("one", user)
            queue.enqueue(creation_id, kind=Kind.IMAGE, number=1)
            return is_committed(path, "SELECT 1 FROM tasks WHERE creation_id = ?", creation_id)

        assert at_once(enqueue) == [True] * WRITERS
    assert commits.count >= 1


def test_each_transaction_of_a_failed_commit_has_an_unknown_outcome(
    tmp_path: Path, commits: Commits
) -> None:
    with closing(SQLiteStore(tmp_path / "store.db")) as store, ThreadPoolExecutor() as threads:
        is_first_running, is_group_waiting = threading.Event(), threading.Event()

        def occupy(_: Found) -> Decision[None]:
            is_first_running.set()
            is_group_waiting.wait(10)
            return unchanged(None)

        first = threads.submit(store.transact, [], occupy)
        is_first_running.wait(10)
        waiting: list[str] = []

        def create(user: str) -> bool:
            waiting.append(user)
            with pytest.raises(OutcomeUnknown):
                store.transact([], lambda _: write(an_account(user), result=None))
            return store.get(an_account(user).key) is None

        group = threads.submit(at_once, create)
        eventually(lambda: len(waiting) == WRITERS)
        commits.error = sqlite3.OperationalError("disk I/O error")
        is_group_waiting.set()

        assert group.result() == [True] * WRITERS
        with pytest.raises(OutcomeUnknown):
            first.result()
        commits.error = None
        store.transact([], lambda _: write(an_account(), result=None))
        assert store.get(an_account().key) == an_account()
