import pytest

from shared.adapters.local.store import SQLiteStore
from shared.domain.errors import OutcomeUnknown, StoreUnavailable
from shared.lifecycle.transactions import Transactions
from shared.ports.store import Decision, Found, unchanged, write
from tests.support.builders import an_account
from tests.support.documents import put
from tests.support.fakes import FakeClock, FaultyStore


def create(found: Found) -> Decision[str]:
    account = an_account()
    if found.get(account.key) is None:
        return write(account, result="created")
    return unchanged("was there")


def is_created(found: Found, _sent: str) -> bool:
    return found.get(an_account().key) is not None


@pytest.mark.parametrize(
    ("faults", "answer"),
    [
        ([], "created"),
        (["down"], "created"),
        (["unsent"], "created"),
        (["lost"], "created"),
        (["unsent", "lost", "down"], "created"),
    ],
)
def test_decision_is_committed_exactly_once(
    sqlite: SQLiteStore, faults: list[str], answer: str
) -> None:
    clock = FakeClock()
    transactions = Transactions(FaultyStore(sqlite, faults), clock, retry_budget_s=10)

    assert transactions.run([an_account().key], create, landed=is_created) == answer


@pytest.mark.parametrize("fault", ["lost", "down"])
def test_document_of_another_is_not_recognised_as_an_own_commit(
    sqlite: SQLiteStore, fault: str
) -> None:
    put(sqlite, an_account())
    transactions = Transactions(FaultyStore(sqlite, [fault]), FakeClock(), retry_budget_s=10)

    assert transactions.run([an_account().key], create, landed=is_created) == "was there"


def test_transaction_is_retried_four_times_at_most(sqlite: SQLiteStore) -> None:
    store = FaultyStore(sqlite, ["down"] * 9)

    with pytest.raises(StoreUnavailable):
        Transactions(store, FakeClock(), retry_budget_s=100).run([], create)

    assert len(store.faults) == 4


def test_retry_budget_ends_the_retries_earlier(sqlite: SQLiteStore) -> None:
    store = FaultyStore(sqlite, ["down"] * 9)

    with pytest.raises(StoreUnavailable):
        Transactions(store, FakeClock(), retry_budget_s=0.5).run([], create)

    assert len(store.faults) == 6


def test_outcome_stays_unknown_after_any_unanswered_commit(sqlite: SQLiteStore) -> None:
    store = FaultyStore(sqlite, ["unsent", *["down"] * 4])

    with pytest.raises(OutcomeUnknown):
        Transactions(store, FakeClock(), retry_budget_s=100).run([], create)
