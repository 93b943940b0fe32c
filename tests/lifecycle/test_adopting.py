"""The takeover of documents as the Celery system left them, on both stores."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shared.adapters.local.raw_documents import SQLiteRawDocuments
from shared.adapters.local.store import SQLiteStore
from shared.domain.account import Account, UsernameClaim, account_key, username_key
from shared.domain.errors import OutcomeUnknown, StoreContention
from shared.domain.keys import Collection, UserId
from shared.domain.ledger import Actor, EntryType
from shared.lifecycle.adopting import Adopting, Adoption, Problem
from shared.lifecycle.auditing import Auditing
from shared.lifecycle.invariants import Violation
from shared.ports.raw_documents import RawDocument, RawDocuments
from shared.ports.store import Document, Page, Store
from tests.support.builders import ADA, BEN, COSTS, NOON, a_brief, a_caller
from tests.support.machine import needs
from tests.support.world import World

if TYPE_CHECKING:
    from shared.adapters.firestore.store import FirestoreStore

EVE = UserId("eve")
OLD_TIMES = [
    *("2024-05-01T12:00:00+00:00", "2024-05-01T14:00:00+02:00", 1714564800.0, 1714564800000),
    datetime(2024, 5, 1, 12, tzinfo=UTC),
]
NO_TIMES = ["soon", None, 10**18, -1e300, "0001-01-01T00:00:00+14:00"]
"""What says no time, or none that a calendar has."""


@dataclass
class OldWorld:
    """A store with an old system's documents, and the takeover over it."""

    world: World
    store: Store
    raw: RawDocuments

    @property
    def adopting(self) -> Adopting:
        phoenix = self.world.phoenix
        return Adopting(
            self.raw,
            self.store,
            self.world.over(self.store).accounts,
            phoenix.ports.clock,
            COSTS,
        )

    def adopt(self, *, dry_run: bool = False) -> Adoption:
        return self.adopting.adopt(dry_run=dry_run)

    def violations(self) -> list[Violation]:
        policy, clock = self.world.settings.policy, self.world.clock
        return Auditing(self.store, self.world.files, clock, policy).audit().violations

    def put(self, *documents: RawDocument) -> None:
        self.raw.replace([], documents)

    def account(self, user: UserId = ADA) -> Account:
        account = self.store.get(account_key(user))
        assert account is not None
        return account

    def everything(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {
            (document.collection, document.id): dict(document.fields)
            for collection in Collection
            for document in self.raw.all(collection)
        }


def open_sqlite(request: pytest.FixtureRequest) -> tuple[Store, RawDocuments]:
    folder: Path = request.getfixturevalue("tmp_path")
    store = SQLiteStore(folder / "old.db")
    request.addfinalizer(store.close)
    return store, SQLiteRawDocuments(folder / "old.db")


def open_firestore(request: pytest.FixtureRequest) -> tuple[Store, RawDocuments]:
    from shared.adapters.firestore.raw_documents import FirestoreRawDocuments

    store: FirestoreStore = request.getfixturevalue("firestore")
    raw = FirestoreRawDocuments(store._documents.client.project)
    request.addfinalizer(raw.close)
    return store, raw


@pytest.fixture(
    params=[
        pytest.param(open_sqlite, id="sqlite"),
        pytest.param(open_firestore, id="firestore", marks=needs("firestore")),
    ]
)
def old(request: pytest.FixtureRequest, world: World) -> OldWorld:
    open_both: Callable[[pytest.FixtureRequest], tuple[Store, RawDocuments]] = request.param
    return OldWorld(world, *open_both(request))


def an_old_user(user: str = ADA, **fields: Any) -> RawDocument:
    values = {
        "email": f"{user}@example.com",
        "tokenBalance": 40,
        "totalTokensSpent": 60,
        "createdAt": OLD_TIMES[0],
    }
    return RawDocument(Collection.USERS, user, values | fields)


def an_old_creation(name: str, status: str, user: str = ADA, **fields: Any) -> RawDocument:
    values = {
        "userId": user,
        "prompt": "a fox",
        "mediaType": "video",
        "cost": 10,
        "status": status,
        "taskId": "8a1b7f0e-celery",
        "createdAt": OLD_TIMES[0],
    }
    return RawDocument(Collection.CREATIONS, name, values | fields)


def an_old_entry(name: str, user: str = ADA, **fields: Any) -> RawDocument:
    values = {"userId": user, "type": "generation", "amount": -10, "timestamp": OLD_TIMES[0]}
    return RawDocument(Collection.TRANSACTIONS, name, values | fields)


def aside(old: OldWorld, name: str) -> dict[str, Any]:
    return old.everything()[Collection.LEGACY_CREATIONS, name]


def test_an_account_goes_on_with_its_balance_as_its_first_entry(old: OldWorld) -> None:
    old.put(an_old_user(username="Ada L."))

    assert old.adopt() == Adoption(accounts=1, opening_tokens=40)

    account = old.account()
    assert (account.username, account.balance_tokens, account.total_tokens_spent) == (
        "ada-l",
        40,
        0,
    )
    assert account.created_at == datetime(2024, 5, 1, 12, tzinfo=UTC)
    claim = UsernameClaim(username="ada-l", user_id=ADA)
    assert old.store.get(username_key("ada-l")) == claim
    [entry] = old.store.ledger(ADA, Page(limit=5))
    assert entry.entry_id == "ada_grant_opening"
    assert (entry.entry_type, entry.amount_tokens, entry.sequence) == (EntryType.GRANT, 40, 1)
    assert (entry.actor, entry.created_at) == (Actor.OPERATOR, NOON)
    assert old.violations() == []


@pytest.mark.parametrize("created_at", [*OLD_TIMES, "2024-05-01T12:00:00", *NO_TIMES])
def test_the_age_of_an_account_is_kept_where_it_is_known(old: OldWorld, created_at: object) -> None:
    old.put(an_old_user(createdAt=created_at))
    old.adopt()

    is_known = created_at not in NO_TIMES
    assert old.account().created_at == (datetime(2024, 5, 1, 12, tzinfo=UTC) if is_known else NOON)


@pytest.mark.parametrize("created_at", [float("inf"), float("nan")])
@pytest.mark.parametrize(
    "old", [pytest.param(open_firestore, marks=needs("firestore"))], indirect=True
)
def test_so_is_it_where_only_firestore_can_hold_what_it_says(
    old: OldWorld, created_at: object
) -> None:
    old.put(an_old_user(createdAt=created_at))

    assert old.adopt().accounts == 1
    assert old.account().created_at == NOON


def test_an_empty_account_has_no_entry_and_a_float_of_whole_tokens_is_one(old: OldWorld) -> None:
    old.put(an_old_user(ADA, tokenBalance=0), an_old_user(BEN, tokenBalance=12.0))
    old.adopt()

    assert old.store.ledger(ADA, Page(limit=5)) == []
    assert old.account(BEN).balance_tokens == 12
    assert old.violations() == []


def test_a_name_that_is_taken_or_may_not_be_used_becomes_another(old: OldWorld) -> None:
    old.put(
        an_old_user(ADA, username="fox"),
        an_old_user(BEN, username="FOX"),
        an_old_user(EVE, username="admin"),
        an_old_user("no-name"),
    )
    old.adopt()

    names = [old.account(UserId(user)).username for user in (ADA, BEN, EVE, "no-name")]
    assert names[0] == "fox"
    assert names[1].startswith("fox-")
    assert names[2].startswith("user-")
    assert len(set(names)) == 4
    assert old.violations() == []


def test_old_entries_are_marked_and_stay_out_of_every_sum(old: OldWorld) -> None:
    entries = [an_old_entry(f"row{number:03}") for number in range(230)]
    old.put(an_old_user(), *entries)

    assert old.adopt().marked_entries == 230

    kept = old.everything()
    assert kept[Collection.TRANSACTIONS, "row007"] == {**entries[7].fields, "legacy": True}
    assert len(old.store.ledger(ADA, Page(limit=50))) == 1
    assert old.violations() == []


@pytest.mark.parametrize("status", ["pending", "PENDING", "queued", "STARTED", "processing"])
def test_an_unfinished_creation_is_failed_and_refunded_before_the_account_opens(
    old: OldWorld, status: str
) -> None:
    old.put(an_old_user(), an_old_creation("Xy9", status, cost=7))

    assert old.adopt() == Adoption(
        accounts=1, opening_tokens=47, creations_aside=1, refunds=1, refunded_tokens=7
    )
    assert old.account().balance_tokens == 47
    assert aside(old, "Xy9")["status"] == "failed"
    assert aside(old, "Xy9")["refunded"] is True
    refund = old.everything()[Collection.TRANSACTIONS, "Xy9_refund_adopted"]
    assert (refund["type"], refund["amount"], refund["legacy"]) == ("refund", 7, True)
    assert old.violations() == []


def test_a_failed_creation_is_refunded_only_if_it_never_was(old: OldWorld) -> None:
    old.put(
        an_old_user(),
        an_old_creation("told", "failed", refunded=True),
        an_old_creation("listed", "FAILURE"),
        an_old_entry("row", type="refund", amount=10, creationId="listed"),
        an_old_creation("forgotten", "failed", cost=None),
    )
    done = old.adopt()

    assert (done.refunds, done.refunded_tokens, done.creations_aside) == (1, 10, 3)
    assert old.account().balance_tokens == 50


def test_a_finished_creation_is_put_aside_as_it_is(old: OldWorld) -> None:
    finished = an_old_creation("Xy9", "completed", mediaUrl="https://media.example/xy9.mp4")
    old.put(an_old_user(), finished)

    assert old.adopt().creations_aside == 1
    assert aside(old, "Xy9") == finished.fields
    assert (Collection.CREATIONS, "Xy9") not in old.everything()


def test_a_dry_run_says_the_same_and_changes_nothing(old: OldWorld) -> None:
    old.put(
        an_old_user(),
        an_old_user(BEN, tokenBalance="many"),
        an_old_creation("Xy9", "pending"),
        an_old_creation("Xy8", "pending"),
        an_old_entry("row"),
    )
    before = old.everything()

    would = old.adopt(dry_run=True)
    assert old.everything() == before
    assert old.adopt() == would
    assert (would.refunds, would.opening_tokens) == (2, 60)


def test_a_second_run_finds_nothing_to_do(old: OldWorld) -> None:
    old.put(an_old_user(), an_old_creation("Xy9", "pending"), an_old_entry("row"))
    old.adopt()
    after = old.everything()

    assert old.adopt() == Adoption()
    assert old.everything() == after


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"status": "weird"}, "its status is 'weird'"),
        ({"cost": 0}, "its cost is 0, its kind 'video'"),
        ({"cost": "ten", "mediaType": "song"}, "its cost is 'ten', its kind 'song'"),
    ],
)
def test_what_is_not_understood_is_named_and_left_with_its_account(
    old: OldWorld, fields: dict[str, Any], what: str
) -> None:
    creation = an_old_creation("Xy9", **{"status": "pending", **fields})
    old.put(an_old_user(), creation, an_old_user(BEN))
    done = old.adopt()

    assert done == Adoption(
        accounts=1,
        opening_tokens=40,
        problems=[
            Problem("creations/Xy9", what),
            Problem("users/ada", "one of its creations is not understood"),
        ],
    )
    assert old.raw.get(account_key(ADA)) == an_old_user()
    assert list(old.raw.all(Collection.CREATIONS)) == [creation]


def left_to_a_person(old: OldWorld, balance: object) -> bool:
    old.put(an_old_user(tokenBalance=balance), an_old_creation("Xy9", "pending"))
    done = old.adopt()
    is_counted = done.accounts or done.refunds or done.creations_aside
    left = [problem.document for problem in done.problems]
    return not is_counted and left == ["creations/Xy9", "users/ada"]


@pytest.mark.parametrize("balance", [None, "40", 1.5, True])
def test_a_balance_that_is_no_number_of_tokens_is_left_to_a_person(
    old: OldWorld, balance: object
) -> None:
    assert left_to_a_person(old, balance)


@pytest.mark.parametrize("balance", [-3, float("inf"), float("nan")])
@pytest.mark.parametrize(
    "old", [pytest.param(open_firestore, marks=needs("firestore"))], indirect=True
)
def test_so_is_one_that_only_firestore_can_hold(old: OldWorld, balance: object) -> None:
    assert left_to_a_person(old, balance)


def test_a_creation_without_an_account_is_left_and_named(old: OldWorld) -> None:
    old.put(an_old_creation("Xy9", "pending", user="gone"), an_old_creation("Xy8", "pending", ""))
    done = old.adopt()

    assert done.problems == [
        Problem("creations/Xy8", "its user '' has no account"),
        Problem("creations/Xy9", "its user 'gone' has no account"),
    ]


def test_an_old_creation_of_an_account_that_was_taken_over_shows_that_the_old_system_runs(
    old: OldWorld,
) -> None:
    old.put(an_old_user())
    old.adopt()
    old.put(an_old_creation("late", "pending"))

    assert old.adopt().problems == [
        Problem("creations/late", "it is newer than the takeover of its account")
    ]
    assert old.account().balance_tokens == 40


def test_todays_documents_are_not_touched(old: OldWorld) -> None:
    phoenix = old.world.over(old.store)
    phoenix.opening.open(a_brief(), caller=a_caller(EVE))
    before = old.everything()
    old.put(an_old_user())
    old.adopt()

    assert old.everything().items() >= before.items()


@dataclass
class Interrupted:
    """Raw documents whose nth replacement lands and is never answered, or is not sent."""

    raw: RawDocuments
    nth: int
    lands: bool
    count: int = 0

    def replace(self, read: list[RawDocument], writes: list[RawDocument | Document]) -> None:
        self.count += 1
        if self.count != self.nth or self.lands:
            self.raw.replace(read, writes)
        if self.count == self.nth:
            raise OutcomeUnknown(reason="planned")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_a_takeover_that_is_interrupted_anywhere_goes_on_to_the_same_end(
    old: OldWorld, *, nth: int, lands: bool
) -> None:
    old.put(
        an_old_user(),
        an_old_entry("row"),
        an_old_creation("Xy9", "pending"),
        an_old_creation("Xy8", "completed"),
    )
    interrupted: Any = Interrupted(old.raw, nth=nth, lands=lands)
    with pytest.raises(OutcomeUnknown):
        replace(old.adopting, raw=interrupted).adopt(dry_run=False)
    old.adopt()

    assert old.account().balance_tokens == 50
    assert len(old.store.ledger(ADA, Page(limit=5))) == 1
    assert aside(old, "Xy9")["status"] == "failed"
    assert old.violations() == []


def test_an_old_system_that_still_writes_is_noticed(old: OldWorld) -> None:
    old.put(an_old_user(), an_old_creation("Xy9", "pending"))

    class Racing(Interrupted):
        def replace(self, read: list[RawDocument], writes: list[RawDocument | Document]) -> None:
            now = self.raw.get(account_key(ADA))
            assert now is not None
            self.raw.replace([now], [replace(now, fields={**now.fields, "tokenBalance": 30})])
            self.raw.replace(read, writes)

    racing: Any = Racing(old.raw, nth=0, lands=True)
    with pytest.raises(StoreContention):
        replace(old.adopting, raw=racing).adopt(dry_run=False)
    assert (Collection.CREATIONS, "Xy9") in old.everything()
    old.adopt()
    assert old.account().balance_tokens == 40
