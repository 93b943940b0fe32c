"""The promises of the RawDocuments port, for every adapter."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shared.adapters.local.raw_documents import SQLiteRawDocuments
from shared.adapters.local.store import SQLiteStore
from shared.domain.account import UsernameClaim, account_key
from shared.domain.errors import StoreContention
from shared.domain.keys import Collection, UserId
from shared.ports.raw_documents import RawDocument, RawDocuments
from shared.ports.store import Page, Store
from tests.support.builders import ADA, BEN, an_account
from tests.support.machine import needs

if TYPE_CHECKING:
    from shared.adapters.firestore.store import FirestoreStore

Both = tuple[RawDocuments, Store]


def open_sqlite(request: pytest.FixtureRequest) -> Both:
    store: SQLiteStore = request.getfixturevalue("sqlite")
    folder: Path = request.getfixturevalue("tmp_path")
    return SQLiteRawDocuments(folder / "store.db"), store


def open_firestore(request: pytest.FixtureRequest) -> Both:
    from shared.adapters.firestore.raw_documents import FirestoreRawDocuments

    store: FirestoreStore = request.getfixturevalue("firestore")
    raw = FirestoreRawDocuments(store._documents.client.project)
    request.addfinalizer(raw.close)
    return raw, store


@pytest.fixture(
    params=[
        pytest.param(open_sqlite, id="sqlite"),
        pytest.param(open_firestore, id="firestore", marks=needs("firestore")),
    ]
)
def both(request: pytest.FixtureRequest) -> Both:
    opened: Both = request.param(request)
    return opened


@pytest.fixture
def raw(both: Both) -> RawDocuments:
    return both[0]


@pytest.fixture
def store(both: Both) -> Store:
    return both[1]


def an_old_user(user: str = ADA, **fields: Any) -> RawDocument:
    return RawDocument(Collection.USERS, user, {"tokenBalance": 3, "plan": None, **fields})


def put(raw: RawDocuments, *documents: RawDocument) -> None:
    raw.replace([], documents)


def found(raw: RawDocuments, user: str = ADA) -> RawDocument:
    document = raw.get(account_key(UserId(user)))
    assert document is not None
    return document


def test_any_fields_come_back_as_they_were_put(raw: RawDocuments) -> None:
    document = an_old_user(nested={"a": [1, 2.5, True, "ä"]})
    put(raw, document)

    assert found(raw) == document
    assert raw.get(account_key(BEN)) is None


def test_a_time_comes_back_as_a_time_or_as_its_text(raw: RawDocuments) -> None:
    noon = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
    put(raw, an_old_user(createdAt=noon))

    value = found(raw).fields["createdAt"]
    assert (datetime.fromisoformat(value) if isinstance(value, str) else value) == noon


def test_a_collection_is_streamed_by_id_however_large(raw: RawDocuments) -> None:
    users = [an_old_user(f"u{number:03}") for number in range(310)]
    put(raw, *users)

    assert list(raw.all(Collection.USERS)) == users
    assert list(raw.all(Collection.LEGACY_CREATIONS)) == []


def test_what_was_read_is_replaced_or_removed_and_the_rest_is_made(
    raw: RawDocuments, store: Store
) -> None:
    put(raw, an_old_user(ADA), an_old_user(BEN))
    claim = UsernameClaim(username="ada", user_id=ADA)
    raw.replace([found(raw, ADA), found(raw, BEN)], [an_account(ADA), claim])

    assert store.get(account_key(ADA)) == an_account(ADA)
    assert store.get(claim.key) == claim
    assert raw.get(account_key(BEN)) is None


def change(raw: RawDocuments, read: RawDocument) -> None:
    raw.replace([read], [an_old_user(read.id, tokenBalance=4)])


def remove(raw: RawDocuments, read: RawDocument) -> None:
    raw.replace([read], [])


@pytest.mark.parametrize("meanwhile", [change, remove])
def test_if_something_read_has_changed_nothing_is_written(
    raw: RawDocuments, meanwhile: Callable[[RawDocuments, RawDocument], None]
) -> None:
    put(raw, an_old_user(ADA), an_old_user(BEN))
    read = [found(raw, ADA), found(raw, BEN)]
    meanwhile(raw, read[1])

    with pytest.raises(StoreContention):
        raw.replace(read, [an_old_user(ADA, tokenBalance=9), an_old_user("eve")])
    assert found(raw, ADA) == an_old_user(ADA)
    assert raw.get(account_key(UserId("eve"))) is None


def test_what_was_not_read_must_not_be_there(raw: RawDocuments) -> None:
    put(raw, an_old_user(ADA))

    with pytest.raises(StoreContention):
        put(raw, an_old_user(ADA, tokenBalance=9), an_old_user(BEN))
    assert [user.id for user in raw.all(Collection.USERS)] == [ADA]
    assert found(raw) == an_old_user()


def test_a_store_skips_what_is_legacy_and_what_was_put_aside(
    raw: RawDocuments, store: Store
) -> None:
    entry = RawDocument(Collection.TRANSACTIONS, "old", {"userId": ADA, "legacy": True})
    creation = RawDocument(Collection.LEGACY_CREATIONS, "old", {"userId": ADA, "status": "draft"})
    put(raw, entry, creation)

    assert list(store.everything()) == []
    assert store.ledger(ADA, Page(limit=5)) == []
