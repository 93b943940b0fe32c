"""The migration of the Celery system's documents, on both stores."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infrastructure.migration.migration import Migration, MigrationReport, Problem
from infrastructure.migration.raw_documents import RawDocument, RawDocuments
from infrastructure.migration.sqlite_raw_documents import SQLiteRawDocuments
from shared.adapters.local.file_index import DigestIndex
from shared.adapters.local.store import SQLiteStore
from shared.domain.account import Account, UsernameClaim, account_key, username_key
from shared.domain.errors import OutcomeUnknown, StoreContention
from shared.domain.keys import Collection, UserId
from shared.domain.ledger import Actor, EntryType
from shared.lifecycle.auditing import Auditing
from shared.lifecycle.violation import Violation
from shared.ports.store import Document, Page, Store
from tests.support.builders import ADA, BEN, COSTS, NOON, a_brief, a_caller
from tests.support.documents import parsed
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
"""Values that are no time, or outside the calendar."""


@dataclass
class LegacyWorld:
    """A store with legacy documents, and its migration."""

    world: World
    store: Store
    raw: RawDocuments

    @property
    def migration(self) -> Migration:
        phoenix = self.world.phoenix
        return Migration(
            self.raw,
            self.store,
            self.world.over(self.store).accounts,
            phoenix.ports.clock,
            COSTS,
        )

    def migrate(self, *, dry_run: bool = False) -> MigrationReport:
        return self.migration.run(dry_run=dry_run)

    def violations(self) -> list[Violation]:
        policy, clock = self.world.settings.policy, self.world.clock
        return Auditing(self.store, self.world.files, clock, policy, DigestIndex).audit().violations

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
    from infrastructure.migration.firestore_raw_documents import FirestoreRawDocuments

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
def legacy(request: pytest.FixtureRequest, world: World) -> LegacyWorld:
    open_both: Callable[[pytest.FixtureRequest], tuple[Store, RawDocuments]] = request.param
    return LegacyWorld(world, *open_both(request))


def legacy_user(user: str = ADA, **fields: Any) -> RawDocument:
    values = {
        "email": f"{user}@example.com",
        "tokenBalance": 40,
        "totalTokensSpent": 60,
        "createdAt": OLD_TIMES[0],
    }
    return RawDocument(Collection.USERS, user, values | fields)


def legacy_creation(name: str, status: str, user: str = ADA, **fields: Any) -> RawDocument:
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


def legacy_entry(name: str, user: str = ADA, **fields: Any) -> RawDocument:
    values = {"userId": user, "type": "generation", "amount": -10, "timestamp": OLD_TIMES[0]}
    return RawDocument(Collection.TRANSACTIONS, name, values | fields)


def archived(legacy: LegacyWorld, name: str) -> dict[str, Any]:
    return legacy.everything()[Collection.LEGACY_CREATIONS, name]


def test_account_keeps_its_balance_as_the_opening_grant(legacy: LegacyWorld) -> None:
    legacy.put(legacy_user(username="Ada L."))

    assert legacy.migrate() == MigrationReport(accounts=1, opening_tokens=40)

    account = legacy.account()
    assert (account.username, account.balance_tokens, account.total_tokens_spent) == (
        "ada-l",
        40,
        0,
    )
    assert account.created_at == datetime(2024, 5, 1, 12, tzinfo=UTC)
    claim = UsernameClaim(username="ada-l", user_id=ADA)
    assert legacy.store.get(username_key("ada-l")) == claim
    [entry] = parsed(legacy.store.ledger(ADA, Page(limit=5)))
    assert entry.entry_id == "ada_grant_opening"
    assert (entry.entry_type, entry.amount_tokens, entry.sequence) == (EntryType.GRANT, 40, 1)
    assert (entry.actor, entry.created_at) == (Actor.OPERATOR, NOON)
    assert legacy.violations() == []


@pytest.mark.parametrize("created_at", [*OLD_TIMES, "2024-05-01T12:00:00", *NO_TIMES])
def test_account_keeps_its_creation_time_if_known(legacy: LegacyWorld, created_at: object) -> None:
    legacy.put(legacy_user(createdAt=created_at))
    legacy.migrate()

    is_known = created_at not in NO_TIMES
    assert legacy.account().created_at == (
        datetime(2024, 5, 1, 12, tzinfo=UTC) if is_known else NOON
    )


@pytest.mark.parametrize("created_at", [float("inf"), float("nan")])
@pytest.mark.parametrize(
    "legacy", [pytest.param(open_firestore, marks=needs("firestore"))], indirect=True
)
def test_creation_time_that_is_no_finite_number_is_replaced_by_now(
    legacy: LegacyWorld, created_at: object
) -> None:
    legacy.put(legacy_user(createdAt=created_at))

    assert legacy.migrate().accounts == 1
    assert legacy.account().created_at == NOON


def test_empty_account_gets_no_entry_and_whole_float_balance_is_accepted(
    legacy: LegacyWorld,
) -> None:
    legacy.put(legacy_user(ADA, tokenBalance=0), legacy_user(BEN, tokenBalance=12.0))
    legacy.migrate()

    assert legacy.store.ledger(ADA, Page(limit=5)) == []
    assert legacy.account(BEN).balance_tokens == 12
    assert legacy.violations() == []


def test_taken_or_forbidden_username_is_replaced(legacy: LegacyWorld) -> None:
    legacy.put(
        legacy_user(ADA, username="fox"),
        legacy_user(BEN, username="FOX"),
        legacy_user(EVE, username="admin"),
        legacy_user("no-name"),
    )
    legacy.migrate()

    names = [legacy.account(UserId(user)).username for user in (ADA, BEN, EVE, "no-name")]
    assert names[0] == "fox"
    assert names[1].startswith("fox-")
    assert names[2].startswith("user-")
    assert len(set(names)) == 4
    assert legacy.violations() == []


def test_legacy_entries_are_marked_and_excluded_from_sums(legacy: LegacyWorld) -> None:
    entries = [legacy_entry(f"row{number:03}") for number in range(230)]
    legacy.put(legacy_user(), *entries)

    assert legacy.migrate().marked_entries == 230

    kept = legacy.everything()
    assert kept[Collection.TRANSACTIONS, "row007"] == {**entries[7].fields, "legacy": True}
    assert len(legacy.store.ledger(ADA, Page(limit=50))) == 1
    assert legacy.violations() == []


@pytest.mark.parametrize("status", ["pending", "PENDING", "queued", "STARTED", "processing"])
def test_unfinished_creation_is_failed_and_refunded_before_the_opening_grant(
    legacy: LegacyWorld, status: str
) -> None:
    legacy.put(legacy_user(), legacy_creation("Xy9", status, cost=7))

    assert legacy.migrate() == MigrationReport(
        accounts=1, opening_tokens=47, archived_creations=1, refunds=1, refunded_tokens=7
    )
    assert legacy.account().balance_tokens == 47
    assert archived(legacy, "Xy9")["status"] == "failed"
    assert archived(legacy, "Xy9")["refunded"] is True
    refund = legacy.everything()[Collection.TRANSACTIONS, "Xy9_refund_adopted"]
    assert (refund["type"], refund["amount"], refund["legacy"]) == ("refund", 7, True)
    assert legacy.violations() == []


def test_failed_creation_is_refunded_only_if_it_was_not_yet(legacy: LegacyWorld) -> None:
    legacy.put(
        legacy_user(),
        legacy_creation("marked", "failed", refunded=True),
        legacy_creation("listed", "FAILURE"),
        legacy_entry("row", type="refund", amount=10, creationId="listed"),
        legacy_creation("forgotten", "failed", cost=None),
    )
    done = legacy.migrate()

    assert (done.refunds, done.refunded_tokens, done.archived_creations) == (1, 10, 3)
    assert legacy.account().balance_tokens == 50


def test_finished_creation_is_archived_unchanged(legacy: LegacyWorld) -> None:
    finished = legacy_creation("Xy9", "completed", mediaUrl="https://media.example/xy9.mp4")
    legacy.put(legacy_user(), finished)

    assert legacy.migrate().archived_creations == 1
    assert archived(legacy, "Xy9") == finished.fields
    assert (Collection.CREATIONS, "Xy9") not in legacy.everything()


def test_dry_run_reports_the_same_and_changes_nothing(legacy: LegacyWorld) -> None:
    legacy.put(
        legacy_user(),
        legacy_user(BEN, tokenBalance="many"),
        legacy_creation("Xy9", "pending"),
        legacy_creation("Xy8", "pending"),
        legacy_entry("row"),
    )
    before = legacy.everything()

    would = legacy.migrate(dry_run=True)
    assert legacy.everything() == before
    assert legacy.migrate() == would
    assert (would.refunds, would.opening_tokens) == (2, 60)


def test_second_run_finds_nothing_to_do(legacy: LegacyWorld) -> None:
    legacy.put(legacy_user(), legacy_creation("Xy9", "pending"), legacy_entry("row"))
    legacy.migrate()
    after = legacy.everything()

    assert legacy.migrate() == MigrationReport()
    assert legacy.everything() == after


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"status": "weird"}, "its status is 'weird'"),
        ({"cost": 0}, "its cost is 0, its kind 'video'"),
        ({"cost": "ten", "mediaType": "song"}, "its cost is 'ten', its kind 'song'"),
    ],
)
def test_unrecognised_creation_is_reported_and_left_with_its_account(
    legacy: LegacyWorld, fields: dict[str, Any], what: str
) -> None:
    creation = legacy_creation("Xy9", **{"status": "pending", **fields})
    legacy.put(legacy_user(), creation, legacy_user(BEN))
    done = legacy.migrate()

    assert done == MigrationReport(
        accounts=1,
        opening_tokens=40,
        problems=[
            Problem("creations/Xy9", what),
            Problem("users/ada", "one of its creations is not understood"),
        ],
    )
    assert legacy.raw.get(account_key(ADA)) == legacy_user()
    assert list(legacy.raw.all(Collection.CREATIONS)) == [creation]


def is_left_unchanged(legacy: LegacyWorld, balance: object) -> bool:
    legacy.put(legacy_user(tokenBalance=balance), legacy_creation("Xy9", "pending"))
    done = legacy.migrate()
    is_counted = done.accounts or done.refunds or done.archived_creations
    left = [problem.document for problem in done.problems]
    return not is_counted and left == ["creations/Xy9", "users/ada"]


@pytest.mark.parametrize("balance", [None, "40", 1.5, True])
def test_account_with_an_invalid_balance_is_left_unchanged(
    legacy: LegacyWorld, balance: object
) -> None:
    assert is_left_unchanged(legacy, balance)


@pytest.mark.parametrize("balance", [-3, float("inf"), float("nan")])
@pytest.mark.parametrize(
    "legacy", [pytest.param(open_firestore, marks=needs("firestore"))], indirect=True
)
def test_account_with_a_negative_or_infinite_balance_is_left_unchanged(
    legacy: LegacyWorld, balance: object
) -> None:
    assert is_left_unchanged(legacy, balance)


def test_creation_without_an_account_is_reported_and_left(legacy: LegacyWorld) -> None:
    legacy.put(
        legacy_creation("Xy9", "pending", user="gone"), legacy_creation("Xy8", "pending", "")
    )
    done = legacy.migrate()

    assert done.problems == [
        Problem("creations/Xy8", "its user '' has no account"),
        Problem("creations/Xy9", "its user 'gone' has no account"),
    ]


def test_legacy_creation_of_a_migrated_account_reveals_a_running_legacy_system(
    legacy: LegacyWorld,
) -> None:
    legacy.put(legacy_user())
    legacy.migrate()
    legacy.put(legacy_creation("late", "pending"))

    assert legacy.migrate().problems == [
        Problem("creations/late", "it is newer than the takeover of its account")
    ]
    assert legacy.account().balance_tokens == 40


def test_current_documents_are_not_changed(legacy: LegacyWorld) -> None:
    phoenix = legacy.world.over(legacy.store)
    phoenix.opening.open(a_brief(), caller=a_caller(EVE))
    before = legacy.everything()
    legacy.put(legacy_user())
    legacy.migrate()

    assert legacy.everything().items() >= before.items()


@dataclass
class Interrupted:
    """Raw documents whose nth replacement loses its response, or is not sent."""

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
def test_interrupted_migration_resumes_to_the_same_end(
    legacy: LegacyWorld, *, nth: int, lands: bool
) -> None:
    legacy.put(
        legacy_user(),
        legacy_entry("row"),
        legacy_creation("Xy9", "pending"),
        legacy_creation("Xy8", "completed"),
    )
    interrupted: Any = Interrupted(legacy.raw, nth=nth, lands=lands)
    with pytest.raises(OutcomeUnknown):
        replace(legacy.migration, raw=interrupted).run(dry_run=False)
    legacy.migrate()

    assert legacy.account().balance_tokens == 50
    assert len(legacy.store.ledger(ADA, Page(limit=5))) == 1
    assert archived(legacy, "Xy9")["status"] == "failed"
    assert legacy.violations() == []


def test_legacy_system_that_still_writes_causes_contention(legacy: LegacyWorld) -> None:
    legacy.put(legacy_user(), legacy_creation("Xy9", "pending"))

    class Racing(Interrupted):
        def replace(self, read: list[RawDocument], writes: list[RawDocument | Document]) -> None:
            current = self.raw.get(account_key(ADA))
            assert current is not None
            changed = {**current.fields, "tokenBalance": 30}
            self.raw.replace([current], [replace(current, fields=changed)])
            self.raw.replace(read, writes)

    racing: Any = Racing(legacy.raw, nth=0, lands=True)
    with pytest.raises(StoreContention):
        replace(legacy.migration, raw=racing).run(dry_run=False)
    assert (Collection.CREATIONS, "Xy9") in legacy.everything()
    legacy.migrate()
    assert legacy.account().balance_tokens == 40
