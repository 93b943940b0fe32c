"""Contract of the Store port, for every adapter."""

import json
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from shared.adapters.firestore.store import FirestoreStore
from shared.adapters.local.sqlite import connect
from shared.adapters.local.store import SQLiteStore
from shared.domain.account import Account, HourlyCount, UsernameClaim, account_key
from shared.domain.audit_checkpoint import AuditCheckpoint
from shared.domain.creation import Creation, creation_key
from shared.domain.download import Download
from shared.domain.errors import StoreContention
from shared.domain.failure import FailureCode
from shared.domain.keys import Collection, CreationId, Key, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Actor, Cost, LedgerEntry, RunOutcome, entry_key
from shared.domain.like import Like
from shared.domain.media import MediaDeletion
from shared.domain.operating import OperatorAct, Switch, Verb
from shared.domain.schedule import Schedule
from shared.domain.sharing import Sharing
from shared.domain.snapshot import WATCHED_MAX, Changes
from shared.domain.statistics import HourStatistics, KindStatistics, hour_id, hour_key
from shared.domain.status import Stage, Status
from shared.domain.welcome import WelcomeShard
from shared.lifecycle.draining import BEFORE_EVERY_ID
from shared.ports.store import (
    Cursor,
    Damage,
    Decision,
    Document,
    DraftsFilter,
    Found,
    Page,
    Store,
    TransactionRuleBroken,
    unchanged,
    write,
)
from tests.simulation.store import CalmCalls, SimulatedStore
from tests.support.builders import (
    ADA,
    BEN,
    LEASE_OWNER,
    NOON,
    POLICY,
    a_claimed_creation,
    a_creation,
    a_creation_id,
    an_account,
    seconds,
    shown,
    stored_media,
)
from tests.support.change_recorder import ChangeRecorder
from tests.support.documents import parsed, put
from tests.support.eventually import eventually
from tests.support.machine import needs


def open_sqlite(request: pytest.FixtureRequest) -> SQLiteStore:
    store: SQLiteStore = request.getfixturevalue("sqlite")
    return store


def open_simulated(_request: pytest.FixtureRequest) -> SimulatedStore:
    return SimulatedStore(CalmCalls())


def open_firestore(request: pytest.FixtureRequest) -> FirestoreStore:
    store: FirestoreStore = request.getfixturevalue("firestore")
    return store


@pytest.fixture(
    params=[
        pytest.param(open_sqlite, id="sqlite"),
        pytest.param(open_simulated, id="simulated"),
        pytest.param(open_firestore, id="firestore", marks=needs("firestore")),
    ]
)
def store(request: pytest.FixtureRequest) -> Store:
    opened: Store = request.param(request)
    return opened


def an_entry(sequence: int = 1, user: str = ADA, **changes: object) -> LedgerEntry:
    _, entry = an_account(user, ledger_count=sequence - 1).granted(
        5, entry_id=f"{user}-{sequence}", reference=None, actor=Actor.API, at=NOON
    )
    return replace(entry, **changes)  # type: ignore[arg-type]  # a test names real fields


def a_draft(name: str, user: str = ADA, **changes: object) -> Creation:
    claimed = a_claimed_creation(name, user_id=user)
    draft = claimed.completed(stored_media(claimed), policy=POLICY, at=NOON)
    return replace(draft, **changes)  # type: ignore[arg-type]  # a test names real fields


A_CREATION, AN_ENTRY = creation_key(a_creation_id(f"{ADA}-1")), entry_key(f"{ADA}-1")
A_NAME = UsernameClaim(username="ada", user_id=ADA)
A_DELETION = MediaDeletion.at_once("d", ["a/b"], at=NOON, policy=POLICY)

EVERY_KIND_OF_DOCUMENT: list[Document] = [
    an_account(),
    UsernameClaim(username="ada", user_id=ADA),
    a_creation(),
    a_claimed_creation()
    .with_intent(model="m", cost_usd=0.1, at=NOON)
    .with_operation("o", at=NOON)
    .with_progress(Stage.GENERATING, 40, policy=POLICY, at=NOON + seconds(1.234)),
    a_claimed_creation().failed(
        FailureCode.SAFETY_FILTER, queue_error_code="q", policy=POLICY, at=NOON
    ),
    a_draft("one", status=Status.PUBLISHED, published_at=NOON, caption="🦊 <b>", public_id="p"),
    an_entry(),
    an_entry(creation_id=a_creation_id(), reference="r"),
    Cost(cost_id="c", model=None, estimated_cost_usd=0.123456),
    Cost(
        cost_id="c",
        model="m",
        estimated_cost_usd=0.5,
        kind=Kind.IMAGE,
        was_claimed=True,
        created_at=NOON,
    ),
    MediaDeletion.at_once("d", ["a/b", "c/d"], at=NOON, policy=POLICY),
    MediaDeletion.at_once("d", [], likes_of=a_creation_id(), at=NOON, policy=POLICY),
    Like.of(a_creation_id(), ADA, is_liked=False, at=NOON + seconds(0.000001)),
    an_account(free_hour=HourlyCount(started_at=NOON, count=3)),
    Switch(kind=Kind.VIDEO, is_paused=True, changed_at=NOON),
    OperatorAct(
        act_id="a",
        verb=Verb.UNPUBLISH,
        creation_id=a_creation_id(),
        user_id=ADA,
        reason="spam",
        created_at=NOON,
    ),
    OperatorAct(
        act_id="b", verb=Verb.PAUSE, who="olga", kind=Kind.IMAGE, tokens=5, created_at=NOON
    ),
    WelcomeShard(shard_id="07", day="2026-11-21", count=3),
    Cost(
        cost_id="c",
        model="m",
        estimated_cost_usd=0.5,
        kind=Kind.IMAGE,
        created_at=NOON,
        creation_id=a_creation_id(),
        outcome=RunOutcome.FAILED,
        failure=FailureCode.INTERNAL,
        seconds=901.25,
        refund_lag_s=1.25,
        cost_micro_usd=500_000,
        fold_at=NOON,
    ),
    HourStatistics(hour_id="2026-11-28T14"),
    HourStatistics(
        hour_id="2026-11-28T14",
        image=KindStatistics(ready=3, failed={"internal": 2}, seconds={"12": 2, "more": 1}),
        video=KindStatistics(cost_micro_usd={"a-3.1-b": 7}, refund_lag_max_s=0.5),
        folded_at=NOON,
    ),
]


@pytest.mark.parametrize("document", EVERY_KIND_OF_DOCUMENT, ids=lambda d: type(d).__name__)
def test_written_documents_are_read_back_equal(store: Store, document: Document) -> None:
    put(store, document)

    key: Key[Any] = document.key
    found = store.transact([key], lambda found: unchanged(found.get(key)))

    assert found == document
    assert store.get(key) == document
    assert list(store.everything()) == [document]


def test_value_set_to_null_is_read_back_as_null(store: Store) -> None:
    claimed = a_claimed_creation()
    put(store, claimed)
    put(store, claimed.released(policy=POLICY, at=NOON))

    found = store.get(claimed.key)

    assert found is not None
    assert found.lease_expires_at is None


def test_missing_document_is_none(store: Store) -> None:
    assert store.get(account_key(ADA)) is None
    assert store.transact([account_key(ADA)], lambda found: unchanged(len(found.documents))) == 0


def test_found_document_left_unwritten_is_refused(store: Store) -> None:
    put(store, an_account())

    with pytest.raises(TransactionRuleBroken, match="left unwritten"):
        store.transact([account_key(ADA)], lambda _: write(a_creation(), result=None))

    assert store.get(a_creation().key) is None


def test_ledger_entry_is_never_rewritten_or_removed(store: Store) -> None:
    entry = an_entry()
    put(store, entry)

    with pytest.raises(TransactionRuleBroken, match="ledger"):
        put(store, replace(entry, amount_tokens=6))
    with pytest.raises(TransactionRuleBroken, match="ledger"):
        store.transact([entry.key], lambda _: write(removing=(entry.key,), result=None))

    assert store.get(entry.key) == entry


def test_only_found_documents_can_be_removed(store: Store) -> None:
    with pytest.raises(TransactionRuleBroken, match="found"):
        store.transact([], lambda _: write(removing=(account_key(ADA),), result=None))


def test_document_cannot_be_written_twice(store: Store) -> None:
    with pytest.raises(TransactionRuleBroken, match="twice"):
        store.transact([], lambda _: write(an_account(), an_account(), result=None))


def test_writing_nothing_changes_nothing(store: Store) -> None:
    put(store, an_account(tokens=7))

    answer = store.transact([account_key(ADA)], lambda _: unchanged("nothing"))

    assert answer == "nothing"
    assert store.get(account_key(ADA)) == an_account(tokens=7)


def test_unread_document_must_not_exist(store: Store) -> None:
    entry = an_entry()
    put(store, entry)

    with pytest.raises(StoreContention):
        store.transact([], lambda _: write(an_account(), entry, result=None))

    assert store.get(account_key(ADA)) is None


def test_error_in_the_decision_writes_nothing(store: Store) -> None:
    put(store, an_account(tokens=7))

    def decide(found: Found) -> Decision[None]:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        store.transact([account_key(ADA)], decide)

    assert store.get(account_key(ADA)) == an_account(tokens=7)


def test_documents_are_written_and_removed_together(store: Store) -> None:
    creation = a_draft("one")
    put(store, creation, an_account())
    deletion = MediaDeletion.at_once("d", ["k"], at=NOON, policy=POLICY)

    def decide(found: Found) -> Decision[None]:
        return write(an_account(tokens=1), deletion, removing=(creation.key,), result=None)

    store.transact([creation.key, account_key(ADA)], decide)

    assert store.get(creation.key) is None
    assert store.get(account_key(ADA)) == an_account(tokens=1)
    assert store.get(deletion.key) == deletion


def debit_one(found: Found) -> Decision[int | None]:
    account = found.get(account_key(ADA))
    assert account is not None
    if account.balance_tokens == 0:
        return unchanged(None)
    debited, entry = account.debited(
        1,
        kind=Kind.IMAGE,
        creation_id=a_creation_id(str(account.ledger_count)),
        debit=1,
        actor=Actor.OWNER,
        policy=replace(POLICY, images_in_flight_max=10_000, opened_per_hour_max=10_000),
        at=NOON,
    )
    return write(debited, entry, result=entry.sequence)


def retried(transact: Callable[[], int | None]) -> int | None:
    for _ in range(200):
        try:
            return transact()
        except StoreContention:
            continue
    raise AssertionError("contention without end")


def test_thirty_two_writers_on_one_account_lose_no_token(store: Store) -> None:
    put(store, an_account(tokens=50))

    with ThreadPoolExecutor(32) as writers:
        answers = list(
            writers.map(
                lambda _: retried(lambda: store.transact([account_key(ADA)], debit_one)), range(80)
            )
        )

    account = store.get(account_key(ADA))
    assert account is not None
    assert account.balance_tokens == 0
    assert sorted(answer for answer in answers if answer) == list(range(1, 51))
    assert answers.count(None) == 30


def test_decision_is_repeated_on_current_documents_after_a_conflict(store: Store) -> None:
    put(store, an_account(tokens=10))
    seen: list[int] = []

    def decide(found: Found) -> Decision[None]:
        account = found.get(account_key(ADA))
        assert account is not None
        seen.append(account.balance_tokens)
        return write(replace(account, balance_tokens=account.balance_tokens - 1), result=None)

    with ThreadPoolExecutor(2) as writers:
        list(writers.map(lambda _: store.transact([account_key(ADA)], decide), range(2)))

    assert (seen[0], seen[-1]) == (10, 9)


# Pages


def whole(page_of: Callable[[Page], list[Creation]], limit: int) -> list[str]:
    """Page through a list by (created_at, id) and return the ids."""
    ids: list[str] = []
    after = None
    while page := page_of(Page(limit=limit, after=after)):
        ids += [creation.creation_id for creation in page]
        after = Cursor(page[-1].created_at, page[-1].creation_id)
    return ids


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_drafts_are_listed_newest_first_without_gaps_at_equal_times(
    store: Store, limit: int
) -> None:
    ours = [a_creation(str(n), created_at=NOON + seconds(n // 2)) for n in range(7)]
    put(store, *ours, a_creation("theirs", user_id=BEN))
    newest_first = sorted(ours, key=lambda c: (c.created_at, c.creation_id), reverse=True)

    ids = whole(lambda page: parsed(store.drafts(ADA, DraftsFilter(), page)), limit)

    assert ids == [creation.creation_id for creation in newest_first]


def test_other_lists_have_no_gaps_at_equal_times(store: Store) -> None:
    ours = [
        a_draft(
            str(n),
            status=Status.PUBLISHED,
            published_at=NOON + seconds(n // 2),
            created_at=NOON + seconds(n // 2),
            sweep_at=NOON + seconds(n // 2),
        )
        for n in range(5)
    ]
    put(store, *ours)
    oldest_first = [
        c.creation_id for c in sorted(ours, key=lambda c: (c.created_at, c.creation_id))
    ]

    assert whole(lambda page: parsed(store.feed(page)), 2) == oldest_first[::-1]
    assert whole(lambda page: parsed(store.published_by("ada", page)), 2) == oldest_first[::-1]
    assert whole(lambda page: store.due(NOON + seconds(9), page), 2) == oldest_first


def test_insert_between_pages_neither_repeats_nor_skips_an_item(store: Store) -> None:
    ours = [a_creation(str(n), created_at=NOON + seconds(n)) for n in range(4)]
    put(store, *ours)
    first = parsed(store.drafts(ADA, DraftsFilter(), Page(limit=2)))
    put(store, a_creation("new", created_at=NOON + seconds(9)))

    after = Cursor(first[-1].created_at, first[-1].creation_id)
    second = parsed(store.drafts(ADA, DraftsFilter(), Page(limit=2, after=after)))

    assert shown(*first, *second) == shown(*ours[::-1])


def test_drafts_are_filtered_by_status_and_kind(store: Store) -> None:
    video, image = a_creation("v"), a_creation("i", kind=Kind.IMAGE)
    draft = a_draft("d", created_at=NOON - seconds(1))
    published = a_draft("p", status=Status.PUBLISHED, published_at=NOON)
    put(store, video, image, draft, published)

    def ids(**which: object) -> set[str]:
        found = store.drafts(ADA, DraftsFilter(**which), Page(limit=50))  # type: ignore[arg-type]  # a test names real fields
        return {creation.creation_id for creation in parsed(found)}

    assert ids() == {video.creation_id, image.creation_id, draft.creation_id}
    assert ids(status=Status.DRAFT) == {draft.creation_id}
    assert ids(kind=Kind.IMAGE) == {image.creation_id}
    assert ids(status=Status.PENDING, kind=Kind.VIDEO) == {video.creation_id}
    assert ids(status=Status.FAILED) == set()


def test_feed_and_profile_list_published_creations_newest_first(store: Store) -> None:
    published = [
        a_draft(str(n), user, status=Status.PUBLISHED, published_at=NOON + seconds(n))
        for n, user in enumerate([ADA, BEN, ADA])
    ]
    put(store, *published, a_draft("draft"))

    assert shown(*parsed(store.feed(Page(limit=50)))) == shown(*published[::-1])
    of_ada = parsed(store.published_by("ada", Page(limit=50)))
    assert shown(*of_ada) == shown(published[2], published[0])
    assert store.published_by("nobody", Page(limit=50)) == []
    newest = published[2]
    after = Cursor(NOON + seconds(2), newest.creation_id)
    assert shown(*parsed(store.feed(Page(limit=1, after=after)))) == shown(published[1])
    second = parsed(store.published_by("ada", Page(limit=1, after=after)))
    assert shown(*second) == shown(published[0])


def version_of_the_draft(store: Store, key: Key[Creation]) -> str:
    """Return the version of the only draft, the same by its key and in the list."""
    one = store.shown(key)
    assert one is not None
    [of_ada] = store.drafts(ADA, DraftsFilter(), Page(1))
    assert one == of_ada
    assert shown(one.parse()) == shown(of_ada.parse())
    return one.version


def test_shared_creations_are_listed_for_each_collaborator_newest_first(store: Store) -> None:
    both = Sharing(secret="s", collaborators=("ben", "cyd"))
    times = [NOON, NOON + seconds(1), NOON + seconds(1)]
    drafts = [a_draft(f"{number}", created_at=at, sharing=both) for number, at in enumerate(times)]
    for draft in (*drafts, a_draft("linked", sharing=Sharing(secret="s")), a_draft("private")):
        put(store, draft)
    ids = [each.creation_id for each in sorted(drafts, key=lambda d: (d.created_at, d.key.id))]

    def shared_with(username: str) -> list[str]:
        return whole(lambda page: parsed(store.shared_with(username, page)), 1)

    assert shared_with("ben") == shared_with("cyd") == ids[::-1]
    assert shared_with("ada") == []

    put(store, replace(drafts[0], sharing=Sharing(collaborators=("cyd", "eve"))))
    store.transact([drafts[1].key], lambda _: write(result=None, removing=(drafts[1].key,)))

    left = drafts[2].creation_id
    assert shared_with("ben") == [left]
    assert shared_with("cyd") == [left, drafts[0].creation_id]
    assert shared_with("eve") == [drafts[0].creation_id]


def test_version_changes_exactly_with_the_document(store: Store) -> None:
    draft = a_draft("d")
    put(store, draft)
    first, again = version_of_the_draft(store, draft.key), version_of_the_draft(store, draft.key)
    put(store, replace(draft, caption="First snow"))
    changed = version_of_the_draft(store, draft.key)
    put(store, a_draft("other", user=BEN))

    assert first == again != changed
    assert version_of_the_draft(store, draft.key) == changed


def test_views_know_of_a_start_although_they_do_not_read_it(store: Store) -> None:
    claimed, watcher = a_claimed_creation(), ChangeRecorder()
    put(store, claimed)
    before = version_of_the_draft(store, claimed.key)
    with store.watch(ADA, watcher):
        eventually(lambda: watcher.sees(None, claimed))
        started = claimed.with_intent(model="model", cost_usd=0.1, at=NOON)
        put(store, started)
        eventually(lambda: watcher.sees(None, started))
    [listed] = store.drafts(ADA, DraftsFilter(), Page(1))

    assert version_of_the_draft(store, claimed.key) != before
    views = (listed.parse(), watcher.changes[-1].creations[0])
    assert [each.is_cancellable for each in views] == [False, False]
    assert watcher.changes[0].creations[0].is_cancellable


def test_equal_documents_have_different_versions(store: Store) -> None:
    put(store, a_draft("one"), a_draft("two"))

    assert len({each.version for each in store.drafts(ADA, DraftsFilter(), Page(9))}) == 2


@pytest.mark.parametrize("creation_id", [a_creation_id("nobody's"), "", "..", "a/b", "a\ud800"])
def test_missing_or_impossible_document_is_not_shown(store: Store, creation_id: str) -> None:
    assert store.shown(creation_key(CreationId(creation_id))) is None


def test_ledger_lists_the_owners_entries_by_descending_sequence(store: Store) -> None:
    entries = [an_entry(n) for n in range(1, 12)]
    put(store, *entries, an_entry(1, BEN))

    first = parsed(store.ledger(ADA, Page(limit=3)))
    after = Cursor(first[-1].sequence, first[-1].entry_id)
    rest = parsed(store.ledger(ADA, Page(limit=50, after=after)))

    assert [*first, *rest] == entries[::-1]


def available(name: str, after_s: float, **changes: Any) -> Creation:
    return a_creation(name, kind=Kind.IMAGE, available_at=NOON + seconds(after_s), **changes)


def ids(creations: Iterable[Creation]) -> list[CreationId]:
    return [each.creation_id for each in creations]


def test_waiting_lists_available_creations_of_a_kind_oldest_first(store: Store) -> None:
    waiting = [available(str(n), n) for n in range(4)]
    others = [a_creation("video"), a_claimed_creation("claimed", kind=Kind.IMAGE)]
    earlier_release = a_creation("earlier release", kind=Kind.IMAGE, available_at=None)
    settled_by_it = available("settled by it", 0, status=Status.DRAFT)
    put(store, *waiting[::-1], *others, earlier_release, settled_by_it, available("not yet", 9))

    assert ids(store.waiting(Kind.IMAGE, NOON + seconds(3), Page(limit=50))) == ids(waiting)
    first = store.waiting(Kind.IMAGE, NOON + seconds(3), Page(limit=3))
    after = Cursor(NOON + seconds(2), first[-1].creation_id)
    rest = store.waiting(Kind.IMAGE, NOON + seconds(3), Page(limit=3, after=after))
    assert ids(rest) == ids(waiting[3:])
    assert store.waiting(Kind.IMAGE, NOON - seconds(1), Page(limit=50)) == []


def test_waiting_pages_have_no_gaps_at_equal_times(store: Store) -> None:
    waiting = sorted((available(str(n), 0) for n in range(5)), key=lambda each: each.creation_id)
    put(store, *waiting)

    found: list[Creation] = []
    after: Cursor | None = None
    while page := store.waiting(Kind.IMAGE, NOON, Page(2, after)):
        found += page
        after = Cursor(NOON, page[-1].creation_id)

    assert ids(found) == ids(waiting)


def test_waiting_begins_at_a_time_with_every_creation_of_that_time(store: Store) -> None:
    earlier, first, second = (available(str(n), n) for n in range(3))
    put(store, earlier, first, second)

    page = Page(50, Cursor(NOON + seconds(1), BEFORE_EVERY_ID))

    assert ids(store.waiting(Kind.IMAGE, NOON + seconds(9), page)) == ids([first, second])


def test_waiting_follows_a_creation_through_its_attempts(store: Store) -> None:
    def waits(after_s: float) -> list[CreationId]:
        return ids(store.waiting(Kind.IMAGE, NOON + seconds(after_s), Page(limit=50)))

    opened = available("one", 0)
    claimed = opened.claimed(LEASE_OWNER, policy=POLICY, at=NOON)
    put(store, opened)
    assert waits(0) == [opened.creation_id]

    put(store, claimed)
    assert waits(900) == []

    put(store, claimed.released(policy=POLICY, at=NOON + seconds(5)))
    assert (waits(4), waits(5)) == ([], [opened.creation_id])

    put(store, claimed.waiting_to_retry(NOON + seconds(60), policy=POLICY, at=NOON))
    assert (waits(59), waits(60)) == ([], [opened.creation_id])

    put(store, opened.failed(FailureCode.CANCELLED, policy=POLICY, at=NOON))
    assert waits(900) == []


def test_waiting_shows_what_a_claim_is_chosen_by(store: Store) -> None:
    put(store, available("one", 0, deadline_at=NOON + seconds(900)))

    [found] = store.waiting(Kind.IMAGE, NOON, Page(limit=50))

    assert (found.user_id, found.available_at) == (ADA, NOON)
    assert found.deadline_at == NOON + seconds(900)


def test_held_lists_what_an_execution_is_processing(store: Store) -> None:
    first, second = LEASE_OWNER, replace(LEASE_OWNER, task_attempt=1)
    other = replace(LEASE_OWNER, execution="another")
    held = [
        a_creation(f"by {owner}").claimed(owner, policy=POLICY, at=NOON + seconds(n))
        for n, owner in enumerate((first, second))
    ]
    image = a_creation("image", kind=Kind.IMAGE)
    put(
        store,
        *held[::-1],
        a_draft("settled"),
        a_claimed_creation("handed back").released(policy=POLICY, at=NOON),
        a_creation("by another").claimed(other, policy=POLICY, at=NOON),
        image.claimed(first, policy=POLICY, at=NOON),
        a_creation("pending"),
    )

    assert store.held(LEASE_OWNER.execution, Kind.VIDEO) == held
    assert ids(store.held(LEASE_OWNER.execution, Kind.IMAGE)) == [image.creation_id]
    assert store.held("nobody", Kind.VIDEO) == []


def test_due_lists_overdue_unfinished_creations_oldest_first(store: Store) -> None:
    due = [a_creation(str(n), sweep_at=NOON + seconds(n)) for n in range(4)]
    put(store, *due[::-1], a_draft("settled"), a_creation("later", sweep_at=NOON + seconds(9)))

    assert store.due(NOON + seconds(3), Page(limit=50)) == due
    first = store.due(NOON + seconds(3), Page(limit=3))
    after = Cursor(NOON + seconds(2), first[-1].creation_id)
    assert store.due(NOON + seconds(3), Page(limit=3, after=after)) == due[3:]
    assert store.due(NOON - seconds(1), Page(limit=50)) == []


def test_overdue_lists_unfinished_creations_oldest_deadline_first(store: Store) -> None:
    overdue = [
        a_creation(str(n), deadline_at=NOON + seconds(n), sweep_at=NOON - seconds(n))
        for n in range(4)
    ]
    in_time = a_creation("in time", deadline_at=NOON + seconds(9), sweep_at=NOON)
    put(store, *overdue[::-1], a_draft("settled"), in_time)

    assert store.overdue(NOON + seconds(3), Page(limit=50)) == overdue
    first = store.overdue(NOON + seconds(3), Page(limit=3))
    after = Cursor(NOON + seconds(2), first[-1].creation_id)
    assert store.overdue(NOON + seconds(3), Page(limit=3, after=after)) == overdue[3:]
    assert store.overdue(NOON - seconds(1), Page(limit=50)) == []


def test_unreadable_creation_hides_no_other_from_jobs_and_sweep(store: Store) -> None:
    creations = [available(str(n), n) for n in range(3)]
    of_later_release: Any = "of a later release"
    put(store, *creations, available("unreadable", 0, stage=of_later_release))
    page, at = Page(limit=50), NOON + seconds(900)

    for found in (
        store.waiting(Kind.IMAGE, at, page),
        store.overdue(at, page),
        store.due(at, page),
    ):
        readable = [each.creation_id for each in found if each.stage != of_later_release]
        assert sorted(readable) == sorted(ids(creations))


def test_unreadable_creation_hides_no_other_that_an_execution_holds(store: Store) -> None:
    first, second = (
        a_creation(name).claimed(LEASE_OWNER, policy=POLICY, at=NOON) for name in ("one", "two")
    )
    of_later_release: Any = "of a later release"
    put(store, replace(first, stage=of_later_release), second)

    found = store.held(LEASE_OWNER.execution, Kind.VIDEO)

    assert [each for each in found if each.stage != of_later_release] == [second]


@pytest.mark.parametrize("listed", ["waiting", "overdue", "due"])
def test_page_without_a_readable_creation_does_not_end_the_list(store: Store, listed: str) -> None:
    stages: list[Any] = ["of a later release"] * 3 + [None] * 2
    times = [NOON + seconds(n) for n in range(5)]
    creations = [
        a_creation(
            str(n), kind=Kind.IMAGE, stage=stage, available_at=at, sweep_at=at, deadline_at=at
        )
        for n, (stage, at) in enumerate(zip(stages, times, strict=True))
    ]
    put(store, *creations)
    read = partial(store.waiting, Kind.IMAGE) if listed == "waiting" else getattr(store, listed)

    found: list[Creation] = []
    after: Cursor | None = None
    while page := read(NOON + seconds(900), Page(limit=1, after=after)):
        found += page
        after = Cursor(page[-1].deadline_at or NOON, page[-1].creation_id)

    assert ids(each for each in found if each.stage is None) == ids(creations[3:])


def test_due_and_overdue_creations_have_internals(store: Store) -> None:
    running = a_claimed_creation().with_intent(model="m", cost_usd=0.1, at=NOON)
    put(store, running)

    assert store.due(NOON + seconds(900), Page(limit=50)) == [running]
    assert store.overdue(NOON + seconds(900), Page(limit=50)) == [running]


def test_expired_lists_creations_whose_life_has_ended_oldest_first(store: Store) -> None:
    expired = [a_draft(str(n), expires_at=NOON + seconds(n)) for n in range(4)]
    put(store, *expired[::-1], a_draft("kept", expires_at=None), a_creation())

    assert store.expired(NOON + seconds(2), Page(limit=50)) == expired[:3]
    after = Cursor(NOON + seconds(1), expired[1].creation_id)
    assert store.expired(NOON + seconds(9), Page(limit=1, after=after)) == [expired[2]]


def test_scheduled_lists_creations_to_publish_by_their_next_try(store: Store) -> None:
    schedules = [Schedule(publish_at=NOON, try_at=NOON + seconds(n)) for n in range(4)]
    drafts = [a_draft(str(n), schedule=each, expires_at=None) for n, each in enumerate(schedules)]
    put(store, *drafts[::-1], a_draft("other"), a_creation())

    assert store.scheduled(NOON + seconds(2), Page(limit=50)) == drafts[:3]
    after = Cursor(NOON + seconds(1), drafts[1].creation_id)
    assert store.scheduled(NOON + seconds(9), Page(limit=1, after=after)) == [drafts[2]]


def test_creations_are_listed_by_id_until_none_is_left(store: Store) -> None:
    of_later_release: Any = "of a later release"
    creations = [a_creation(str(n), stage=Stage.QUEUED) for n in range(7)]
    creations = sorted(creations, key=lambda each: each.creation_id)
    unreadable = [replace(each, stage=of_later_release) for each in creations[2:5]]
    put(store, *creations[:2], *unreadable, *creations[5:], an_account())

    found: list[Creation] = []
    after_id: str | None = None
    while batch := store.creations_by_id(after_id, 2):
        found += batch
        after_id = batch[-1].creation_id

    readable = [each for each in found if each.stage != of_later_release]
    assert readable == [*creations[:2], *creations[5:]]


def test_due_deletions_are_listed_oldest_first(store: Store) -> None:
    due = [
        MediaDeletion.at_once(str(n), ["k"], at=NOON + seconds(n), policy=POLICY) for n in range(3)
    ]
    put(store, *due)

    assert store.due_deletions(NOON + seconds(1), Page(limit=50)) == due[:2]
    after = Cursor(NOON, "0")
    assert store.due_deletions(NOON + seconds(5), Page(limit=1, after=after)) == [due[1]]


def a_like(creation: str, user: str = ADA, after_s: float = 0, **changes: Any) -> Like:
    at = NOON + seconds(after_s)
    return Like.of(a_creation_id(creation), UserId(user), **{"is_liked": True, "at": at, **changes})


def test_changed_likes_are_listed_oldest_change_first(store: Store) -> None:
    changed = [a_like("one", f"user {n}", n // 2, is_liked=n != 1) for n in range(5)]
    changed.sort(key=lambda each: (each.changed_at, each.like_id))
    put(store, *changed[::-1], a_like("one", "before", -0.001))

    assert store.changed_likes(NOON, Page(limit=50)) == changed
    assert store.changed_likes(NOON + seconds(1), Page(limit=50)) == changed[2:]
    after = Cursor(changed[0].changed_at, changed[0].like_id)
    assert store.changed_likes(NOON, Page(limit=3, after=after)) == changed[1:4]


def test_likes_are_counted_without_withdrawn_ones_and_other_creations(store: Store) -> None:
    assert store.like_count(a_creation_id("one")) == 0
    withdrawn = a_like("one", "c", is_liked=False)
    put(store, a_like("one"), a_like("one", BEN), withdrawn, a_like("two"))

    assert store.like_count(a_creation_id("one")) == 2
    put(store, a_like("one", BEN, is_liked=False))
    assert store.like_count(a_creation_id("one")) == 1


def test_likes_of_a_creation_are_found_by_their_ids(store: Store) -> None:
    users = ["!", "Z", "_", "z", "🦊"]
    mine = {a_like("one", user, is_liked=user != "z").key for user in users}
    put(store, *[a_like(name, user) for name in ("one", "two", "three") for user in users])

    assert set(store.likes_of(a_creation_id("one"), 50)) == mine
    assert len(store.likes_of(a_creation_id("one"), 3)) == 3
    assert store.likes_of(a_creation_id("none"), 50) == []


def test_unreadable_like_hides_no_other(store: Store) -> None:
    likes = [a_like("one", user, n) for n, user in enumerate("abc")]
    put(store, *likes)
    damage(store, likes[0].key, lambda fields: fields.pop("userId"))

    found = store.changed_likes(NOON, Page(limit=1))

    if not isinstance(store, SimulatedStore):  # its lists hide nothing
        assert found == likes[1:2]
    books = list(store.books())
    assert [each.document for each in books if isinstance(each, Damage)] == [
        f"{Collection.LIKES}/{likes[0].like_id}"
    ]
    assert [each for each in books if isinstance(each, Like)] == likes[1:]


def a_cost(
    cost_id: str, *, kind: Kind = Kind.VIDEO, at: datetime = NOON, **changes: object
) -> Cost:
    cost = Cost(
        cost_id=cost_id,
        model="m",
        estimated_cost_usd=0.25,
        kind=kind,
        was_claimed=True,
        created_at=at,
    )
    return replace(cost, **changes)  # type: ignore[arg-type]  # a test names real fields


def test_expired_downloads_are_listed_oldest_first(store: Store) -> None:
    links = [
        Download(
            secret=f"secret{number}",
            user_id=ADA,
            creation_ids=(a_creation_id("a"), a_creation_id("b")),
            expires_at=NOON + seconds(number // 2),
        )
        for number in range(4)
    ]
    put(store, *reversed(links))

    assert store.expired_downloads(NOON, Page(limit=50)) == links[:2]
    after = Cursor(NOON, links[0].secret)
    assert store.expired_downloads(NOON + seconds(5), Page(limit=2, after=after)) == links[1:3]


def test_several_documents_are_found_at_once(store: Store) -> None:
    account, creation = an_account(), a_creation()
    put(store, account, creation)
    missing, impossible = account_key(UserId("none")), account_key(UserId("a/b"))

    found = store.found([creation.key, missing, account.key, impossible])

    assert found.documents == {creation.key: creation, account.key: account}
    assert store.found([]).documents == {}


def test_unfinished_creations_are_counted_by_kind_and_status(store: Store) -> None:
    assert store.unfinished(Kind.VIDEO, Status.PENDING) == 0
    failed = a_claimed_creation("failed").failed(FailureCode.INTERNAL, policy=POLICY, at=NOON)
    put(
        store,
        a_creation("one"),
        a_creation("two", user_id=BEN),
        a_creation("three", kind=Kind.IMAGE),
        a_claimed_creation("four"),
        failed,
        a_draft("five"),
    )

    counts = {
        (kind, status): store.unfinished(kind, status)
        for kind in Kind
        for status in (Status.PENDING, Status.PROCESSING)
    }

    assert counts == {
        (Kind.VIDEO, Status.PENDING): 2,
        (Kind.VIDEO, Status.PROCESSING): 1,
        (Kind.IMAGE, Status.PENDING): 1,
        (Kind.IMAGE, Status.PROCESSING): 0,
    }


def test_settled_runs_are_counted_if_they_were_claimed(store: Store) -> None:
    old = Cost(cost_id="old", model=None, estimated_cost_usd=1)
    put(
        store,
        old,
        a_cost("before", at=NOON - seconds(0.001)),
        a_cost("at"),
        a_cost("after", at=NOON + seconds(60)),
        a_cost("image", kind=Kind.IMAGE),
        a_cost("cancelled", was_claimed=False),
    )

    assert store.settled_since(Kind.VIDEO, NOON) == 2
    assert store.settled_since(Kind.IMAGE, NOON) == 1
    assert store.settled_since(Kind.VIDEO, NOON + seconds(61)) == 0


def test_costs_are_summed_since_a_time(store: Store) -> None:
    assert store.cost_usd_since(NOON) == 0
    put(
        store,
        a_cost("before", at=NOON - seconds(1), estimated_cost_usd=100),
        a_cost("at", estimated_cost_usd=0.5),
        a_cost("image", kind=Kind.IMAGE, estimated_cost_usd=0.125),
        a_cost("cancelled", was_claimed=False, estimated_cost_usd=0),
    )

    assert store.cost_usd_since(NOON) == pytest.approx(0.625)


def test_unfolded_outcomes_are_listed_oldest_first(store: Store) -> None:
    outcomes = [a_cost(str(n), fold_at=NOON + seconds(n)) for n in range(3)]
    put(store, *outcomes, a_cost("folded"))

    assert store.unfolded(NOON + seconds(1), Page(limit=50)) == outcomes[:2]
    after = Cursor(NOON, "0")
    assert store.unfolded(NOON + seconds(5), Page(limit=1, after=after)) == [outcomes[1]]
    assert [store.unfolded_since(NOON + seconds(n)) for n in range(4)] == [3, 2, 1, 0]
    put(store, replace(outcomes[0], fold_at=None))
    assert store.unfolded(NOON + seconds(5), Page(limit=50)) == outcomes[1:]
    assert store.unfolded_since(NOON) == 2


def test_two_hundred_outcomes_and_their_hour_are_written_together(store: Store) -> None:
    outcomes = [a_cost(f"{n:03}", fold_at=NOON) for n in range(200)]
    put(store, *outcomes)
    hour = HourStatistics(hour_id=hour_id(NOON))
    keys: list[Key[Any]] = [hour.key, *(each.key for each in outcomes)]

    def decide(found: Found) -> Decision[int]:
        folded = [replace(each, fold_at=None) for each in outcomes if found.get(each.key)]
        return write(hour, *folded, result=len(folded))

    assert store.transact(keys, decide) == 200
    assert store.unfolded(NOON, Page(limit=50)) == []
    assert store.get(hour_key("2026-11-21T12")) == hour


def test_statistics_are_listed_from_an_hour_on(store: Store) -> None:
    hours = [HourStatistics(hour_id=hour_id(NOON + seconds(3600 * n))) for n in range(14)]
    put(store, *reversed(hours))

    assert store.statistics(hours[0].hour_id) == hours
    assert store.statistics(hours[12].hour_id) == hours[12:], "also of the next day"
    assert store.statistics("2026-11-23T00") == []


def test_publications_are_counted_since_a_time(store: Store) -> None:
    published = [
        a_draft(str(n), status=Status.PUBLISHED, published_at=NOON + seconds(n)) for n in range(3)
    ]
    put(store, *published, a_draft("draft"))

    assert store.published_since(NOON) == 3
    assert store.published_since(NOON + seconds(0.001)) == 2
    assert store.published_since(NOON + seconds(3)) == 0


def test_outcomes_come_before_the_statistics_and_damage_hides_none(store: Store) -> None:
    outcomes = [a_cost(str(n)) for n in range(3)]
    hours = [HourStatistics(hour_id=hour_id(NOON + seconds(3600 * n))) for n in range(3)]
    put(store, *outcomes, *hours, an_account(), a_creation())
    damage(store, outcomes[1].key, lambda fields: fields.pop("estimatedCostUsd"))
    damage(store, hours[1].key, lambda fields: fields.update(video=3))

    found = list(store.outcomes())

    assert [each for each in found if not isinstance(each, Damage)] == [
        *(outcomes[0], outcomes[2], hours[0], hours[2]),
    ]
    assert {each.document for each in found if isinstance(each, Damage)} == {
        f"costs/{outcomes[1].cost_id}",
        f"stats/{hours[1].hour_id}",
    }


def test_operator_act_is_never_rewritten_or_removed(store: Store) -> None:
    act = OperatorAct(
        act_id="a",
        verb=Verb.DELETE,
        creation_id=a_creation_id(),
        user_id=ADA,
        reason="spam",
        created_at=NOON,
    )
    put(store, act)

    for decision in (
        write(replace(act, reason="nothing"), result=None),
        write(removing=(act.key,), result=None),
    ):
        with pytest.raises(TransactionRuleBroken):
            store.transact([act.key], lambda _, decision=decision: decision)  # type: ignore[misc]  # a bound default
    assert store.get(act.key) == act


def test_acts_are_listed_newest_first_in_pages(store: Store) -> None:
    acts = [
        OperatorAct(act_id=f"{n}", verb=Verb.SWEEP, created_at=NOON + seconds(n // 2))
        for n in range(5)
    ]
    for act in acts:
        put(store, act)

    first = parsed(store.acts(Page(3)))
    rest = parsed(store.acts(Page(3, Cursor(first[-1].created_at, first[-1].act_id))))

    assert [*first, *rest] == acts[::-1]


def test_acts_on_a_creation_are_listed_newest_first_in_pages(store: Store) -> None:
    ids = [CreationId("a"), CreationId("b")]
    acts = [
        OperatorAct(
            act_id=f"{n}",
            verb=Verb.UNPUBLISH,
            creation_id=ids[n % 2],
            created_at=NOON + seconds(n // 4),
        )
        for n in range(8)
    ]
    put(store, *acts, OperatorAct(act_id="sweep", verb=Verb.SWEEP, created_at=NOON))

    first = parsed(store.acts_of(ids[0], Page(3)))
    rest = parsed(store.acts_of(ids[0], Page(3, Cursor(first[-1].created_at, first[-1].act_id))))

    assert [*first, *rest] == acts[6::-2]
    assert store.acts_of(CreationId("c"), Page(3)) == []


def test_created_by_lists_every_state_of_one_user_newest_first(store: Store) -> None:
    mine = [
        replace(a_creation(status.value), status=status, created_at=NOON + seconds(number))
        for number, status in enumerate(Status)
    ]
    for each in (*mine, a_creation("other", user_id=BEN)):
        put(store, each)

    first = parsed(store.created_by(ADA, Page(3)))
    after = Cursor(first[-1].created_at, first[-1].creation_id)
    rest = parsed(store.created_by(ADA, Page(3, after)))

    assert [each.creation_id for each in (*first, *rest)] == [
        each.creation_id for each in mine[::-1]
    ]


def test_failed_since_lists_one_code_oldest_failure_first(store: Store) -> None:
    def failed(name: str, at_s: float, code: FailureCode = FailureCode.INTERNAL) -> Creation:
        at = NOON + seconds(at_s)
        return a_claimed_creation(name).failed(code, policy=POLICY, at=at)

    wanted = [failed("b", 3), failed("a", 2), failed("c", 2)]
    again = failed("again", 3).debited_again(policy=POLICY, at=NOON + seconds(4))
    others = [failed("early", 1), failed("other", 3, FailureCode.CANCELLED), again, a_draft("d")]
    for each in (*wanted, *others):
        put(store, each)
    since, expected = (
        NOON + seconds(2),
        sorted(wanted, key=lambda each: (each.updated_at, each.creation_id)),
    )

    first = store.failed_since(FailureCode.INTERNAL, None, since, Page(2))
    after = Cursor(first[-1].updated_at, first[-1].creation_id)
    rest = store.failed_since(FailureCode.INTERNAL, None, since, Page(2, after))

    assert [each.creation_id for each in (*first, *rest)] == [each.creation_id for each in expected]
    assert all(each.error and each.run_number == 1 for each in (*first, *rest))


def test_failed_since_lists_one_kind(store: Store) -> None:
    failed = [
        replace(
            a_claimed_creation(f"{kind}{n}").failed(FailureCode.INTERNAL, policy=POLICY, at=NOON),
            kind=kind,
        )
        for n in range(2)
        for kind in Kind
    ]
    put(store, *failed)

    for kind in Kind:
        first = store.failed_since(FailureCode.INTERNAL, kind, NOON, Page(1))
        after = Cursor(first[-1].updated_at, first[-1].creation_id)
        rest = store.failed_since(FailureCode.INTERNAL, kind, NOON, Page(2, after))
        expected = {each.creation_id for each in failed if each.kind is kind}
        assert {each.creation_id for each in (*first, *rest)} == expected
        assert len(first) == len(rest) == 1


def test_books_come_account_by_account(store: Store) -> None:
    users = [ADA, f"{ADA}-1", "Zed", "Ørsted", "🦊"]
    documents: list[Document] = []
    for user in users:
        documents += [an_account(user), an_entry(1, user), an_entry(2, user)]
        documents += [a_creation(f"{user} {n}", user_id=user) for n in range(3)]
    stray = an_entry(1, "nobody")
    others: list[Document] = [
        UsernameClaim(username="ada", user_id=ADA),
        A_DELETION,
        Like.of(a_creation_id(), ADA, is_liked=True, at=NOON),
    ]
    put(
        store,
        *documents,
        stray,
        *others,
        a_cost := Cost(cost_id="c", model=None, estimated_cost_usd=1),
    )

    books = list(store.books())

    of_accounts = [each for each in books if isinstance(each, Account | Creation | LedgerEntry)]
    owners = [each.user_id for each in of_accounts]
    assert books[: len(of_accounts)] == of_accounts, "they come first"
    assert owners == sorted(owners)
    assert len(of_accounts) == len(documents) + 1
    assert {repr(each) for each in of_accounts} == {repr(each) for each in (*documents, stray)}
    assert books[len(of_accounts) :] == others
    assert a_cost not in books


def test_accounts_come_with_their_checkpoints(store: Store) -> None:
    users = [ADA, f"{ADA}-1", "Zed", "Ørsted", "🦊"]
    accounts = [an_account(user) for user in users]
    checkpoints = [AuditCheckpoint.of(each, (a_creation_id(),)) for each in accounts[1:]]
    gone = AuditCheckpoint(user_id=UserId("gone"))
    put(store, *accounts, *checkpoints, gone, a_creation(), an_entry(1))

    documents = [each for each in store.accounts() if not isinstance(each, Damage)]

    owners = [each.user_id for each in documents]
    assert owners == sorted(owners)
    assert {repr(each) for each in documents} == {
        repr(each) for each in (*accounts, *checkpoints, gone)
    }


def test_unreadable_account_hides_no_other(store: Store) -> None:
    accounts = [an_account(user) for user in ("a", ADA, "z")]
    put(store, *accounts, AuditCheckpoint.of(accounts[1]))

    damage(store, account_key(ADA), lambda fields: fields.pop("username"))

    first, damaged, *others = store.accounts()
    assert isinstance(damaged, Damage)
    assert damaged.document == f"{Collection.USERS}/{ADA}"
    assert [first, *others] == [accounts[0], AuditCheckpoint.of(accounts[1]), accounts[2]]


DAMAGES: dict[str, tuple[Key[Any], Callable[[dict[str, Any]], object]]] = {
    "a creation without an owner": (A_CREATION, lambda d: d.pop("userId")),
    "a creation of null": (A_CREATION, lambda d: d.update(userId=None)),
    "a creation of a list": (A_CREATION, lambda d: d.update(userId=[BEN])),
    "a creation without a time": (A_CREATION, lambda d: d.pop("createdAt")),
    "a creation with a time of null": (A_CREATION, lambda d: d.update(createdAt=None)),
    "a creation of an unknown status": (A_CREATION, lambda d: d.update(status="lost")),
    "an entry without an owner": (AN_ENTRY, lambda d: d.pop("userId")),
    "an entry of a number": (AN_ENTRY, lambda d: d.update(userId=7)),
    "an entry without a number": (AN_ENTRY, lambda d: d.pop("sequence")),
    "an entry with a number of null": (AN_ENTRY, lambda d: d.update(sequence=None)),
    "an entry of many tokens": (AN_ENTRY, lambda d: d.update(amount="many")),
    "an account without a name": (account_key(ADA), lambda d: d.pop("username")),
    "a name of nobody": (A_NAME.key, lambda d: d.pop("userId")),
    "a deletion without files": (A_DELETION.key, lambda d: d.pop("keys")),
}


def damage(store: Store, key: Key[Any], change: Callable[[dict[str, Any]], object]) -> None:
    """Change the fields of a stored document behind the store's back."""
    if isinstance(store, SQLiteStore):
        with closing(connect(store._path)) as connection:
            connection.execute("DROP TRIGGER IF EXISTS ledger_is_not_changed")
            select = f'SELECT document FROM "{key.collection}" WHERE id = ?'
            [text] = connection.execute(select, [key.id]).fetchone()
            fields = json.loads(text)
            change(fields)
            update = f'UPDATE "{key.collection}" SET document = ? WHERE id = ?'
            connection.execute(update, [json.dumps(fields), key.id])
    elif isinstance(store, FirestoreStore):
        stored = store._documents.collection(key.collection).document(key.id)
        fields = stored.get().to_dict() or {}
        change(fields)
        stored.set(fields)
    elif isinstance(store, SimulatedStore):
        store.damaged.add(key)


@pytest.mark.parametrize("what", DAMAGES)
def test_books_name_a_damaged_document_and_contain_all_others(store: Store, what: str) -> None:
    documents: list[Document] = [A_NAME, A_DELETION]
    for user in (ADA, BEN, "Zed"):
        documents += [an_account(user), an_entry(1, user), an_entry(2, user)]
        documents += [a_creation(f"{user}-{n}", user_id=user) for n in range(2)]
    put(store, *documents)
    key, change = DAMAGES[what]

    damage(store, key, change)

    books = list(store.books())
    [found] = [each for each in books if isinstance(each, Damage)]
    assert found.document == f"{key.collection}/{key.id}"
    assert found.what.startswith("cannot be read: ")
    readable = [each for each in books if not isinstance(each, Damage)]
    assert {repr(each) for each in readable} == {repr(d) for d in documents if d.key != key}
    of_accounts = [each for each in books if isinstance(each, Account | Creation | LedgerEntry)]
    owners = [each.user_id for each in of_accounts]
    assert owners == sorted(owners)
    assert books[: len(of_accounts)] == of_accounts, "they come first"


def test_books_are_of_one_moment(store: Store) -> None:
    put(store, an_account(), an_entry(), a_creation())
    books = store.books()
    first = next(books)

    put(store, an_account(BEN), an_entry(1, BEN), a_creation("later", user_id=BEN))

    assert {repr(first), *map(repr, books)} == {
        repr(each) for each in (an_account(), an_entry(), a_creation())
    }


def test_everything_is_consistent_at_one_moment(store: Store) -> None:
    users = [f"user-{n:03}" for n in range(301)]
    put(store, *[an_account(user) for user in users])
    documents = store.everything()
    first = next(documents)

    put(store, a_creation(), an_account("user-500"), *[an_account(u, tokens=1) for u in users])

    assert [first, *documents] == [an_account(user) for user in users]


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "a/b/c", "__x__", "x" * 1501, "\udcff"],
    ids=lambda name: ascii(name[:9]),
)
def test_document_with_an_impossible_id_never_exists(store: Store, name: str) -> None:
    odd = an_account(name)

    assert store.get(odd.key) is None
    with pytest.raises(TransactionRuleBroken, match="id"):
        put(store, odd)


def test_ids_accept_all_characters_of_user_ids(store: Store) -> None:
    odd = an_account("Ünï.code:uid-42_|@x")
    put(store, odd)

    assert store.get(odd.key) == odd
    assert store.get(entry_key("x")) is None
    assert store.get(creation_key(a_creation_id("y"))) is None


# Watches


def test_watch_delivers_a_snapshot_and_each_change(store: Store) -> None:
    creation, account, watcher = a_creation(), an_account(), ChangeRecorder()
    put(store, account, creation, a_creation("theirs", user_id=BEN), an_account(BEN))
    with store.watch(ADA, watcher):
        eventually(lambda: watcher.sees(account, creation))
        assert watcher.changes == [Changes(account, tuple(shown(creation)), ())]

        claimed = creation.claimed(LEASE_OWNER, policy=POLICY, at=NOON)
        put(store, claimed)
        eventually(lambda: watcher.sees(account, claimed))
        put(store, an_account(tokens=7))
        eventually(lambda: watcher.sees(an_account(tokens=7), claimed))
        store.transact([creation.key], lambda _: write(removing=(creation.key,), result=None))
        eventually(lambda: watcher.sees(an_account(tokens=7)))

    assert watcher.changes[1:] == [
        Changes(None, tuple(shown(claimed)), ()),
        Changes(an_account(tokens=7), (), ()),
        Changes(None, (), (creation.creation_id,)),
    ]
    assert threading.get_ident() not in watcher.threads


def test_watch_of_an_unknown_user_delivers_an_empty_snapshot(store: Store) -> None:
    watcher = ChangeRecorder()
    with store.watch(ADA, watcher):
        eventually(lambda: watcher.sees(None))
        put(store, an_account(), a_draft("one", status=Status.PUBLISHED, published_at=NOON))
        eventually(lambda: watcher.last.account is not None and watcher.last.creations)

    assert watcher.changes[0] == Changes(None, (), ())


def test_watch_is_limited_to_the_newest_creations(store: Store) -> None:
    creations = [a_creation(str(n), created_at=NOON + seconds(n)) for n in range(WATCHED_MAX + 2)]
    put(store, *creations[:WATCHED_MAX])
    watcher = ChangeRecorder()
    with store.watch(ADA, watcher):
        eventually(lambda: watcher.sees(None, *creations[:WATCHED_MAX]))
        put(store, *creations[WATCHED_MAX:])
        eventually(lambda: watcher.sees(None, *creations[2:]))

    gone = {creation_id for changes in watcher.changes for creation_id in changes.gone}
    assert gone == {creation.creation_id for creation in creations[:2]}


def test_watch_is_silent_about_other_users_and_after_its_end(store: Store) -> None:
    ada, ben = ChangeRecorder(), ChangeRecorder()
    with store.watch(ADA, ada), store.watch(BEN, ben):
        # Firestore's emulator loses commits at the moment when a stream starts.
        eventually(lambda: ada.changes and ben.changes)
        put(store, an_account(), a_creation())
        eventually(lambda: ada.sees(an_account(), a_creation()))
    count_before = len(ada.changes)

    put(store, an_account(tokens=1))
    later = ChangeRecorder()
    with store.watch(ADA, later):
        eventually(lambda: later.sees(an_account(tokens=1), a_creation()))

    assert len(ada.changes) == count_before
    assert ben.changes == [Changes(None, (), ())]


def test_two_watches_of_one_user_get_the_same_changes(store: Store) -> None:
    first, second = ChangeRecorder(), ChangeRecorder()
    with store.watch(ADA, first):
        eventually(lambda: first.changes)
        put(store, an_account())
        with store.watch(ADA, second):
            eventually(lambda: second.changes)
            put(store, an_account(tokens=3))
            eventually(lambda: first.sees(an_account(tokens=3)))
            eventually(lambda: second.sees(an_account(tokens=3)))


def test_last_of_many_changes_is_delivered(store: Store) -> None:
    put(store, an_account(tokens=50))
    watcher = ChangeRecorder()
    with store.watch(ADA, watcher), ThreadPoolExecutor(4) as writers:
        list(
            writers.map(
                lambda _: retried(lambda: store.transact([account_key(ADA)], debit_one)), range(50)
            )
        )
        last = store.get(account_key(ADA))
        eventually(lambda: watcher.sees(last))

    balances = [changes.account.balance_tokens for changes in watcher.changes if changes.account]
    assert balances == sorted(balances, reverse=True)
