import pytest

from shared.adapters.local.store import SQLiteStore
from shared.domain.errors import OutcomeUnknown, StoreUnavailable
from shared.lifecycle.transactions import Transactions
from shared.ports.store import Decision, Found, unchanged, write
from tests.support.builders import an_account
from tests.support.fakes import FakeClock, FaultyStore


def create_or_recognise(found: Found) -> Decision[str]:
    account = an_account()
    if found.get(account.key) is None:
        return write(account, result="created")
    return unchanged("recognised" if found.may_have_landed else "was there")


@pytest.mark.parametrize(
    ("faults", "answer"),
    [
        ([], "created"),
        (["down"], "created"),
        (["unsent"], "created"),
        (["lost"], "recognised"),
        (["unsent", "lost", "down"], "recognised"),
    ],
)
def test_decision_is_carried_out_exactly_once(
    sqlite: SQLiteStore, faults: list[str], answer: str
) -> None:
    clock = FakeClock()
    transactions = Transactions(FaultyStore(sqlite, faults), clock, retry_budget_s=10)

    assert transactions.run([an_account().key], create_or_recognise) == answer


def test_decision_is_repeated_four_times_at_most(sqlite: SQLiteStore) -> None:
    store = FaultyStore(sqlite, ["down"] * 9)

    with pytest.raises(StoreUnavailable):
        Transactions(store, FakeClock(), retry_budget_s=100).run([], create_or_recognise)

    assert len(store.faults) == 4


def test_retry_budget_ends_the_repetition_earlier(sqlite: SQLiteStore) -> None:
    store = FaultyStore(sqlite, ["down"] * 9)

    with pytest.raises(StoreUnavailable):
        Transactions(store, FakeClock(), retry_budget_s=0.5).run([], create_or_recognise)

    assert len(store.faults) == 6


def test_unknown_outcome_stays_unknown_after_a_later_definite_error(sqlite: SQLiteStore) -> None:
    store = FaultyStore(sqlite, ["unsent", *["down"] * 4])

    with pytest.raises(OutcomeUnknown):
        Transactions(store, FakeClock(), retry_budget_s=100).run([], create_or_recognise)
