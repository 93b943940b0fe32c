"""The embedded store beyond its port: constraints, and other processes."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from shared.adapters.local import sqlite as sqlite_files
from shared.adapters.local import writer
from shared.adapters.local.sqlite import connect
from shared.adapters.local.store import SQLiteStore
from shared.domain.account import account_key
from shared.domain.errors import OutcomeUnknown, StoreUnavailable
from shared.domain.keys import UserId
from shared.domain.ledger import Actor
from shared.domain.operating import OperatorAct, Verb
from shared.domain.snapshot import Snapshot
from shared.ports.store import TransactionRuleBroken, unchanged, write
from tests.support.builders import ADA, BEN, NOON, a_creation, an_account
from tests.support.change_recorder import ChangeRecorder
from tests.support.eventually import eventually

SPEND = """
import sys
from dataclasses import replace
from pathlib import Path
from shared.adapters.local.store import SQLiteStore
from shared.domain.account import account_key
from shared.ports.store import unchanged, write

store, spent = SQLiteStore(Path(sys.argv[1])), 0

def spend(found):
    account = found.get(account_key("ada"))
    if account.balance_tokens == 0:
        return unchanged(False)
    return write(replace(account, balance_tokens=account.balance_tokens - 1), result=True)

while store.transact([account_key("ada")], spend):
    spent += 1
store.close()
print(spent)
"""


def test_concurrent_processes_spend_exactly(tmp_path: Path, sqlite: SQLiteStore) -> None:
    sqlite.transact([], lambda _: write(an_account(tokens=400), result=None))
    command = [sys.executable, "-c", SPEND, str(tmp_path / "store.db")]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}

    spenders = [
        subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) for _ in range(4)
    ]
    spent = [int(spender.communicate(timeout=60)[0]) for spender in spenders]

    account = sqlite.get(account_key(ADA))
    assert account is not None
    assert account.balance_tokens == 0
    assert sum(spent) == 400


def test_unreadable_document_ends_no_watch(tmp_path: Path, sqlite: SQLiteStore) -> None:
    sqlite.transact([], lambda _: write(an_account(), an_account(BEN), result=None))
    ada, ben = ChangeRecorder(), ChangeRecorder()
    broken = json.dumps({"userId": ADA, "createdAt": "soon"})

    with sqlite.watch(ADA, ada), sqlite.watch(BEN, ben):
        eventually(lambda: ada.sees(an_account()) and ben.sees(an_account(BEN)))
        with closing(connect(tmp_path / "store.db")) as connection:
            connection.execute("INSERT INTO creations VALUES ('x', ?)", [broken])
        sqlite.transact([], lambda _: write(a_creation(user_id=BEN), result=None))
        eventually(lambda: ben.sees(an_account(BEN), a_creation(user_id=BEN)))
        with closing(connect(tmp_path / "store.db")) as connection:
            connection.execute("DELETE FROM creations WHERE id = 'x'")
        sqlite.transact([], lambda _: write(a_creation("mine"), result=None))
        eventually(lambda: ada.sees(an_account(), a_creation("mine")))


def test_negative_balance_cannot_be_stored(sqlite: SQLiteStore) -> None:
    with pytest.raises(TransactionRuleBroken, match="negative"):
        sqlite.transact([], lambda _: write(an_account(tokens=-1), result=None))
    sqlite.transact([], lambda _: write(an_account(tokens=0), result=None))
    with pytest.raises(TransactionRuleBroken, match="negative"):
        sqlite.transact([account_key(ADA)], lambda _: write(an_account(tokens=-1), result=None))

    assert sqlite.get(account_key(ADA)) == an_account(tokens=0)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE transactions SET id = id",
        "DELETE FROM transactions",
        "UPDATE operatorActs SET id = id",
        "DELETE FROM operatorActs",
    ],
)
def test_sql_cannot_change_append_only_documents(
    tmp_path: Path, sqlite: SQLiteStore, statement: str
) -> None:
    _, entry = an_account().granted(1, entry_id="e", reference=None, actor=Actor.API, at=NOON)
    act = OperatorAct(
        act_id="a",
        verb=Verb.DELETE,
        creation_id=a_creation().creation_id,
        user_id=ADA,
        reason="spam",
        created_at=NOON,
    )
    sqlite.transact([], lambda _: write(entry, act, result=None))

    with (
        closing(sqlite3.connect(tmp_path / "store.db")) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(statement)


def test_store_locked_by_another_process_is_unavailable(
    tmp_path: Path, sqlite: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def impatient(path: Path, **_: object) -> sqlite3.Connection:
        return sqlite_files.connect(path, busy_timeout_s=0.05)

    monkeypatch.setattr(writer, "connect", impatient)
    ours = SQLiteStore(tmp_path / "store.db")
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as rival:
        rival.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreUnavailable):
            ours.transact([], lambda _: write(an_account(), result=None))

        rival.execute("ROLLBACK")
    ours.close()
    assert sqlite.get(account_key(ADA)) is None


def test_writer_timeout_leaves_the_outcome_unknown(sqlite: SQLiteStore) -> None:
    sqlite._writer._timeout_s = 0.05
    go_on = threading.Event()

    def dawdle(_: object) -> object:
        go_on.wait(10)
        return unchanged(None)

    with pytest.raises(OutcomeUnknown):
        sqlite.transact([], dawdle)  # type: ignore[arg-type]  # it decides nothing
    go_on.set()


def test_failed_transaction_affects_no_other_in_its_group(sqlite: SQLiteStore) -> None:
    def attempt(number: int) -> str:
        user = f"user-{number}"

        def decide(_: object) -> object:
            if number % 2:
                raise KeyError(number)
            return write(an_account(user), result=None)

        try:
            sqlite.transact([], decide)  # type: ignore[arg-type]  # it writes one account
        except KeyError:
            return "refused"
        return "written"

    with ThreadPoolExecutor(16) as threads:
        outcomes = list(threads.map(attempt, range(100)))

    assert outcomes == ["written", "refused"] * 50
    assert len(list(sqlite.everything())) == 50


def test_documents_are_stored_under_documented_field_names(
    tmp_path: Path, sqlite: SQLiteStore
) -> None:
    sqlite.transact([], lambda _: write(an_account(), a_creation(), result=None))

    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        [account], [creation] = (
            [json.loads(row[0]) for row in connection.execute(f"SELECT document FROM {table}")]
            for table in ("users", "creations")
        )

    assert set(account) == USERS_FIELDS
    assert set(creation) == CREATIONS_FIELDS


USERS_FIELDS = {
    "username",
    "tokenBalance",
    "totalTokensSpent",
    "inFlight",
    "ledgerCount",
    "openedHour",
    "freeHour",
    "welcomed",
    "createdAt",
    "updatedAt",
}
CREATIONS_FIELDS = {
    "history",
    "groupId",
    "isKept",
    "expiresAt",
    "schedule",
    "scheduleError",
    "sharing",
    "userId",
    "username",
    "mediaType",
    "prompt",
    "aspectRatio",
    "duration",
    "cost",
    "fingerprint",
    "status",
    "stage",
    "progress",
    "attempt",
    "firstAttempt",
    "retries",
    "debits",
    "enqueues",
    "requeues",
    "handBacks",
    "expiryRun",
    "holder",
    "executionName",
    "leaseExpiresAt",
    "intent",
    "hasStart",
    "spentUsd",
    "operationName",
    "retryAt",
    "availableAt",
    "deadlineAt",
    "sweepAt",
    "model",
    "mediaKey",
    "thumbnailKey",
    "publicId",
    "publications",
    "width",
    "height",
    "sizeBytes",
    "caption",
    "likeCount",
    "error",
    "refunded",
    "queueErrorCode",
    "createdAt",
    "updatedAt",
    "publishedAt",
}


def test_missing_field_of_an_older_release_gets_its_default(
    tmp_path: Path, sqlite: SQLiteStore
) -> None:
    creation = a_creation()
    sqlite.transact([], lambda _: write(creation, result=None))
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.execute(
            "UPDATE creations SET document = json_remove(document, '$.requeue_count')"
        )
        connection.commit()

    assert sqlite.get(creation.key) == creation


def test_file_that_is_no_database_is_an_unavailable_store(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"not a database" * 100)

    with pytest.raises(StoreUnavailable):
        SQLiteStore(tmp_path / "store.db")


def test_watch_sees_commits_of_other_processes(tmp_path: Path, sqlite: SQLiteStore) -> None:
    sqlite.transact([], lambda _: write(an_account(tokens=1), result=None))
    balances: list[int] = []

    def changed(snapshot: Snapshot) -> None:
        balances.extend([snapshot.account.balance_tokens] if snapshot.account else [])

    with sqlite.watch(ADA, changed):
        eventually(lambda: balances == [1])
        subprocess.run(
            [sys.executable, "-c", SPEND, str(tmp_path / "store.db")],
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        eventually(lambda: balances == [1, 0])


def test_outage_delays_snapshots_of_a_watch_and_loses_none(
    tmp_path: Path, sqlite: SQLiteStore, caplog: pytest.LogCaptureFixture
) -> None:
    balances: list[int] = []

    def changed(snapshot: Snapshot) -> None:
        balances.extend([snapshot.account.balance_tokens] if snapshot.account else [])

    with closing(connect(tmp_path / "store.db")) as operator, sqlite.watch(ADA, changed):
        operator.execute("ALTER TABLE users RENAME TO moved")
        eventually(lambda: "watch_failed" in caplog.text)
        operator.execute("ALTER TABLE moved RENAME TO users")
        sqlite.transact([], lambda _: write(an_account(tokens=1), result=None))
        eventually(lambda: balances == [1])


def test_all_watches_of_a_store_share_one_thread(sqlite: SQLiteStore) -> None:
    threads: set[int] = set()
    with ExitStack() as watches:
        for number in range(5):
            watch = sqlite.watch(UserId(str(number)), lambda _: threads.add(threading.get_ident()))
            watches.enter_context(watch)
        eventually(lambda: threads)

    assert len(threads) == 1
