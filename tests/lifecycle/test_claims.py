import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.errors import LeaseLost, NotClaimable, OutcomeUnknown, StartNotAllowed
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.ledger import Cost, RunOutcome
from shared.domain.status import Stage, Status
from shared.lifecycle.claim import Claim
from shared.ports.store import write
from tests.support.builders import LEASE_OWNER, POLICY, RIVAL, a_creation_id, stored_media
from tests.support.world import World


def opened_and_claimed(world: World, kind: Kind = Kind.VIDEO) -> Claim:
    return world.held(world.claim(world.open(kind=kind).creation, kind=kind))


def intended(
    world: World, kind: Kind = Kind.VIDEO, *, claim: Claim | None = None, cost_usd: float = 1
) -> Claim:
    claim = claim or opened_and_claimed(world, kind)
    claim.record_intent(model="m", cost_usd=cost_usd)
    return claim


def complete(world: World, claim: Claim) -> None:
    world.store_files(claim.creation)
    claim.complete(stored_media(claim.creation))


def taken_over(
    world: World, claim: Claim, lease_owner: LeaseOwner = RIVAL, kind: Kind = Kind.VIDEO
) -> Claim:
    return world.held(world.claim(claim.creation, lease_owner, kind=kind))


def test_claimed_creation_cannot_be_claimed_by_another_owner(world: World) -> None:
    claim = opened_and_claimed(world)

    with pytest.raises(NotClaimable, match="another attempt holds it"):
        taken_over(world, claim)


def test_own_claim_is_recognised_after_a_lost_answer(world: World) -> None:
    world.open(kind=Kind.IMAGE)
    creation = world.open().creation
    world.store.faults = ["lost"]

    claimed = world.claim(creation)

    assert claimed.attempt == 1


def test_owner_cannot_claim_twice_what_it_holds(world: World) -> None:
    creation = world.open().creation
    world.claim(creation)

    with pytest.raises(NotClaimable, match="another attempt holds it"):
        world.claim(creation)


def test_hand_back_counts_as_no_attempt(world: World) -> None:
    creation = world.open().creation
    for execution in range(POLICY.hand_backs_max + POLICY.attempts_max - 1):
        world.held(world.claim(creation, LeaseOwner(f"e{execution}", 0))).release()
    world.claim(creation, LeaseOwner("last", 0))
    world.clock.sleep(POLICY.lease_s + POLICY.clock_skew_s)

    with pytest.raises(NotClaimable, match="attempts are used up"):
        world.claim(creation, LeaseOwner("one more", 0))
    assert world.now(creation).hand_back_count == POLICY.hand_backs_max


def test_stopped_attempt_begins_no_start(world: World) -> None:
    claim = opened_and_claimed(world)
    claim.stop()

    with pytest.raises(LeaseLost):
        claim.record_intent(model="fake", cost_usd=0.25)
    assert world.now(claim.creation).intent is None


def test_stopped_attempt_goes_on_while_its_start_is_not_on_record(world: World) -> None:
    claim = opened_and_claimed(world)
    claim.record_intent(model="fake", cost_usd=0.25)
    claim.stop()

    claim.ensure_held()
    claim.record_operation("operation-1")

    with pytest.raises(LeaseLost):
        claim.ensure_held()


def test_expired_lease_can_be_taken_over_after_the_clock_skew_allowance(
    world: World,
) -> None:
    claim = opened_and_claimed(world)
    world.clock.sleep(129)
    with pytest.raises(NotClaimable):
        taken_over(world, claim)
    world.clock.sleep(1)

    assert taken_over(world, claim).creation.attempt == 2


def test_later_try_of_the_same_execution_takes_the_lease_over_at_once(world: World) -> None:
    claim = opened_and_claimed(world)

    again = taken_over(world, claim, LeaseOwner(LEASE_OWNER.execution, 1))

    assert again.creation.attempt == 2
    with pytest.raises(NotClaimable):
        taken_over(world, claim, LEASE_OWNER)


def test_unknown_settled_or_other_kind_cannot_be_claimed(world: World) -> None:
    image = world.open(kind=Kind.IMAGE).creation
    failed = opened_and_claimed(world)
    failed.fail(FailureCode.INTERNAL, start_failed=False)

    with pytest.raises(NotClaimable, match="unknown"):
        world.claim(a_creation_id("unknown"))
    with pytest.raises(NotClaimable, match="image"):
        world.claim(image)
    with pytest.raises(NotClaimable, match="failed"):
        taken_over(world, failed)


def test_creation_cannot_be_claimed_with_less_than_the_minimum_run_left(world: World) -> None:
    creation = world.open().creation
    world.clock.sleep(811)

    with pytest.raises(NotClaimable, match="deadline"):
        world.claim(creation)


def test_creation_cannot_be_claimed_a_seventh_time(world: World) -> None:
    creation = world.open().creation
    for attempt in range(6):
        world.claim(creation, LeaseOwner(LEASE_OWNER.execution, attempt))

    with pytest.raises(NotClaimable, match="used up"):
        world.claim(creation, LeaseOwner(LEASE_OWNER.execution, 6))


def test_retry_can_be_claimed_only_when_it_is_due(world: World) -> None:
    claim = opened_and_claimed(world)
    claim.retry_later(retry_after_s=0, start_failed=True)
    world.clock.sleep(54)

    with pytest.raises(NotClaimable, match="not due"):
        taken_over(world, claim)
    world.clock.sleep(1)

    assert taken_over(world, claim).creation.attempt == 2


def test_attempt_that_lost_its_lease_can_write_nothing(world: World) -> None:
    claim = opened_and_claimed(world)
    world.clock.sleep(130)
    rival = taken_over(world, claim)

    writes: list[Callable[[], object]] = [
        lambda: claim.renew(stage=Stage.GENERATING, progress=50),
        lambda: claim.record_intent(model="m", cost_usd=1),
        claim.clear_intent,
        lambda: claim.record_operation("o"),
        lambda: claim.complete(stored_media(claim.creation)),
        lambda: claim.retry_later(retry_after_s=0, start_failed=True),
        claim.release,
        lambda: claim.fail(FailureCode.INTERNAL, start_failed=True),
    ]
    for write_fenced in writes:
        with pytest.raises(LeaseLost):
            write_fenced()

    assert world.now(claim.creation) == rival.creation


def test_heartbeat_renews_the_lease(world: World) -> None:
    claim = opened_and_claimed(world)
    world.clock.sleep(100)
    claim.renew(stage=Stage.GENERATING, progress=50)
    world.clock.sleep(100)

    with pytest.raises(NotClaimable):
        taken_over(world, claim)
    assert world.now(claim.creation).progress == 50


def test_intent_is_recorded_once_for_videos_and_twice_for_images(world: World) -> None:
    video, image = intended(world), intended(world, Kind.IMAGE)
    world.clock.sleep(60)

    with pytest.raises(StartNotAllowed):
        intended(world, claim=video)
    intended(world, claim=image)
    world.clock.sleep(60)
    with pytest.raises(StartNotAllowed):
        intended(world, claim=image)

    assert world.now(image.creation).unknown_starts == 2


def test_intent_whose_answer_was_lost_counts_once(world: World) -> None:
    claim = opened_and_claimed(world)
    world.store.faults = ["lost", "lost"]

    claim.record_intent(model="m", cost_usd=1)

    assert claim.creation.unknown_starts == 1


def test_intent_is_refused_with_a_known_operation_or_too_little_time(world: World) -> None:
    known = opened_and_claimed(world)
    known.record_operation("o")
    with pytest.raises(StartNotAllowed):
        intended(world, claim=known)
    late = opened_and_claimed(world)
    world.clock.sleep(811)

    with pytest.raises(StartNotAllowed, match="deadline"):
        intended(world, claim=late)


def test_intent_can_be_cleared_when_the_answer_is_lost(world: World) -> None:
    claim = intended(world)
    world.store.faults = ["lost"]

    claim.clear_intent()

    assert claim.creation.intent is None
    world.clock.sleep(1)
    assert intended(world, claim=claim).creation.unknown_starts == 1


def test_complete_frees_the_slot_and_records_the_cost(world: World) -> None:
    claim = intended(world, cost_usd=1.5)
    complete(world, claim)

    draft = world.now(claim.creation)
    assert draft.status is Status.DRAFT
    assert world.account().in_flight.video == 0
    assert world.account().balance_tokens == 90
    assert costs(world) == [
        Cost(
            cost_id=f"{draft.creation_id}_1",
            model="m",
            estimated_cost_usd=1.5,
            kind=Kind.VIDEO,
            was_claimed=True,
            created_at=world.clock.now(),
            creation_id=draft.creation_id,
            outcome=RunOutcome.READY,
            seconds=world.clock.monotonic_s(),
            cost_micro_usd=1_500_000,
            fold_at=world.clock.now(),
        )
    ]
    assert world.deletions() == []


def test_complete_schedules_deletion_of_files_of_earlier_attempts(world: World) -> None:
    first = opened_and_claimed(world)
    claim = taken_over(world, first, LeaseOwner(LEASE_OWNER.execution, 1))
    complete(world, claim)

    [deletion] = world.deletions()
    assert deletion.deletion_id == f"{claim.creation.creation_id}_attempts_1"
    assert all("/1" in key for key in deletion.keys)
    assert (deletion.due_at - world.clock.now()).total_seconds() == 3600


@pytest.mark.parametrize("faults", [["lost"], ["lost", "down", "lost"], ["unsent", "lost"]])
def test_complete_recognises_its_own_draft(world: World, faults: list[str]) -> None:
    claim = opened_and_claimed(world)
    world.store_files(claim.creation)
    world.store.faults = faults

    claim.complete(stored_media(claim.creation))

    assert world.now(claim.creation).status is Status.DRAFT
    assert world.account().in_flight.video == 0


def test_second_complete_recognises_the_draft_of_an_earlier_call(world: World) -> None:
    claim = opened_and_claimed(world)
    world.store_files(claim.creation)
    world.store.faults = ["lost"] * 5
    with pytest.raises(OutcomeUnknown):
        claim.complete(stored_media(claim.creation))
    draft = world.now(claim.creation)

    claim.complete(stored_media(claim.creation))

    assert world.now(claim.creation) == draft
    assert draft.status is Status.DRAFT
    assert world.account().in_flight.video == 0


def test_complete_is_possible_past_the_deadline_until_the_refund(world: World) -> None:
    claim = opened_and_claimed(world)
    world.clock.sleep(950)

    complete(world, claim)

    assert world.now(claim.creation).status is Status.DRAFT


def test_complete_is_refused_after_the_sweep_has_refunded(world: World) -> None:
    claim = opened_and_claimed(world)
    world.clock.sleep(950)
    world.phoenix.sweeping.sweep()

    with pytest.raises(LeaseLost):
        claim.complete(stored_media(claim.creation))

    assert world.account().balance_tokens == 100


def test_three_retries_wait_60_120_and_240_seconds(world: World) -> None:
    claim = opened_and_claimed(world)
    waits = []
    for attempt in range(1, 4):
        task = claim.retry_later(retry_after_s=0, start_failed=True)
        assert task is not None
        waits.append((task.number, (task.not_before - world.clock.now()).total_seconds()))
        world.clock.sleep(waits[-1][1])
        claim = taken_over(world, claim, LeaseOwner(f"e{attempt}", 0))

    assert waits == [(2, 60), (3, 120), (4, 240)]
    assert claim.retry_later(retry_after_s=0, start_failed=True) is None
    assert world.now(claim.creation).status is Status.PROCESSING


def test_longer_retry_after_is_honoured(world: World) -> None:
    task = opened_and_claimed(world).retry_later(retry_after_s=200, start_failed=True)

    assert task is not None
    assert (task.not_before - world.clock.now()).total_seconds() == 200


def test_retry_is_refused_if_it_could_not_finish_before_the_deadline(world: World) -> None:
    claim = opened_and_claimed(world)
    world.clock.sleep(900 - POLICY.minimum_run_s(Kind.VIDEO) - 59)

    assert claim.retry_later(retry_after_s=0, start_failed=True) is None


@pytest.mark.parametrize("hint_s", [0, 5, -1, 841, 3600, 1e12, math.inf, -math.inf, math.nan])
def test_hint_that_is_short_or_does_not_fit_leaves_the_first_pause_at_60_seconds(
    world: World, hint_s: float
) -> None:
    task = opened_and_claimed(world).retry_later(retry_after_s=hint_s, start_failed=True)

    assert task is not None
    assert (task.not_before - world.clock.now()).total_seconds() == 60


def test_second_image_start_waits_for_the_first_pause_after_the_first_one(world: World) -> None:
    claim = intended(world, Kind.IMAGE)
    world.clock.sleep(54)

    with pytest.raises(StartNotAllowed, match="too recent"):
        intended(world, claim=claim)
    world.clock.sleep(1)

    assert intended(world, claim=claim).creation.unknown_starts == 2


def test_retry_of_unanswered_start_waits_from_its_intent_on_a_slow_clock(
    world: World,
) -> None:
    creation = intended(world, Kind.IMAGE).creation
    intent = creation.intent
    assert intent is not None
    ahead = replace(creation, intent=replace(intent, at=intent.at + timedelta(seconds=9)))
    world.sqlite.transact([ahead.key], lambda _: write(ahead, result=None))

    task = world.held(ahead).retry_later(retry_after_s=0, start_failed=False)

    assert task is not None
    assert (task.not_before - world.clock.now()).total_seconds() == 69


@pytest.mark.parametrize("faults", [[], ["lost"]])
def test_clearing_the_second_intent_restores_the_first(world: World, faults: list[str]) -> None:
    first = intended(world, Kind.IMAGE)
    world.clock.sleep(130)
    second = intended(world, claim=taken_over(world, first, kind=Kind.IMAGE))
    assert second.creation.unknown_starts == 2
    world.store.faults = faults

    second.clear_intent()

    stored = world.now(first.creation)
    assert second.creation.intent == stored.intent == first.creation.intent


def test_retry_after_refusal_keeps_neither_intent_nor_operation_of_that_start(world: World) -> None:
    first = intended(world, Kind.IMAGE)
    world.clock.sleep(130)
    second = intended(world, claim=taken_over(world, first, kind=Kind.IMAGE))
    second.record_operation("o")

    second.retry_later(retry_after_s=0, start_failed=True)

    waiting = world.now(first.creation)
    assert (waiting.intent, waiting.operation_name) == (first.creation.intent, None)


@pytest.mark.parametrize("first_send", ["lost", "unsent"])
@pytest.mark.parametrize(
    "give_up",
    [
        lambda claim: claim.release(),
        lambda claim: claim.retry_later(retry_after_s=0, start_failed=True),
    ],
    ids=["release", "retry later"],
)
def test_unanswered_end_is_a_lost_lease_once_another_owner_has_claimed(
    world: World, give_up: Callable[[Claim], object], first_send: str
) -> None:
    claim = opened_and_claimed(world)
    claimed = claim.creation
    reclaimed = replace(claimed, attempt=2, lease_owner=RIVAL, execution_name=RIVAL.execution)

    def another_claims() -> None:
        world.sqlite.transact([claimed.key], lambda _: write(reclaimed, result=None))

    world.store.faults, world.store.meanwhile = [first_send, "before"], another_claims
    with pytest.raises(LeaseLost):
        give_up(claim)

    assert world.now(claimed) == reclaimed


def test_release_that_did_not_land_is_sent_again(world: World) -> None:
    claim = opened_and_claimed(world)
    world.store.faults = ["unsent"]

    claim.release()

    assert world.now(claim.creation).status is Status.PENDING


def test_claim_clears_retry_at(world: World) -> None:
    claim = opened_and_claimed(world)
    claim.retry_later(retry_after_s=0, start_failed=True)
    world.clock.sleep(60)

    assert taken_over(world, claim).creation.retry_at is None


def test_complete_does_not_recognise_the_draft_of_another_attempt(world: World) -> None:
    claim = opened_and_claimed(world)
    world.store_files(claim.creation)
    world.clock.sleep(130)
    rival = taken_over(world, claim)
    complete(world, rival)
    world.store.faults = ["unsent"]

    with pytest.raises(LeaseLost):
        claim.complete(stored_media(claim.creation))

    assert world.now(claim.creation).media_key == stored_media(rival.creation).media_key


def test_refusal_clears_intent_and_operation_and_other_failures_keep_them(world: World) -> None:
    claims = [intended(world) for _ in range(2)]
    for claim, start_failed in zip(claims, (True, False), strict=True):
        claim.record_operation("o")
        claim.retry_later(retry_after_s=0, start_failed=start_failed)

    refused, kept = (world.now(claim.creation) for claim in claims)
    assert (refused.intent, refused.operation_name) == (None, None)
    assert (kept.unknown_starts, kept.operation_name) == (1, "o")


def test_retry_whose_answer_was_lost_has_one_task_number(world: World) -> None:
    claim = opened_and_claimed(world)
    world.store.faults = ["lost"]

    task = claim.retry_later(retry_after_s=0, start_failed=True)

    assert task is not None
    assert task.number == world.now(claim.creation).task_number == 2


def test_released_creation_can_be_claimed_at_once_by_the_next_try(world: World) -> None:
    claim = opened_and_claimed(world)
    claim.record_operation("o")
    world.store.faults = ["lost"]

    claim.release()

    back = world.now(claim.creation)
    assert (back.status, back.retry_count, back.operation_name) == (Status.PENDING, 0, "o")
    again = taken_over(world, claim, LeaseOwner(LEASE_OWNER.execution, 1))
    assert again.creation.attempt == 2


def test_outcome_that_stays_unknown_raises_outcome_unknown(world: World) -> None:
    claim = opened_and_claimed(world)
    world.store.faults = ["unsent"] * 5

    with pytest.raises(OutcomeUnknown):
        claim.release()


def costs(world: World) -> list[Cost]:
    return [document for document in world.sqlite.everything() if isinstance(document, Cost)]


def test_refused_start_costs_nothing(world: World) -> None:
    intended(world).fail(FailureCode.POLICY_VIOLATION, start_failed=True)

    assert costs(world) == [replace(costs(world)[0], model="m", estimated_cost_usd=0.0)]


def test_cost_of_a_billed_refusal_is_kept(world: World) -> None:
    intended(world).fail(FailureCode.SAFETY_FILTER, start_failed=True, billed_usd=0.75)

    assert [each.estimated_cost_usd for each in costs(world)] == [0.75]


def test_costs_of_all_billed_starts_of_a_debit_add_up(world: World) -> None:
    claim = intended(world)
    claim.retry_later(retry_after_s=0, start_failed=True, billed_usd=0.75)
    world.clock.sleep(60)

    complete(world, intended(world, claim=taken_over(world, claim)))

    assert [each.estimated_cost_usd for each in costs(world)] == [1.75]


def test_next_debit_starts_without_the_costs_of_the_last(world: World) -> None:
    claim = intended(world)
    claim.fail(FailureCode.SAFETY_FILTER, start_failed=True, billed_usd=0.75)

    failed = claim.creation
    world.phoenix.opening.retry(failed.creation_id, owner=failed.user_id)

    assert world.now(failed).spent_usd == 0
