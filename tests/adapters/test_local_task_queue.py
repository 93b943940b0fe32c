"""The local queue beyond its port: freed names, failing commits, many writers and its plans."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shared.adapters.local import writer
from shared.adapters.local.sqlite import connect
from shared.adapters.local.task_queue import FORGET_EVERY_S, FORGOTTEN_MAX, NAME_KEPT, SQLiteQueue
from shared.domain.errors import QueueUnavailable
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from tests.support.builders import a_creation_id
from tests.support.failing_commits import FailingCommits
from tests.support.fakes import FakeClock

ONE = a_creation_id("one")
ENQUEUE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shared.adapters.local.task_queue import SQLiteQueue
from shared.adapters.system.clock import SystemClock
from shared.domain.kind import Kind

queue = SQLiteQueue(Path(sys.argv[1]), clock=SystemClock())
with ThreadPoolExecutor(64) as threads:
    for _ in threads.map(lambda n: queue.enqueue(f"{sys.argv[2]}{n}", kind=Kind.IMAGE, number=1), range(256)):
        pass
queue.close()
"""


@pytest.fixture
def queue(tmp_path: Path, clock: FakeClock) -> Iterator[SQLiteQueue]:
    with closing(SQLiteQueue(tmp_path / "queue.db", clock=clock)) as opened:
        yield opened


def delivered(queue: SQLiteQueue, clock: FakeClock) -> list[CreationId]:
    tasks: list[CreationId] = []
    while queue.dispatch(Kind.IMAGE, tasks.append):
        clock.sleep(1)
    return tasks


@pytest.mark.parametrize(("running", "interval_s"), [(0, 0.2), (1, 0.5), (4, 2)])
def test_the_more_executions_run_the_later_the_next_starts(
    queue: SQLiteQueue, clock: FakeClock, running: int, interval_s: float
) -> None:
    for name in ("one", "two"):
        queue.enqueue(a_creation_id(name), kind=Kind.IMAGE, number=1)
    tasks: list[CreationId] = []

    assert queue.dispatch(Kind.IMAGE, tasks.append, running=running)
    clock.sleep(interval_s - 0.1)
    assert not queue.dispatch(Kind.IMAGE, tasks.append, running=running)
    clock.sleep(0.1)
    assert queue.dispatch(Kind.IMAGE, tasks.append, running=running)


def test_clock_that_is_set_back_stops_no_task(tmp_path: Path) -> None:
    clock = SetBackClock()
    with closing(SQLiteQueue(tmp_path / "queue.db", clock=clock)) as queue:
        queue.enqueue(a_creation_id("one"), kind=Kind.IMAGE, number=1)
        assert delivered(queue, clock) == [a_creation_id("one")]

        clock.set_back_s = 3600
        queue.enqueue(a_creation_id("two"), kind=Kind.IMAGE, number=1)

        assert delivered(queue, clock) == [a_creation_id("two")]


class SetBackClock(FakeClock):
    """A clock whose time, but not its monotonic one, may be set back."""

    set_back_s = 0

    def now(self) -> datetime:
        return super().now() - timedelta(seconds=self.set_back_s)


def test_end_of_an_execution_lets_the_next_task_start(queue: SQLiteQueue, clock: FakeClock) -> None:
    for name in ("one", "two"):
        queue.enqueue(a_creation_id(name), kind=Kind.IMAGE, number=1)
    tasks: list[CreationId] = []
    queue.dispatch(Kind.IMAGE, tasks.append)
    clock.sleep(1)

    assert not queue.dispatch(Kind.IMAGE, tasks.append, running=10)
    assert queue.dispatch(Kind.IMAGE, tasks.append, running=1)


def test_name_of_a_finished_task_is_reserved_for_a_day(
    queue: SQLiteQueue, clock: FakeClock
) -> None:
    queue.enqueue(ONE, kind=Kind.IMAGE, number=1)
    assert delivered(queue, clock) == [ONE]

    clock.sleep((NAME_KEPT - timedelta(seconds=2)).total_seconds())
    queue.enqueue(ONE, kind=Kind.IMAGE, number=1)
    assert delivered(queue, clock) == []

    clock.sleep(FORGET_EVERY_S)
    assert delivered(queue, clock) == []
    queue.enqueue(ONE, kind=Kind.IMAGE, number=1)
    assert delivered(queue, clock) == [ONE]


def test_old_names_are_freed_a_batch_at_a_time(
    tmp_path: Path, queue: SQLiteQueue, clock: FakeClock
) -> None:
    old_s = (clock.now() - NAME_KEPT).timestamp() - 1
    kept = "SELECT count(*) FROM tasks"
    with closing(connect(tmp_path / "queue.db")) as connection:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO tasks (name, kind, creation_id, created_s, due_s, done_s)"
            " VALUES (?, 'image', 'x', 0, 0, ?)",
            [(f"x-{number}", old_s) for number in range(FORGOTTEN_MAX + 1)],
        )
        connection.execute("COMMIT")

        queue.dispatch(Kind.IMAGE, print)
        assert connection.execute(kept).fetchone() == (1,)
        queue.dispatch(Kind.IMAGE, print)
        assert connection.execute(kept).fetchone() == (0,)


def test_task_whose_commit_failed_once_is_created(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = FailingCommits.of(connect, failures=1, is_applied=False)
    monkeypatch.setattr(writer, "connect", failing)
    with closing(SQLiteQueue(tmp_path / "queue.db", clock=clock)) as queue:
        queue.enqueue(ONE, kind=Kind.IMAGE, number=1)

        assert queue.waits(ONE, kind=Kind.IMAGE, number=1)


def test_task_whose_commit_failed_twice_is_reported(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = FailingCommits.of(connect, failures=2, is_applied=True)
    monkeypatch.setattr(writer, "connect", failing)
    with closing(SQLiteQueue(tmp_path / "queue.db", clock=clock)) as queue:
        with pytest.raises(QueueUnavailable):
            queue.enqueue(ONE, kind=Kind.IMAGE, number=1)

        assert queue.waits(ONE, kind=Kind.IMAGE, number=1)


def test_queue_locked_by_another_process_is_unavailable(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.adapters.local.task_queue.TRY_TIMEOUT_S", 0.05)
    with (
        closing(SQLiteQueue(tmp_path / "queue.db", clock=clock)) as queue,
        closing(connect(tmp_path / "queue.db")) as rival,
    ):
        rival.execute("BEGIN IMMEDIATE")
        with pytest.raises(QueueUnavailable):
            queue.enqueue(ONE, kind=Kind.IMAGE, number=1)
        rival.execute("ROLLBACK")

        queue.enqueue(ONE, kind=Kind.IMAGE, number=1)
        assert queue.waits(ONE, kind=Kind.IMAGE, number=1)


def test_many_threads_of_two_processes_and_a_dispatcher_find_the_queue_available(
    tmp_path: Path, queue: SQLiteQueue, clock: FakeClock
) -> None:
    command = [sys.executable, "-c", ENQUEUE, str(tmp_path / "queue.db")]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    tasks: set[CreationId] = set()

    clock.sleep(10 * 365 * 86_400)  # the tasks of the other processes are due
    others = [subprocess.Popen([*command, name], env=environment) for name in "ab"]
    with ThreadPoolExecutor(1) as waiting:
        ended = waiting.submit(lambda: [other.wait(60) for other in others])
        while queue.dispatch(Kind.IMAGE, tasks.add) or not ended.done():
            clock.sleep(1)
    tasks.update(delivered(queue, clock))

    assert ended.result() == [0, 0]
    assert tasks == {f"{name}{number}" for name in "ab" for number in range(256)}


def test_every_statement_of_the_queue_uses_an_index(
    tmp_path: Path, queue: SQLiteQueue, clock: FakeClock
) -> None:
    statements: list[str] = []
    queue._writer._connection.set_trace_callback(statements.append)
    with queue._readers.connection() as connection:
        connection.set_trace_callback(statements.append)

    def fail(_: CreationId) -> None:
        raise ConnectionError("planned")

    queue.enqueue(ONE, kind=Kind.IMAGE, number=1)
    queue.waits(ONE, kind=Kind.IMAGE, number=1)
    assert queue.dispatch(Kind.IMAGE, fail)
    clock.sleep(60)
    assert delivered(queue, clock) == [ONE]
    queue.withdraw(ONE, kind=Kind.IMAGE, number=1)

    planned = {each for each in statements if each.startswith(("SELECT", "UPDATE", "DELETE"))}
    with closing(sqlite3.connect(tmp_path / "queue.db")) as connection:
        for statement in planned:
            steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert not any("SCAN" in step or "TEMP" in step for step in steps), (statement, steps)
    assert {each.split()[0] for each in planned} == {"SELECT", "UPDATE", "DELETE"}
