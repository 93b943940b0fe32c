"""Transactions that one commit writes: each finds what the ones before it left."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.local.store import SQLiteStore
from shared.domain.account import Account
from shared.domain.errors import StoreContention
from shared.ports.store import Decision, Found, TransactionRuleBroken, unchanged, write
from tests.support.builders import ADA, a_creation, an_account
from tests.support.eventually import eventually
from tests.support.rival_writer import rival_writer

ACCOUNT = an_account(ADA, tokens=5)
Submit = Callable[..., Future[Any]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    with closing(SQLiteStore(tmp_path / "store.db")) as store:
        store.transact([ACCOUNT.key], lambda _: write(ACCOUNT, result=None))
        yield store


@contextmanager
def one_group(store: SQLiteStore) -> Iterator[Submit]:
    """Let transactions be submitted one after another, and written by one commit."""
    submitted: list[Future[Any]] = []

    def submit(reading: Any, decide: Callable[[Found], Decision[Any]]) -> Future[Any]:
        submitted.append(threads.submit(store.transact, reading, decide))
        eventually(lambda: store._writer._waiting.qsize() == len(submitted) - 1)
        return submitted[-1]

    with ThreadPoolExecutor(16) as threads, rival_writer(store._path):
        yield submit


def spend(found: Found) -> Decision[bool]:
    account = found.get(ACCOUNT.key)
    assert account is not None
    if account.balance_tokens == 0:
        return unchanged(False)  # noqa: FBT003 (the result)
    return write(replace(account, balance_tokens=account.balance_tokens - 1), result=True)


def balance(store: SQLiteStore) -> int:
    account: Account | None = store.get(ACCOUNT.key)
    assert account is not None
    return account.balance_tokens


def test_transactions_of_one_account_spend_it_exactly(store: SQLiteStore) -> None:
    with one_group(store) as submit:
        spent = [submit([ACCOUNT.key], spend) for _ in range(8)]

    assert [each.result() for each in spent] == [True] * 5 + [False] * 3
    assert balance(store) == 0


def test_document_created_earlier_in_the_group_is_found(store: SQLiteStore) -> None:
    creation = a_creation()

    def create_or_remove(found: Found) -> Decision[str]:
        if found.get(creation.key) is None:
            return write(creation, result="created")
        return write(result="removed", removing=(creation.key,))

    with one_group(store) as submit:
        results = [submit([creation.key], create_or_remove) for _ in range(5)]

    assert [each.result() for each in results] == ["created", "removed"] * 2 + ["created"]
    assert store.get(creation.key) == creation


def test_removed_and_created_document_is_the_new_one(store: SQLiteStore) -> None:
    creation = a_creation()
    store.transact([creation.key], lambda _: write(creation, result=None))
    later = replace(creation, prompt="another")
    with one_group(store) as submit:
        submit([creation.key], lambda _: write(result=None, removing=(creation.key,)))
        submit([creation.key], lambda _: write(later, result=None))

    assert store.get(creation.key) == later


def test_second_creation_of_an_unread_document_is_contention(store: SQLiteStore) -> None:
    creation = a_creation()
    with one_group(store) as submit:
        first = submit([], lambda _: write(creation, result=1))
        second = submit([], lambda _: write(replace(creation, prompt="late"), result=2))
        third = submit([ACCOUNT.key], spend)

    assert (first.result(), third.result()) == (1, True)
    assert isinstance(second.exception(), StoreContention)
    assert store.get(creation.key) == creation


def test_failed_statement_fails_only_its_own_transaction(store: SQLiteStore) -> None:
    stored = a_creation()
    store.transact([stored.key], lambda _: write(stored, result=None))
    with one_group(store) as submit:
        before = submit([ACCOUNT.key], spend)
        exists = submit([], lambda _: write(stored, result=None))
        negative = submit(
            [ACCOUNT.key], lambda _: write(replace(ACCOUNT, balance_tokens=-1), result=None)
        )
        after = submit([ACCOUNT.key], spend)

    assert isinstance(exists.exception(), StoreContention)
    assert isinstance(negative.exception(), TransactionRuleBroken)
    assert before.result()
    assert after.result()
    assert balance(store) == 3


def test_negative_balance_is_refused_although_a_later_transaction_lifts_it(
    store: SQLiteStore,
) -> None:
    with one_group(store) as submit:
        below = submit([ACCOUNT.key], lambda _: write(an_account(ADA, tokens=-1), result=None))
        lifted = submit(
            [ACCOUNT.key],
            lambda found: write(
                replace(found.documents[ACCOUNT.key], balance_tokens=7), result=found
            ),
        )

    assert isinstance(below.exception(), TransactionRuleBroken)
    assert lifted.result().get(ACCOUNT.key) == ACCOUNT
    assert balance(store) == 7
