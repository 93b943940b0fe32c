from contextlib import closing
from pathlib import Path

import pytest

from shared.domain.errors import LeaseLost
from shared.domain.failure import FailureCode
from shared.domain.ledger import EntryType
from shared.domain.status import Status
from tests.world import World


def refunds(world: World) -> int:
    return sum(entry.entry_type is EntryType.REFUND for entry in world.ledger())


@pytest.mark.parametrize("faults", [[], ["lost"], ["unsent", "lost"], ["lost", "down", "lost"]])
def test_failing_refunds_exactly_once_whatever_is_lost(world: World, faults: list[str]) -> None:
    mine = world.claim(world.open().creation)
    world.store.faults = faults

    world.phoenix.settling.fail_attempt(mine, FailureCode.SAFETY_FILTER, answered_no=True)

    failed = world.now(mine)
    assert (failed.status, failed.refunded) == (Status.FAILED, True)
    account = world.account()
    assert (account.balance_tokens, account.total_tokens_spent) == (100, 0)
    assert account.in_flight.video == 0
    assert refunds(world) == 1


def test_a_second_failure_refunds_nothing(world: World) -> None:
    mine = world.claim(world.open().creation)
    world.phoenix.settling.fail_attempt(mine, FailureCode.INTERNAL, answered_no=False)

    with pytest.raises(LeaseLost):
        world.phoenix.settling.fail_attempt(mine, FailureCode.INTERNAL, answered_no=False)
    world.clock.sleep(1000)
    settlement = world.phoenix.settling.fail_overdue(mine, at=world.clock.now())

    assert not settlement.is_mine
    assert refunds(world) == 1


def test_the_frozen_cost_is_what_comes_back(world: World) -> None:
    creation = world.open().creation
    world.clock.sleep(900)

    world.phoenix.sweeping.sweep()

    assert world.ledger()[0].amount_tokens == creation.cost_tokens == 10
    assert world.ledger()[0].balance_after_tokens == 100


def test_refund_is_what_was_debited_and_not_the_default_cost(tmp_path: Path) -> None:
    with closing(World(tmp_path, PHOENIX_VIDEO_COST="3")) as world:
        mine = world.claim(world.open().creation)
        assert world.account().balance_tokens == 97

        world.phoenix.settling.fail_attempt(mine, FailureCode.INTERNAL, answered_no=False)

        assert world.account().balance_tokens == 100
