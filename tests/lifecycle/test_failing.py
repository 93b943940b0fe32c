import io
import json
from contextlib import closing
from pathlib import Path

import pytest

from shared.domain.creation import Creation
from shared.domain.errors import LeaseLost, QueueUnavailable, TooManyFree, WithdrawalRefused
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId
from shared.domain.ledger import EntryType
from shared.domain.status import Status
from shared.lifecycle.failing import Refund
from tests.support.builders import ADA
from tests.support.world import World


def refunds(world: World) -> int:
    return sum(entry.entry_type is EntryType.REFUND for entry in world.ledger())


@pytest.mark.parametrize("faults", [[], ["lost"], ["unsent", "lost"], ["lost", "down", "lost"]])
def test_failing_refunds_exactly_once_although_responses_are_lost(
    world: World, faults: list[str]
) -> None:
    mine = world.claim(world.open().creation)
    world.store.faults = faults

    world.phoenix.failing.fail_attempt(mine, FailureCode.SAFETY_FILTER, start_failed=True)

    failed = world.now(mine)
    assert (failed.status, failed.refunded) == (Status.FAILED, True)
    account = world.account()
    assert (account.balance_tokens, account.total_tokens_spent) == (100, 0)
    assert account.in_flight.video == 0
    assert refunds(world) == 1


def test_second_failure_refunds_nothing(world: World) -> None:
    mine = world.claim(world.open().creation)
    world.phoenix.failing.fail_attempt(mine, FailureCode.INTERNAL, start_failed=False)

    with pytest.raises(LeaseLost):
        world.phoenix.failing.fail_attempt(mine, FailureCode.INTERNAL, start_failed=False)
    world.clock.sleep(1000)
    settlement = world.phoenix.failing.fail_overdue(mine, at=world.clock.now())

    assert settlement.refund is Refund.MADE_BEFORE
    assert refunds(world) == 1


def test_refund_is_the_cost_at_the_debit(world: World) -> None:
    creation = world.open().creation
    world.clock.sleep(900)

    world.phoenix.sweeping.sweep()

    assert world.ledger()[0].amount_tokens == creation.cost_tokens == 10
    assert world.ledger()[0].balance_after_tokens == 100


def test_refund_is_what_was_debited_and_not_the_default_cost(tmp_path: Path) -> None:
    with closing(World(tmp_path, PHOENIX_VIDEO_COST="3")) as world:
        mine = world.claim(world.open().creation)
        assert world.account().balance_tokens == 97

        world.phoenix.failing.fail_attempt(mine, FailureCode.INTERNAL, start_failed=False)

        assert world.account().balance_tokens == 100


# The task of a refunded creation


def waiting(world: World) -> set[tuple[CreationId, int]]:
    return set(world.queue.tasks) - world.queue.done


def cancel(world: World, creation: Creation) -> None:
    world.phoenix.failing.cancel(creation.creation_id, owner=ADA)


@pytest.mark.parametrize("faults", [[], ["lost"], ["unsent", "lost"], ["lost", "down"]])
def test_cancelled_creation_leaves_no_task(world: World, faults: list[str]) -> None:
    creation = world.open().creation
    world.store.faults = faults

    cancel(world, creation)

    assert waiting(world) == set()
    assert world.queue.withdrawn == [(creation.creation_id, 1)]


def test_sweeps_refund_withdraws_the_last_task(world: World) -> None:
    creation = world.open().creation
    world.queue.done.add((creation.creation_id, 1))
    world.clock.sleep(60)
    world.phoenix.sweeping.sweep()
    assert waiting(world) == {(creation.creation_id, 2)}
    world.clock.sleep(900)

    world.phoenix.sweeping.sweep()

    assert waiting(world) == set()
    assert world.now(creation).status is Status.FAILED


def test_withdrawal_spares_the_next_debits_task(world: World) -> None:
    """The refund's answer is lost, and its owner retries before the refund is run again."""
    creation = world.open().creation
    world.store.faults = ["lost", "before"]
    world.store.meanwhile = lambda: retry(world, creation)

    cancel(world, creation)

    assert world.queue.withdrawn == [(creation.creation_id, 1)]
    assert waiting(world) == {(creation.creation_id, 2)}
    assert world.now(creation).status is Status.PENDING


def retry(world: World, creation: Creation) -> None:
    world.store.meanwhile = lambda: None
    world.phoenix.opening.retry(creation.creation_id, owner=ADA)


def test_refund_that_is_refused_withdraws_nothing(world: World) -> None:
    mine = world.claim(world.open().creation)
    world.held(mine).record_intent(model="m", cost_usd=1)
    world.phoenix.failing.fail_cancelled(mine)

    assert world.queue.withdrawn == []
    assert world.now(mine).status is Status.PROCESSING


@pytest.mark.parametrize(
    ("error", "line", "severity"),
    [
        (QueueUnavailable(reason="down"), "withdrawal_failed", "WARNING"),
        (WithdrawalRefused(reason="no grant"), "withdrawal_refused", "ERROR"),
    ],
)
def test_task_that_cannot_be_withdrawn_changes_nothing(
    world: World, log_stream: io.StringIO, error: QueueUnavailable, line: str, severity: str
) -> None:
    creation = world.open().creation
    world.queue.withdrawal_error = error

    cancel(world, creation)

    assert world.now(creation).status is Status.FAILED
    assert world.account().balance_tokens == 100
    [logged] = [
        each
        for each in map(json.loads, log_stream.getvalue().splitlines())
        if each["message"].startswith("withdrawal")
    ]
    assert (logged["message"], logged["severity"]) == (line, severity)
    assert (logged["reason"], logged["number"]) == (error.reason, 1)


def test_full_hour_refuses_the_next_open_and_no_cancellation(world: World) -> None:
    for _ in range(9):
        cancel(world, world.open().creation)
    last_two = [world.open().creation, world.open().creation]
    failed = world.failed()

    for creation in last_two:
        cancel(world, creation)

    with pytest.raises(TooManyFree):
        world.open()
    with pytest.raises(TooManyFree):
        world.phoenix.opening.retry(failed.creation_id, owner=ADA)
    assert world.account().balance_tokens == 100
    world.clock.sleep(3600)
    world.open()


def test_replay_is_answered_in_a_full_hour_of_free_outcomes(world: World) -> None:
    first = world.open(key="first").creation
    cancel(world, first)
    for _ in range(9):
        cancel(world, world.open().creation)

    replay = world.open(key="first")

    assert (replay.is_replay, replay.creation.creation_id) == (True, first.creation_id)
