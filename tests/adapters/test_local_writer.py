"""The group writer: what a transaction that waits for other processes gets, and its own errors."""

import fcntl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from shared.adapters.local import writer
from shared.adapters.local.sqlite import connect
from shared.adapters.local.writer import LOCK_SUFFIX, GroupWriter
from shared.domain.errors import OutcomeUnknown, StoreUnavailable
from tests.support.eventually import eventually
from tests.support.failing_commits import FailingCommits

LOCK = f"store.db{LOCK_SUFFIX}"


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "store.db"
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE numbers (number INTEGER)")
        yield path


def opened(path: Path, *, timeout_s: float = 5) -> GroupWriter:
    return GroupWriter(path, unavailable=StoreUnavailable, timeout_s=timeout_s)


def insert(writer: GroupWriter, number: int) -> int:
    return writer.run(
        lambda connection: connection.execute("INSERT INTO numbers VALUES (?)", [number]).rowcount
    )


def numbers(path: Path) -> list[int]:
    with closing(connect(path)) as connection:
        return [number for [number] in connection.execute("SELECT * FROM numbers ORDER BY number")]


def test_transaction_that_waits_too_long_is_unavailable_and_never_written(path: Path) -> None:
    with closing(opened(path, timeout_s=0.05)) as ours:
        with (path.parent / LOCK).open("wb") as rival:
            fcntl.flock(rival, fcntl.LOCK_EX)
            with pytest.raises(StoreUnavailable):
                insert(ours, 1)
        eventually(lambda: insert(ours, 2))

    assert numbers(path) == [2]


def test_transactions_that_wait_are_committed_together(path: Path) -> None:
    statements: list[str] = []
    with closing(opened(path)) as ours, ThreadPoolExecutor(8) as threads:
        ours._connection.set_trace_callback(statements.append)
        with (path.parent / LOCK).open("wb") as rival:
            fcntl.flock(rival, fcntl.LOCK_EX)
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
    with (path.parent / LOCK).open("wb") as rival:
        fcntl.flock(rival, fcntl.LOCK_EX)
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
        with (path.parent / LOCK).open("wb") as rival:
            fcntl.flock(rival, fcntl.LOCK_EX)
            results = [threads.submit(insert, ours, number) for number in range(2)]
            eventually(lambda: ours._waiting.qsize() == 1)
        errors = [result.exception() for result in results]

    assert [type(error) for error in errors] == [OutcomeUnknown] * 2
    assert errors[0] is not errors[1]
