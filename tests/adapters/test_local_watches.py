"""Watches of the embedded store beyond the port: what they read, and which writers they notice."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from shared.adapters.local import watches
from shared.adapters.local.sqlite import connect
from shared.adapters.local.store import SQLiteStore
from shared.adapters.local.watches import CHANGES_KEPT, TRIM_EVERY
from shared.domain.keys import UserId
from shared.ports.store import write
from tests.support.builders import ADA, BEN, a_creation, an_account
from tests.support.change_recorder import ChangeRecorder
from tests.support.eventually import eventually

SPEND = """
UPDATE users SET document = json_set(document, '$.tokenBalance', ?) WHERE id = 'ada'
"""
MANY_OTHER_CHANGES = """
WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers LIMIT ?)
INSERT INTO changes (user_id) SELECT 'someone' FROM numbers
"""
UNLISTED = "".join(
    f"DROP TRIGGER {table}_{event}_is_listed;"
    for table in ("users", "creations")
    for event in ("insert", "update", "delete")
)


def put(store: SQLiteStore, tokens: int, user_id: UserId = ADA) -> None:
    account = an_account(user_id, tokens=tokens)
    store.transact([account.key], lambda _: write(account, result=None))


def balance(watcher: ChangeRecorder) -> int | None:
    return watcher.last.account.balance_tokens if watcher.last.account else None


def await_balance(watcher: ChangeRecorder, tokens: int) -> None:
    eventually(lambda: balance(watcher) == tokens)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that watches send."""
    sent: list[str] = []

    def traced(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.set_trace_callback(sent.append)
        return connection

    monkeypatch.setattr(watches, "connect", traced)
    return sent


@pytest.fixture
def operator(tmp_path: Path, sqlite: SQLiteStore) -> Iterator[sqlite3.Connection]:
    """A connection to the store's file without the adapter."""
    with closing(connect(tmp_path / "store.db")) as connection:
        yield connection


def test_change_reads_only_the_documents_of_its_user(
    sqlite: SQLiteStore, statements: list[str]
) -> None:
    ada, ben = ChangeRecorder(), ChangeRecorder()
    put(sqlite, 5)
    put(sqlite, 5, BEN)
    with sqlite.watch(ADA, ada), sqlite.watch(BEN, ben):
        eventually(lambda: balance(ada) == balance(ben) == 5)
        statements.clear()
        for tokens in (4, 3, 2):
            put(sqlite, tokens)
            await_balance(ada, tokens)

    reads = [each for each in statements if each.startswith("SELECT document FROM users")]
    assert len(reads) == 3
    assert not [each for each in statements if BEN in each]


def test_commit_without_a_watched_user_reads_no_document(
    sqlite: SQLiteStore, statements: list[str]
) -> None:
    watcher = ChangeRecorder()
    put(sqlite, 5)
    put(sqlite, 5, BEN)
    with sqlite.watch(ADA, watcher):
        await_balance(watcher, 5)
        statements.clear()
        put(sqlite, 4, BEN)
        eventually(lambda: [each for each in statements if "FROM changes" in each])

    assert not [each for each in statements if "document" in each]


def test_commit_of_a_connection_that_is_older_than_the_triggers_is_delivered(
    tmp_path: Path, sqlite: SQLiteStore, operator: sqlite3.Connection
) -> None:
    """A job of an earlier release runs on while a newer API opens the file."""
    put(sqlite, 5)
    operator.executescript(f"{UNLISTED} DROP TABLE changes;")
    operator.execute(SPEND, [4])
    watcher = ChangeRecorder()
    with closing(SQLiteStore(tmp_path / "store.db")) as newer, newer.watch(ADA, watcher):
        await_balance(watcher, 4)
        operator.execute(SPEND, [3])
        await_balance(watcher, 3)


def test_removed_documents_are_delivered(sqlite: SQLiteStore, operator: sqlite3.Connection) -> None:
    watcher = ChangeRecorder()
    account, creation = an_account(), a_creation()
    sqlite.transact([], lambda _: write(account, creation, result=None))
    with sqlite.watch(ADA, watcher):
        eventually(lambda: watcher.sees(account, creation))
        sqlite.transact([creation.key], lambda _: write(result=None, removing=(creation.key,)))
        eventually(lambda: watcher.sees(account))
        operator.execute("DELETE FROM users WHERE id = 'ada'")
        eventually(lambda: watcher.sees(None))


def test_change_that_was_trimmed_before_it_was_seen_is_delivered(
    sqlite: SQLiteStore, operator: sqlite3.Connection
) -> None:
    put(sqlite, 5)
    watcher = ChangeRecorder()
    with sqlite.watch(ADA, watcher):
        await_balance(watcher, 5)
        operator.execute("BEGIN IMMEDIATE")
        operator.execute(SPEND, [4])
        operator.execute(MANY_OTHER_CHANGES, [CHANGES_KEPT + TRIM_EVERY])
        operator.execute("COMMIT")
        await_balance(watcher, 4)

    [listed] = operator.execute("SELECT count(*) FROM changes WHERE user_id = 'ada'").fetchone()
    [kept] = operator.execute("SELECT count(*) FROM changes").fetchone()
    assert listed == 0
    assert CHANGES_KEPT <= kept < CHANGES_KEPT + TRIM_EVERY


def test_replaced_content_with_fewer_changes_is_delivered(
    tmp_path: Path, sqlite: SQLiteStore, operator: sqlite3.Connection
) -> None:
    """SQLite's backup writes into the open file."""
    put(sqlite, 5)
    with closing(sqlite3.connect(tmp_path / "backup.db")) as backup:
        operator.backup(backup)
        for tokens in (4, 3, 2):
            put(sqlite, tokens)
        watcher = ChangeRecorder()
        with sqlite.watch(ADA, watcher):
            await_balance(watcher, 2)
            backup.backup(operator)
            await_balance(watcher, 5)


def test_rolled_back_transaction_hides_no_later_change(
    sqlite: SQLiteStore, operator: sqlite3.Connection
) -> None:
    put(sqlite, 5)
    watcher = ChangeRecorder()
    with sqlite.watch(ADA, watcher):
        for tokens in (5, 4, 3):
            await_balance(watcher, tokens)
            operator.execute("BEGIN IMMEDIATE")
            operator.execute(SPEND, [0])
            operator.execute("ROLLBACK")
            put(sqlite, tokens - 1)

        await_balance(watcher, 2)


def test_document_without_a_user_can_be_written(operator: sqlite3.Connection) -> None:
    operator.execute("INSERT INTO creations VALUES ('legacy', '{\"legacy\":true}')")
    operator.execute("DELETE FROM creations WHERE id = 'legacy'")


def test_changes_during_the_first_reads_are_delivered(sqlite: SQLiteStore) -> None:
    """Fifty users change while their watches start, in other threads."""
    users = [UserId(f"user-{number}") for number in range(50)]
    watchers = {user_id: ChangeRecorder() for user_id in users}
    begin = threading.Barrier(2)

    def change_all() -> None:
        begin.wait(10)
        for tokens in range(1, 6):
            for user_id in users:
                put(sqlite, tokens, user_id)

    with ExitStack() as stack, ThreadPoolExecutor(1) as writers:
        changing = writers.submit(change_all)
        begin.wait(10)
        for user_id, watcher in watchers.items():
            stack.enter_context(sqlite.watch(user_id, watcher))
        changing.result(30)
        eventually(lambda: all(balance(watcher) == 5 for watcher in watchers.values()))
