"""Contract of RawDocuments, for every adapter."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infrastructure.migration.raw_documents import RawDocument, RawDocuments
from infrastructure.migration.sqlite_raw_documents import SQLiteRawDocuments
from shared.adapters.local.store import SQLiteStore
from shared.domain.account import UsernameClaim, account_key
from shared.domain.errors import StoreContention
from shared.domain.keys import Collection, UserId
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
    from infrastructure.migration.firestore_raw_documents import FirestoreRawDocuments

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


def legacy_user(user: str = ADA, **fields: Any) -> RawDocument:
    return RawDocument(Collection.USERS, user, {"tokenBalance": 3, "plan": None, **fields})


def put(raw: RawDocuments, *documents: RawDocument) -> None:
    raw.replace([], documents)


def found(raw: RawDocuments, user: str = ADA) -> RawDocument:
    document = raw.get(account_key(UserId(user)))
    assert document is not None
    return document


def test_fields_are_returned_as_they_were_written(raw: RawDocuments) -> None:
    document = legacy_user(nested={"a": [1, 2.5, True, "ä"]})
    put(raw, document)

    assert found(raw) == document
    assert raw.get(account_key(BEN)) is None


def test_time_is_returned_as_time_or_text(raw: RawDocuments) -> None:
    noon = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
    put(raw, legacy_user(createdAt=noon))

    value = found(raw).fields["createdAt"]
    assert (datetime.fromisoformat(value) if isinstance(value, str) else value) == noon


def test_large_collection_is_streamed_by_id(raw: RawDocuments) -> None:
    users = [legacy_user(f"u{number:03}") for number in range(310)]
    put(raw, *users)

    assert list(raw.all(Collection.USERS)) == users
    assert list(raw.all(Collection.LEGACY_CREATIONS)) == []


def test_replace_writes_removes_and_creates_documents(raw: RawDocuments, store: Store) -> None:
    put(raw, legacy_user(ADA), legacy_user(BEN))
    claim = UsernameClaim(username="ada", user_id=ADA)
    raw.replace([found(raw, ADA), found(raw, BEN)], [an_account(ADA), claim])

    assert store.get(account_key(ADA)) == an_account(ADA)
    assert store.get(claim.key) == claim
    assert raw.get(account_key(BEN)) is None


def change(raw: RawDocuments, read: RawDocument) -> None:
    raw.replace([read], [legacy_user(read.id, tokenBalance=4)])


def remove(raw: RawDocuments, read: RawDocument) -> None:
    raw.replace([read], [])


@pytest.mark.parametrize("meanwhile", [change, remove])
def test_replace_writes_nothing_if_a_read_document_has_changed(
    raw: RawDocuments, meanwhile: Callable[[RawDocuments, RawDocument], None]
) -> None:
    put(raw, legacy_user(ADA), legacy_user(BEN))
    read = [found(raw, ADA), found(raw, BEN)]
    meanwhile(raw, read[1])

    with pytest.raises(StoreContention):
        raw.replace(read, [legacy_user(ADA, tokenBalance=9), legacy_user("eve")])
    assert found(raw, ADA) == legacy_user(ADA)
    assert raw.get(account_key(UserId("eve"))) is None


def test_replace_writes_nothing_if_an_unread_document_exists(raw: RawDocuments) -> None:
    put(raw, legacy_user(ADA))

    with pytest.raises(StoreContention):
        put(raw, legacy_user(ADA, tokenBalance=9), legacy_user(BEN))
    assert [user.id for user in raw.all(Collection.USERS)] == [ADA]
    assert found(raw) == legacy_user()


def test_store_skips_legacy_entries_and_archived_creations(raw: RawDocuments, store: Store) -> None:
    entry = RawDocument(Collection.TRANSACTIONS, "old", {"userId": ADA, "legacy": True})
    creation = RawDocument(Collection.LEGACY_CREATIONS, "old", {"userId": ADA, "status": "draft"})
    put(raw, entry, creation)

    assert list(store.everything()) == []
    assert store.ledger(ADA, Page(limit=5)) == []
