"""The group writer: what a transaction that waits for other processes gets, and its own errors."""

import errno
import fcntl
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from shared.adapters.local import writer
from shared.adapters.local.sqlite import connect
from shared.adapters.local.writer import LOCK_SUFFIX, GroupWriter, Outcome
from shared.domain.errors import OutcomeUnknown, StoreUnavailable
from tests.support.eventually import eventually
from tests.support.failing_commits import FailingCommits
from tests.support.rival_writer import rival_writer

LOCK = f"store.db{LOCK_SUFFIX}"


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "store.db"
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE numbers (number INTEGER)")
        yield path


Work = Callable[[sqlite3.Connection], object]
Writer = GroupWriter[Work]


def opened(path: Path, *, timeout_s: float = 5) -> Writer:
    return GroupWriter(path, in_turn, unavailable=StoreUnavailable, timeout_s=timeout_s)


def in_turn(connection: sqlite3.Connection, works: Sequence[Work]) -> list[Outcome]:
    return [(work(connection), None) for work in works]


def insert(writer: Writer, number: int) -> object:
    return writer.run(
        lambda connection: connection.execute("INSERT INTO numbers VALUES (?)", [number]).rowcount
    )


def numbers(path: Path) -> list[int]:
    with closing(connect(path)) as connection:
        return [number for [number] in connection.execute("SELECT * FROM numbers ORDER BY number")]


def test_transaction_that_waits_too_long_is_unavailable_and_never_written(path: Path) -> None:
    with closing(opened(path, timeout_s=0.05)) as ours:
        with rival_writer(path), pytest.raises(StoreUnavailable):
            insert(ours, 1)
        eventually(lambda: insert(ours, 2))

    assert numbers(path) == [2]


def test_transactions_that_wait_are_committed_together(path: Path) -> None:
    statements: list[str] = []
    with closing(opened(path)) as ours, ThreadPoolExecutor(8) as threads:
        ours._connection.set_trace_callback(statements.append)
        with rival_writer(path):
            results = [threads.submit(insert, ours, number) for number in range(8)]
            eventually(lambda: ours._waiting.qsize() == 7)
        assert [result.result() for result in results] == [1] * 8

    assert numbers(path) == [*range(8)]
    assert statements.count("COMMIT") == 1


def test_writer_without_a_lock_file_relies_on_the_databases_lock(path: Path) -> None:
    (path.parent / LOCK).mkdir()
    with closing(opened(path)) as ours:
        assert insert(ours, 1)

    assert numbers(path) == [1]


def test_writer_that_another_process_blocks_can_be_closed(path: Path) -> None:
    with rival_writer(path):
        with closing(opened(path, timeout_s=0.05)) as ours, pytest.raises(StoreUnavailable):
            insert(ours, 1)
        assert ours._thread.is_alive()
    ours._thread.join()

    assert numbers(path) == []


def test_each_caller_gets_an_error_of_its_own(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A use case adds its creation to the error."""
    failing = FailingCommits.of(connect, failures=1, is_applied=False)
    monkeypatch.setattr(writer, "connect", failing)
    with closing(opened(path)) as ours, ThreadPoolExecutor(2) as threads:
        with rival_writer(path):
            results = [threads.submit(insert, ours, number) for number in range(2)]
            eventually(lambda: ours._waiting.qsize() == 1)
        errors = [result.exception() for result in results]

    assert [type(error) for error in errors] == [OutcomeUnknown] * 2
    assert errors[0] is not errors[1]


def half_written(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO numbers VALUES (99)")
    raise KeyError("planned")


def test_half_written_transaction_leaves_nothing_and_affects_no_other(path: Path) -> None:
    with closing(opened(path)) as ours, ThreadPoolExecutor(9) as threads:
        with rival_writer(path):
            results = [threads.submit(insert, ours, number) for number in range(4)]
            torn = threads.submit(ours.run, half_written)
            results += [threads.submit(insert, ours, number) for number in range(4, 8)]
            eventually(lambda: ours._waiting.qsize() == 8)
        assert isinstance(torn.exception(), KeyError)
        assert [result.result() for result in results] == [1] * 8
        assert insert(ours, 8)

    assert numbers(path) == [*range(9)]


def test_half_written_transaction_alone_leaves_nothing(path: Path) -> None:
    with closing(opened(path)) as ours:
        with pytest.raises(KeyError):
            ours.run(half_written)
        assert insert(ours, 1)

    assert numbers(path) == [1]


def test_transaction_after_one_that_sqlite_rolled_back_is_still_whole(path: Path) -> None:
    """A full disk rolls back the whole group; what follows must not write without a transaction."""

    def rolled_back(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    def whole(connection: sqlite3.Connection) -> bool:
        is_whole = connection.in_transaction
        connection.execute("INSERT INTO numbers VALUES (1)")
        return is_whole

    with closing(opened(path)) as ours, ThreadPoolExecutor(2) as threads:
        with rival_writer(path):
            first = threads.submit(ours.run, rolled_back)
            eventually(lambda: first.running() and ours._waiting.empty())
            second = threads.submit(ours.run, whole)
            eventually(lambda: ours._waiting.qsize() == 1)
        assert isinstance(first.exception(), StoreUnavailable)
        assert second.result()

    assert numbers(path) == [1]


def test_file_system_without_locks_relies_on_the_databases_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with closing(opened(path)) as ours:
        assert [insert(ours, 1), insert(ours, 2)] == [1, 1]

    assert numbers(path) == [1, 2]


def test_unexpected_error_at_a_commit_reaches_each_caller_and_ends_no_writer(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = FailingCommits.of(connect, failures=1, is_applied=False, error=MemoryError())
    monkeypatch.setattr(writer, "connect", failing)
    with closing(opened(path)) as ours, ThreadPoolExecutor(2) as threads:
        with rival_writer(path):
            results = [threads.submit(insert, ours, number) for number in range(2)]
            eventually(lambda: ours._waiting.qsize() == 1)
        assert [type(result.exception()) for result in results] == [MemoryError] * 2
        assert insert(ours, 9) == 1

    assert numbers(path) == [9]
