import pytest

from shared.adapters.local.store import SQLiteStore
from shared.domain.errors import OutcomeUnknown, StoreUnavailable
from shared.lifecycle.transactions import Transactions
from shared.ports.store import Decision, Found, unchanged, write
from tests.support.builders import an_account
from tests.support.fakes import FakeClock, FaultyStore

KEY = an_account().key


def create(found: Found) -> Decision[str]:
    if found.get(KEY) is None:
        return write(an_account(), result="created")
    return unchanged("was there")


@pytest.mark.parametrize(
    ("faults", "is_recognised"),
    [
        ([], False),
        (["down"], False),
        (["unsent"], False),
        (["lost"], True),
        (["unsent", "lost", "down"], True),
    ],
)
def test_decision_is_carried_out_exactly_once(
    sqlite: SQLiteStore, faults: list[str], *, is_recognised: bool
) -> None:
    transactions = Transactions(FaultyStore(sqlite, faults), FakeClock(), retry_budget_s=10)
    recognised: list[str] = []

    def landed(found: Found, sent: str) -> bool:
        if found.get(KEY) is not None:
            recognised.append(sent)
        return found.get(KEY) is not None

    assert transactions.run([KEY], create, landed=landed) == "created"
    assert recognised == (["created"] if is_recognised else [])


def test_commit_that_is_not_recognised_is_decided_again(sqlite: SQLiteStore) -> None:
    transactions = Transactions(FaultyStore(sqlite, ["lost"]), FakeClock(), retry_budget_s=10)

    assert transactions.run([KEY], create) == "was there"


def test_decision_that_writes_nothing_is_never_recognised(sqlite: SQLiteStore) -> None:
    sqlite.transact([KEY], create)
    transactions = Transactions(FaultyStore(sqlite, ["lost"]), FakeClock(), retry_budget_s=10)
    recognised: list[str] = []

    def landed(_: Found, sent: str) -> bool:
        recognised.append(sent)
        return True

    assert transactions.run([KEY], create, landed=landed) == "was there"
    assert recognised == []


def test_decision_is_repeated_four_times_at_most(sqlite: SQLiteStore) -> None:
    store = FaultyStore(sqlite, ["down"] * 9)

    with pytest.raises(StoreUnavailable):
        Transactions(store, FakeClock(), retry_budget_s=100).run([], create)

    assert len(store.faults) == 4


def test_retry_budget_ends_the_repetition_earlier(sqlite: SQLiteStore) -> None:
    store = FaultyStore(sqlite, ["down"] * 9)

    with pytest.raises(StoreUnavailable):
        Transactions(store, FakeClock(), retry_budget_s=0.5).run([], create)

    assert len(store.faults) == 6


def test_unknown_outcome_stays_unknown_after_a_later_definite_error(sqlite: SQLiteStore) -> None:
    store = FaultyStore(sqlite, ["unsent", *["down"] * 4])

    with pytest.raises(OutcomeUnknown):
        Transactions(store, FakeClock(), retry_budget_s=100).run([], create)
