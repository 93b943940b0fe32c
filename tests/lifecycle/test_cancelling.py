"""Cancelling what a job has claimed: before its start, never after, whatever is lost between them."""

from collections.abc import Callable

import pytest

from shared.domain.creation import Creation
from shared.domain.errors import AlreadyStarted, LeaseLost, OutcomeUnknown
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.ledger import Cost
from shared.domain.policy import Policy
from shared.domain.status import Stage, Status
from shared.lifecycle.claim import Claim
from shared.lifecycle.transactions import RERUNS_MAX
from tests.support.builders import ADA, LEASE_OWNER, POLICY, RIVAL, stored_media
from tests.support.world import World

THIRD = LeaseOwner("image-generation-job-third", 0)


def claimed(world: World, kind: Kind = Kind.VIDEO) -> Claim:
    return world.held(world.claim(world.open(kind=kind).creation, kind=kind))


def intend(claim: Claim) -> None:
    claim.record_intent(model="m", cost_usd=0.5)


def cancel(world: World, creation: Creation) -> Creation:
    return world.phoenix.failing.cancel(creation.creation_id, owner=ADA)


def must_be_cancelled(world: World, creation: Creation) -> None:
    current = world.now(creation)
    assert current.error is not None
    assert (current.status, current.error.code) == (Status.FAILED, FailureCode.CANCELLED)
    assert world.account().balance_tokens == 100
    assert [entry.entry_type for entry in world.ledger()] == ["refund", "debit", "grant"]
    assert sum(world.account().in_flight.of(kind) for kind in Kind) == 0
    assert world.violations() == []


def must_be_started(world: World, creation: Creation) -> None:
    assert world.now(creation).is_unfinished
    assert world.account().balance_tokens == 90
    assert world.violations() == []


# The claim is held, and nothing is recorded


@pytest.mark.parametrize("faults", [[], ["lost"], ["unsent"], ["lost", "down", "lost"]])
def test_claimed_creation_is_cancelled_once(world: World, faults: list[str]) -> None:
    claim = claimed(world)
    world.store.faults = faults

    cancel(world, claim.creation)

    must_be_cancelled(world, claim.creation)
    assert world.queue.withdrawn == [(claim.creation.creation_id, 1)]
    assert len(world.deletions()) == 1, "what its attempts may have stored is deleted"


def complete(claim: Claim) -> None:
    claim.complete(stored_media(claim.creation))


WRITES: dict[str, Callable[[Claim], object]] = {
    "intent": intend,
    "renew": lambda claim: claim.renew(stage=Stage.GENERATING, progress=10),
    "clear the intent": Claim.clear_intent,
    "complete": complete,
    "fail": lambda claim: claim.fail(FailureCode.INTERNAL, start_failed=False),
    "retry later": lambda claim: claim.retry_later(retry_after_s=0, start_failed=True),
    "release": Claim.release,
}


@pytest.mark.parametrize("name", WRITES)
def test_job_writes_nothing_more_to_a_cancelled_creation(world: World, name: str) -> None:
    claim = claimed(world)
    cancelled = cancel(world, claim.creation)

    with pytest.raises(LeaseLost):
        WRITES[name](claim)

    assert world.now(claim.creation) == cancelled
    must_be_cancelled(world, claim.creation)


@pytest.mark.parametrize("name", WRITES)
def test_job_writes_nothing_to_the_debit_after_its_own(world: World, name: str) -> None:
    claim = claimed(world)
    cancel(world, claim.creation)
    world.phoenix.opening.retry(claim.creation.creation_id, owner=ADA)
    again = world.claim(claim.creation)

    with pytest.raises(LeaseLost):
        WRITES[name](claim)

    assert world.now(claim.creation) == again
    assert again.attempt == 2


def test_heartbeat_tells_the_attempt_of_the_cancellation(world: World) -> None:
    claim = claimed(world)
    cancel(world, claim.creation)

    claim.heartbeat()

    with pytest.raises(LeaseLost):
        claim.ensure_held()


def test_creation_of_a_killed_job_is_cancelled_and_not_taken_over(world: World) -> None:
    claim = claimed(world)
    world.clock.sleep(POLICY.lease_s + POLICY.clock_skew_s)

    cancel(world, claim.creation)
    world.phoenix.sweeping.sweep()

    must_be_cancelled(world, claim.creation)
    assert world.now(claim.creation).requeue_count == 0


# The job records its intent at the same time


def test_intent_that_is_committed_first_refuses_the_cancellation(world: World) -> None:
    claim = claimed(world)
    world.store.faults = ["before"]
    world.store.meanwhile = in_between(world, lambda: intend(claim))

    with pytest.raises(AlreadyStarted):
        cancel(world, claim.creation)

    must_be_started(world, claim.creation)
    assert world.queue.withdrawn == []


def test_cancellation_that_is_committed_first_refuses_the_intent(world: World) -> None:
    claim = claimed(world)
    world.store.faults = ["before"]
    world.store.meanwhile = in_between(world, lambda: cancel(world, claim.creation))

    with pytest.raises(LeaseLost):
        intend(claim)

    must_be_cancelled(world, claim.creation)


@pytest.mark.parametrize("first", ["lost", "unsent"])
def test_cancellation_is_run_again_after_the_intent(world: World, first: str) -> None:
    """Its answer is lost. If it landed, the intent is refused; if not, the cancellation is."""
    claim = claimed(world)
    refused: list[type[Exception]] = []

    def intend_or_not() -> None:
        try:
            intend(claim)
        except LeaseLost as error:
            refused.append(type(error))

    world.store.faults = [first, "before"]
    world.store.meanwhile = in_between(world, intend_or_not)

    if first == "lost":
        cancel(world, claim.creation)
        must_be_cancelled(world, claim.creation)
        assert refused == [LeaseLost]
    else:
        with pytest.raises(AlreadyStarted):
            cancel(world, claim.creation)
        must_be_started(world, claim.creation)


@pytest.mark.parametrize("first", ["lost", "unsent"])
def test_intent_is_run_again_after_the_cancellation(world: World, first: str) -> None:
    """Its answer is lost. If it landed, the cancellation is refused; if not, the intent is."""
    claim = claimed(world)
    refused: list[type[Exception]] = []

    def cancel_or_not() -> None:
        try:
            cancel(world, claim.creation)
        except AlreadyStarted as error:
            refused.append(type(error))

    world.store.faults = [first, "before"]
    world.store.meanwhile = in_between(world, cancel_or_not)

    if first == "lost":
        intend(claim)
        must_be_started(world, claim.creation)
        assert refused == [AlreadyStarted]
    else:
        with pytest.raises(LeaseLost):
            intend(claim)
        must_be_cancelled(world, claim.creation)


def test_intent_whose_commit_is_late_does_not_land_after_a_cancellation(world: World) -> None:
    claim = claimed(world)
    world.store.faults = ["late", *["down"] * RERUNS_MAX]
    with pytest.raises(OutcomeUnknown):
        intend(claim)
    cancelled = cancel(world, claim.creation)

    world.store.land()

    assert world.now(claim.creation) == cancelled
    must_be_cancelled(world, claim.creation)


def test_cancellation_whose_commit_is_late_does_not_land_after_an_intent(world: World) -> None:
    claim = claimed(world)
    world.store.faults = ["late", *["down"] * RERUNS_MAX]
    with pytest.raises(OutcomeUnknown):
        cancel(world, claim.creation)
    intend(claim)

    world.store.land()

    must_be_started(world, claim.creation)


def test_cancellation_meets_the_next_debit_of_a_claimed_creation(world: World) -> None:
    """Another tab cancels and retries meanwhile: this request was about the run before."""
    claim = claimed(world)
    id_ = claim.creation.creation_id

    def cancel_and_retry() -> None:
        cancel(world, claim.creation)
        world.phoenix.opening.retry(id_, owner=ADA)

    world.store.faults = ["before"]
    world.store.meanwhile = in_between(world, cancel_and_retry)

    settlement = world.phoenix.failing.fail_cancelled(claim.creation)

    assert settlement.creation == world.now(claim.creation)
    assert (world.now(claim.creation).status, world.account().balance_tokens) == ("pending", 90)


def in_between(world: World, act: Callable[[], object]) -> Callable[[], None]:
    """Return the act, which does not happen again during its own transactions."""

    def once() -> None:
        world.store.meanwhile = lambda: None
        act()

    return once


# An earlier start of the same debit


def test_intent_that_was_not_acted_on_does_not_hinder(world: World) -> None:
    claim = claimed(world)
    intend(claim)
    claim.clear_intent()

    cancel(world, claim.creation)

    must_be_cancelled(world, claim.creation)


@pytest.mark.parametrize("billed_usd", [0.0, 0.5])
def test_start_that_produced_nothing_does_not_hinder_and_what_it_cost_is_counted(
    world: World, billed_usd: float
) -> None:
    claim = claimed(world)
    intend(claim)
    claim.record_operation("operation-1")
    claim.retry_later(retry_after_s=0, start_failed=True, billed_usd=billed_usd)
    world.clock.sleep(60)
    world.claim(claim.creation, RIVAL)

    cancel(world, claim.creation)

    must_be_cancelled(world, claim.creation)
    [cost] = [each for each in world.sqlite.everything() if isinstance(each, Cost)]
    assert (cost.estimated_cost_usd, cost.was_claimed) == (billed_usd, True)


def test_unknown_start_hinders_although_a_later_one_produced_nothing(world: World) -> None:
    first = claimed(world, Kind.IMAGE)
    intend(first)
    first.retry_later(retry_after_s=0, start_failed=False)
    world.clock.sleep(60)
    second = world.held(world.claim(first.creation, RIVAL, kind=Kind.IMAGE))
    intend(second)
    second.retry_later(retry_after_s=0, start_failed=True)

    with pytest.raises(AlreadyStarted):
        cancel(world, first.creation)

    world.clock.sleep(120)
    third = world.claim(first.creation, THIRD, kind=Kind.IMAGE)
    with pytest.raises(AlreadyStarted):
        cancel(world, third)


def test_operation_of_a_released_attempt_hinders(world: World) -> None:
    claim = claimed(world)
    intend(claim)
    claim.record_operation("operation-1")
    claim.release()
    again = world.claim(claim.creation, LeaseOwner(LEASE_OWNER.execution, 1))

    with pytest.raises(AlreadyStarted):
        cancel(world, again)


# Limits


def test_cancelled_attempts_count_as_free_outcomes(world: World) -> None:
    for _ in range(Policy().free_outcomes_per_hour_max):
        cancel(world, claimed(world).creation)

    hour = world.account().free_hour
    assert hour is not None
    assert hour.count == Policy().free_outcomes_per_hour_max
