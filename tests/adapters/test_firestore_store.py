"""The Firestore store beyond its port: outcomes of faulty calls, and costs."""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from shared.adapters.documents import INTERNALS, from_fields, to_fields
from shared.adapters.firestore.documents import PAGE_SIZE
from shared.adapters.firestore.internals import internals_key
from shared.adapters.firestore.store import CALL_TIMEOUT_S, FirestoreStore
from shared.domain.account import account_key
from shared.domain.creation import Creation
from shared.domain.errors import (
    InsufficientTokens,
    OutcomeUnknown,
    StoreContention,
    StoreUnavailable,
    TooManyUnfinished,
)
from shared.domain.failure import FailureCode
from shared.domain.keys import Collection
from shared.domain.kind import Kind
from shared.domain.ledger import EntryType
from shared.lifecycle.invariants import Books, violations
from shared.lifecycle.opening import Opened
from shared.ports.store import Damage, Decision, DraftsFilter, Found, Page, write
from shared.wiring import Phoenix
from tests.servers.firestore_emulator import HOST, free_port
from tests.servers.firestore_proxy import (
    Fault,
    FirestoreProxy,
    Late,
    applied_but_fails_with,
    applied_without_response,
    fails_with,
)
from tests.support.builders import (
    ADA,
    NOON,
    POLICY,
    RIVAL,
    a_brief,
    a_caller,
    a_claimed_creation,
    a_creation_id,
    an_account,
    seconds,
    shown,
    stored_media,
)
from tests.support.documents import parsed, put
from tests.support.machine import needs
from tests.support.world import World

pytestmark = needs("firestore")

TIMEOUT_S = 1
"""Short, because some tests wait for it."""
CONFLICTS = {
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
}
ERRORS: list[grpc.StatusCode] = [code for code in grpc.StatusCode if code.name != "OK"]
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.fixture
def on_bad_wire(
    new_firestore: Callable[..., FirestoreStore], proxy: FirestoreProxy
) -> FirestoreStore:
    """The same database as `firestore`, through the proxy."""
    return new_firestore(address=proxy.address, timeout_s=TIMEOUT_S)


def spend_one(found: Found) -> Decision[int]:
    account = found.get(account_key(ADA))
    assert account is not None
    left = account.balance_tokens - 1
    return write(replace(account, balance_tokens=left), result=left)


# Outcomes


@pytest.mark.parametrize("code", [code for code in ERRORS if code not in CONFLICTS])
def test_failed_commit_without_a_conflict_is_unknown_and_sent_once(
    firestore: FirestoreStore,
    on_bad_wire: FirestoreStore,
    proxy: FirestoreProxy,
    code: grpc.StatusCode,
) -> None:
    put(firestore, an_account(tokens=7))
    proxy.faults["Commit"] = [applied_but_fails_with(code)]

    with pytest.raises(OutcomeUnknown) as unknown:
        on_bad_wire.transact([account_key(ADA)], spend_one)

    assert unknown.value.reason.startswith(f"{code.name}: ")
    assert proxy.counted() == {"BatchGetDocuments": 1, "Commit": 1}
    assert firestore.get(account_key(ADA)) == an_account(tokens=6)


@pytest.mark.parametrize("code", [code for code in ERRORS if code in CONFLICTS])
def test_conflict_is_decided_again_on_current_documents(
    firestore: FirestoreStore,
    on_bad_wire: FirestoreStore,
    proxy: FirestoreProxy,
    code: grpc.StatusCode,
) -> None:
    put(firestore, an_account(tokens=7))
    proxy.faults["Commit"] = [fails_with(code)]

    assert on_bad_wire.transact([account_key(ADA)], spend_one) == 6
    assert proxy.counted() == {"BatchGetDocuments": 2, "Commit": 2}


def remove(found: Found) -> Decision[None]:
    return write(removing=tuple(found.documents), result=None)


def change(store: FirestoreStore) -> None:
    put(store, an_account(tokens=5))


def make_anew(store: FirestoreStore) -> None:
    store.transact([account_key(ADA)], remove)
    put(store, an_account(tokens=7))


@pytest.mark.parametrize("rival", [change, make_anew])
@pytest.mark.parametrize("decision", [spend_one, remove])
def test_write_between_read_and_commit_is_detected(
    firestore: FirestoreStore,
    rival: Callable[[FirestoreStore], None],
    decision: Callable[[Found], Decision[object]],
) -> None:
    put(firestore, an_account(tokens=7))
    seen: list[Found] = []

    def decide(found: Found) -> Decision[object]:
        seen.append(found)
        if len(seen) == 1:
            rival(firestore)
        return decision(found)

    firestore.transact([account_key(ADA)], decide)

    assert len(seen) == 2


def test_removal_or_creation_before_the_commit_is_detected(
    firestore: FirestoreStore,
) -> None:
    seen: list[bool] = []

    def decide(found: Found) -> Decision[None]:
        seen.append(bool(found.documents))
        if len(seen) == 1:
            put(firestore, an_account(tokens=7))
        if len(seen) == 2:
            firestore.transact([account_key(ADA)], remove)
        return write(an_account(tokens=1), result=None)

    firestore.transact([account_key(ADA)], decide)

    assert seen == [False, True, False]
    assert firestore.get(account_key(ADA)) == an_account(tokens=1)


@pytest.mark.slow
def test_endless_conflicts_are_contention(
    firestore: FirestoreStore, on_bad_wire: FirestoreStore, proxy: FirestoreProxy
) -> None:
    put(firestore, an_account(tokens=7))
    proxy.faults["Commit"] = [fails_with(grpc.StatusCode.ABORTED)] * 1000

    with pytest.raises(StoreContention, match="Nothing was changed"):
        on_bad_wire.transact([account_key(ADA)], spend_one)

    assert proxy.counted()["Commit"] > 3
    assert firestore.get(account_key(ADA)) == an_account(tokens=7)


@pytest.mark.parametrize("code", ERRORS)
def test_read_failure_writes_nothing(
    on_bad_wire: FirestoreStore, proxy: FirestoreProxy, code: grpc.StatusCode
) -> None:
    page = Page(limit=5)
    proxy.faults["BatchGetDocuments"] = [fails_with(code)] * 6
    proxy.faults["RunQuery"] = [fails_with(code)] * 2

    for read in (
        lambda: on_bad_wire.transact([account_key(ADA)], spend_one),
        lambda: on_bad_wire.get(account_key(ADA)),
        lambda: list(on_bad_wire.everything()),
        lambda: on_bad_wire.feed(page),
    ):
        with pytest.raises(StoreUnavailable) as unavailable:
            read()
        assert unavailable.value.reason == f"{code.name}: planned"

    tries = 2 if code is UNAVAILABLE else 1
    assert proxy.counted() == {"BatchGetDocuments": 3 * tries, "RunQuery": tries}


def test_read_over_a_dead_connection_is_sent_again(
    firestore: FirestoreStore, on_bad_wire: FirestoreStore, proxy: FirestoreProxy
) -> None:
    put(firestore, an_account())
    proxy.faults["BatchGetDocuments"] = [fails_with(UNAVAILABLE)]

    assert on_bad_wire.get(account_key(ADA)) == an_account()


def test_unreachable_store_is_unavailable(
    new_firestore: Callable[..., FirestoreStore],
) -> None:
    store = new_firestore(address=f"{HOST}:{free_port()}")

    with pytest.raises(StoreUnavailable) as unavailable:
        store.get(account_key(ADA))

    assert "UNAVAILABLE" in unavailable.value.reason


def test_store_needs_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")

    with pytest.raises(StoreUnavailable) as unavailable:
        FirestoreStore("project")

    assert "/nowhere/key.json" in unavailable.value.reason


def test_store_opens_without_a_request(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fields = ("client_id", "client_secret", "refresh_token")
    (tmp_path / "key.json").write_text(
        json.dumps({"type": "authorized_user", **dict.fromkeys(fields, "x")})
    )
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))

    FirestoreStore("project").close()


# Exactly once


@pytest.fixture
def phoenix(world: World, firestore: FirestoreStore) -> Phoenix:
    """The use cases on a database with one account."""
    phoenix = world.over(firestore)
    phoenix.accounts.of(a_caller())
    return phoenix


@pytest.fixture
def open_meeting(
    world: World, phoenix: Phoenix, on_bad_wire: FirestoreStore, proxy: FirestoreProxy
) -> Callable[..., Opened]:
    """Open an image while the next calls fail; its gauges are read before."""
    opening = world.over(on_bad_wire).opening
    opening.admission.warm_up()
    proxy.counted()

    def open_(*faults: Fault) -> Opened:
        proxy.faults["Commit"] = list(faults)
        return opening.open(a_brief(Kind.IMAGE), caller=a_caller(), idempotency_key="k")

    return open_


def check_one_debit(phoenix: Phoenix) -> None:
    account = phoenix.ports.store.get(account_key(ADA))
    entries = parsed(phoenix.ports.store.ledger(ADA, Page(limit=50)))
    assert account is not None
    assert account.balance_tokens == 99
    assert [entry.entry_type for entry in entries] == [EntryType.DEBIT, EntryType.GRANT]
    assert phoenix.auditing.audit().violations == []


@pytest.mark.parametrize(
    "fault",
    [
        applied_without_response,
        applied_but_fails_with(UNAVAILABLE),
        applied_but_fails_with(grpc.StatusCode.PERMISSION_DENIED),
    ],
    ids=["timed out", "connection lost", "refused"],
)
def test_unanswered_debit_that_landed_is_recognised_and_not_sent_again(
    phoenix: Phoenix, open_meeting: Callable[..., Opened], proxy: FirestoreProxy, fault: Fault
) -> None:
    opened = open_meeting(fault)

    assert not opened.is_replay
    assert opened.balance_tokens == 99
    assert proxy.counted() == {"BatchGetDocuments": 2, "Commit": 1}
    check_one_debit(phoenix)


def test_lost_debit_is_sent_again(
    phoenix: Phoenix, open_meeting: Callable[..., Opened], proxy: FirestoreProxy
) -> None:
    opened = open_meeting(fails_with(UNAVAILABLE))

    assert not opened.is_replay
    assert proxy.counted() == {"BatchGetDocuments": 2, "Commit": 2}
    check_one_debit(phoenix)


def test_debit_that_lands_after_its_retry_changes_nothing(
    phoenix: Phoenix, open_meeting: Callable[..., Opened]
) -> None:
    late = Late()

    opened = open_meeting(late)
    with pytest.raises(grpc.RpcError) as refusal:
        late.land()

    assert refusal.value.code() in CONFLICTS
    assert not opened.is_replay
    check_one_debit(phoenix)


def test_debit_recognises_its_own_earlier_commit(
    phoenix: Phoenix, open_meeting: Callable[..., Opened], proxy: FirestoreProxy
) -> None:
    late = Late()

    opened = open_meeting(late, late.lands_first)

    assert not opened.is_replay
    assert proxy.counted() == {"BatchGetDocuments": 3, "Commit": 2}
    check_one_debit(phoenix)


def test_store_that_fails_every_commit_leaves_the_outcome_unknown(
    phoenix: Phoenix, open_meeting: Callable[..., Opened], proxy: FirestoreProxy
) -> None:
    with pytest.raises(OutcomeUnknown) as unknown:
        open_meeting(*[fails_with(grpc.StatusCode.PERMISSION_DENIED)] * 5)

    assert unknown.value.creation_id == a_creation_id("k")
    assert unknown.value.reason == "PERMISSION_DENIED: planned"
    assert proxy.counted() == {"BatchGetDocuments": 5, "Commit": 5}


def test_unreadable_store_debits_nothing(
    phoenix: Phoenix, open_meeting: Callable[..., Opened], proxy: FirestoreProxy
) -> None:
    proxy.faults["BatchGetDocuments"] = [fails_with(grpc.StatusCode.INTERNAL)] * 5

    with pytest.raises(StoreUnavailable, match="no tokens were charged"):
        open_meeting()

    assert proxy.counted() == {"BatchGetDocuments": 5}


# Concurrency


WRITERS = 32


def open_at_once(phoenix: Phoenix, count: int) -> Counter[type]:
    """Open images by many clients, which retry after contention; count the outcomes."""

    def open_one(number: int) -> type:
        while True:
            try:
                return type(
                    phoenix.opening.open(
                        a_brief(Kind.IMAGE), caller=a_caller(), idempotency_key=f"k{number}"
                    )
                )
            except (InsufficientTokens, TooManyUnfinished) as refusal:
                return type(refusal)
            except StoreContention:
                continue

    with ThreadPoolExecutor(WRITERS) as clients:
        return Counter(clients.map(open_one, range(count)))


def test_transactions_of_one_account_in_one_process_do_not_conflict(
    firestore: FirestoreStore, on_bad_wire: FirestoreStore, proxy: FirestoreProxy
) -> None:
    put(firestore, an_account(tokens=WRITERS))

    with ThreadPoolExecutor(8) as clients:
        left = clients.map(
            lambda _: on_bad_wire.transact([account_key(ADA)], spend_one), range(WRITERS)
        )

    assert sorted(left) == list(range(WRITERS))
    assert proxy.counted() == {"BatchGetDocuments": WRITERS, "Commit": WRITERS}


@pytest.mark.slow
def test_thirty_two_clients_spend_an_account_exactly(
    new_world: Callable[..., World], firestore: FirestoreStore
) -> None:
    world = new_world(
        PHOENIX_POLICY_IMAGES_IN_FLIGHT_MAX="1000", PHOENIX_POLICY_OPENED_PER_HOUR_MAX="1000"
    )
    phoenix = world.over(firestore)
    phoenix.accounts.of(a_caller())

    answers = open_at_once(phoenix, 120)

    account = firestore.get(account_key(ADA))
    ledger = parsed(firestore.ledger(ADA, Page(limit=200)))
    debits = [entry for entry in ledger if entry.sequence > 1]
    assert answers == {Opened: 100, InsufficientTokens: 20}
    assert account is not None
    assert (account.balance_tokens, account.in_flight.image) == (0, 100)
    assert [entry.sequence for entry in debits] == list(range(101, 1, -1))
    assert [entry.balance_after_tokens for entry in debits] == list(range(100))
    assert phoenix.auditing.audit().violations == []


@pytest.mark.slow
def test_thirty_two_clients_stay_within_the_limit_of_unfinished_creations(
    phoenix: Phoenix,
) -> None:
    answers = open_at_once(phoenix, WRITERS)

    assert answers == {Opened: 20, TooManyUnfinished: 12}
    assert phoenix.auditing.audit().violations == []


# Storage


def test_every_call_has_a_deadline(
    new_firestore: Callable[..., FirestoreStore], proxy: FirestoreProxy
) -> None:
    store = new_firestore(address=proxy.address)
    put(store, an_account())
    store.get(account_key(ADA))
    store.drafts(ADA, DraftsFilter(), Page(limit=1))
    list(store.everything())

    timeouts_s = [call.timeout_s for call in proxy.calls]
    assert all(each is not None and each < CALL_TIMEOUT_S + 1 for each in timeouts_s)


def stored(store: FirestoreStore, creation: Creation) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of a creation's document and of its internals."""
    read = store._documents.read([creation.key, internals_key(creation.key)])
    public, internals = (
        dict(read[key].fields) if key in read else {}
        for key in (creation.key, internals_key(creation.key))
    )
    return public, internals


def put_as_before(store: FirestoreStore, creation: Creation) -> None:
    """Write a creation like releases with a single document."""
    store._documents.commit_fields({creation.key: to_fields(creation)}, [], versions={})


def test_every_field_is_written_each_time_null_included(
    firestore: FirestoreStore,
) -> None:
    claimed = a_claimed_creation()
    put(firestore, claimed)
    settled = claimed.failed(FailureCode.INTERNAL, policy=POLICY, at=NOON)
    put(firestore, settled)

    public, internals = stored(firestore, settled)

    assert public | internals == to_fields(settled)
    assert set(internals) == INTERNALS
    assert not INTERNALS & public.keys()
    assert {field for field, value in to_fields(settled).items() if value is None} > {
        "leaseExpiresAt",
        "sweepAt",
        "caption",
    }


def test_creation_of_an_earlier_release_is_split_by_its_next_write(
    firestore: FirestoreStore,
) -> None:
    creation = a_claimed_creation().with_intent(model="m", cost_usd=0.1, at=NOON)
    put_as_before(firestore, creation)

    assert firestore.get(creation.key) == creation
    assert firestore.due(NOON + seconds(900), Page(limit=5)) == [creation]
    assert list(firestore.everything()) == [creation]

    put(firestore, creation.with_operation("o", at=NOON))

    public, internals = stored(firestore, creation)
    assert firestore.get(creation.key) == creation.with_operation("o", at=NOON)
    assert set(internals) == INTERNALS
    assert not INTERNALS & public.keys()


@pytest.mark.parametrize("put_it", [put, put_as_before])
def test_removed_creation_leaves_no_internals(
    firestore: FirestoreStore, put_it: Callable[[FirestoreStore, Creation], None]
) -> None:
    creation = a_claimed_creation()
    put_it(firestore, creation)

    firestore.transact([creation.key], lambda _: write(removing=(creation.key,), result=None))

    assert stored(firestore, creation) == ({}, {})
    put(firestore, creation)
    assert firestore.get(creation.key) == creation


def test_creation_without_its_internals_is_neither_decided_on_nor_swept(
    firestore: FirestoreStore, caplog: pytest.LogCaptureFixture
) -> None:
    creation = a_claimed_creation()
    put(firestore, creation)
    documents = firestore._documents
    documents.client.document(documents.name(internals_key(creation.key))).delete()

    with pytest.raises(StoreUnavailable) as unavailable:
        firestore.get(creation.key)

    assert unavailable.value.reason == f"creationInternals/{creation.creation_id} is missing"
    assert firestore.due(NOON + seconds(900), Page(limit=5)) == []
    assert [each.getMessage() for each in caplog.records] == ["document_unreadable"]
    [found] = firestore.everything()
    problems = [each.what for each in violations(Books.of([found]), at=NOON, policy=POLICY)]
    assert "does not hold: it has its internals" in problems


@pytest.fixture
def spoil(firestore: FirestoreStore) -> Callable[..., None]:
    """Replace documents of a collection behind the store's back, in one commit."""

    def replace_them(collection: Collection, documents: dict[str, dict[str, Any]]) -> None:
        client = firestore._documents.client
        batch = client.batch()
        for id_, fields in documents.items():
            batch.set(client.collection(collection).document(id_), fields)
        batch.commit()

    return replace_them


def test_books_name_more_damaged_documents_than_a_page_has(
    firestore: FirestoreStore, spoil: Callable[..., None]
) -> None:
    put(firestore, an_account(), a_claimed_creation())
    names = [f"c{n:03}" for n in range(PAGE_SIZE + 1)]
    spoil(Collection.CREATIONS, {key: {"status": "draft"} for key in names})

    found = [each for each in firestore.books() if isinstance(each, Damage)]

    assert [each.document for each in found] == [f"creations/{name}" for name in names]


def test_legacy_documents_that_no_index_has_are_no_damage(
    firestore: FirestoreStore, spoil: Callable[..., None]
) -> None:
    put(firestore, an_account())
    spoil(Collection.TRANSACTIONS, {"old": {"legacy": True, "userId": ADA, "amount": 5}})

    assert list(firestore.books()) == [an_account()]


def test_books_without_damage_are_read_once(
    firestore: FirestoreStore, on_bad_wire: FirestoreStore, proxy: FirestoreProxy
) -> None:
    put(firestore, an_account(), a_claimed_creation())

    list(on_bad_wire.books())

    moment, internals = 1, 1
    assert proxy.counted() == {
        "BatchGetDocuments": moment + internals,
        "RunQuery": 6,
        "RunAggregationQuery": 3,
    }


def test_books_name_damage_also_if_firestore_cannot_count(
    firestore: FirestoreStore,
    on_bad_wire: FirestoreStore,
    proxy: FirestoreProxy,
    spoil: Callable[..., None],
) -> None:
    put(firestore, an_account(), a_claimed_creation())
    spoil(Collection.TRANSACTIONS, {"e": {"userId": ADA, "amount": 5}})
    proxy.faults["RunAggregationQuery"] = [fails_with(grpc.StatusCode.DEADLINE_EXCEEDED)] * 3

    books = list(on_bad_wire.books())

    assert [each.document for each in books if isinstance(each, Damage)] == ["transactions/e"]
    assert len(books) == 3


def test_audit_reports_a_missing_file_of_a_creation_without_internals(
    phoenix: Phoenix, firestore: FirestoreStore
) -> None:
    claimed = a_claimed_creation()
    draft = claimed.completed(stored_media(claimed), policy=POLICY, at=NOON)
    put(firestore, draft)
    documents = firestore._documents
    documents.client.document(documents.name(internals_key(draft.key))).delete()

    found = phoenix.auditing.audit().violations

    reported = {(each.invariant, each.document) for each in found}
    assert {("I12", draft.creation_id), ("I14", draft.creation_id)} <= reported


def test_incremental_audit_reports_a_creation_without_internals(
    phoenix: Phoenix, firestore: FirestoreStore
) -> None:
    claimed = a_claimed_creation()
    put(firestore, an_account(), claimed)
    documents = firestore._documents
    documents.client.document(documents.name(internals_key(claimed.key))).delete()

    [found] = phoenix.incremental_audit.audit().violations

    assert (found.invariant, found.document) == ("I0", ADA)
    assert f"creationInternals/{claimed.creation_id} is missing" in found.what


OTHER_INTERNALS: dict[str, object] = {
    "enqueues": 7,
    "executionName": "other",
    "fingerprint": "other",
    "firstAttempt": 7,
    "handBacks": 7,
    "expiryRun": 7,
    "history": ["2026-11-21T12:00:00+00:00 claimed attempt 7"],
    "holder": str(RIVAL),
    "intent": {"attempt": 1, "at": NOON, "unknown": 1, "costUsd": 0.1},
    "leaseExpiresAt": NOON + seconds(7),
    "model": "other",
    "operationName": "other",
    "requeues": 7,
    "retries": 7,
    "spentUsd": 0.7,
}


@pytest.mark.parametrize("name", sorted(INTERNALS))
def test_change_of_an_internal_field_excludes_other_transactions(
    firestore: FirestoreStore, name: str
) -> None:
    before = a_claimed_creation()
    fields = to_fields(before) | {name: OTHER_INTERNALS[name]}
    changed: Creation = from_fields(before.key, fields)
    assert changed != before
    assert shown(changed) == shown(before)
    put(firestore, before)
    seen: list[Creation | None] = []

    def decide(found: Found) -> Decision[None]:
        seen.append(found.get(before.key))
        if len(seen) == 1:
            put(firestore, changed)
        return write(replace(before, progress=99), result=None)

    firestore.transact([before.key], decide)

    assert seen == [before, changed]


def test_prefixes_and_databases_are_isolated(new_firestore: Callable[..., FirestoreStore]) -> None:
    stores = [
        new_firestore(),
        new_firestore(prefix="staging-"),
        new_firestore(database="other"),
    ]
    for number, store in enumerate(stores):
        put(store, an_account(tokens=number))

    kept = [list(store.everything()) for store in stores]

    assert kept == [[an_account(tokens=number)] for number in range(3)]
