import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.creation import Creation
from shared.domain.errors import LeaseLost, NotClaimable, OutcomeUnknown, StartNotAllowed
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.ledger import Cost
from shared.domain.status import Stage, Status
from shared.ports.store import write
from tests.support.builders import LEASE_OWNER, POLICY, RIVAL, a_creation_id, stored_media
from tests.support.world import World


def opened_and_claimed(world: World, kind: Kind = Kind.VIDEO) -> Creation:
    return world.claim(world.open(kind=kind).creation, kind=kind)


def test_a_claimed_creation_is_not_claimed_by_another(world: World) -> None:
    claimed = opened_and_claimed(world)

    with pytest.raises(NotClaimable, match="another holds it"):
        world.claim(claimed, RIVAL)


def test_ones_own_claim_is_recognised(world: World) -> None:
    world.open(kind=Kind.IMAGE)
    creation = world.open().creation
    world.store.faults = ["lost"]

    claimed = world.claim(creation)

    assert claimed.attempt == 1
    assert world.claim(creation).attempt == 1


def test_a_lease_that_ran_out_is_taken_by_the_next_once_no_clock_could_doubt_it(
    world: World,
) -> None:
    claimed = opened_and_claimed(world)
    world.clock.sleep(129)
    with pytest.raises(NotClaimable):
        world.claim(claimed, RIVAL)
    world.clock.sleep(1)

    assert world.claim(claimed, RIVAL).attempt == 2


def test_a_later_try_of_the_same_execution_takes_the_lease_at_once(world: World) -> None:
    claimed = opened_and_claimed(world)

    again = world.claim(claimed, LeaseOwner(LEASE_OWNER.execution, 1))

    assert again.attempt == 2
    with pytest.raises(NotClaimable):
        world.claim(claimed, LEASE_OWNER)


def test_there_is_nothing_to_claim_where_nothing_is_to_do(world: World) -> None:
    image = world.open(kind=Kind.IMAGE).creation
    failed = opened_and_claimed(world)
    world.phoenix.failing.fail_attempt(failed, FailureCode.INTERNAL, answered_no=False)

    with pytest.raises(NotClaimable, match="unknown"):
        world.claim(a_creation_id("nobody's"))
    with pytest.raises(NotClaimable, match="image"):
        world.claim(image)
    with pytest.raises(NotClaimable, match="failed"):
        world.claim(failed, RIVAL)


def test_nobody_claims_with_less_than_the_minimum_run_left(world: World) -> None:
    creation = world.open().creation
    world.clock.sleep(811)

    with pytest.raises(NotClaimable, match="deadline"):
        world.claim(creation)


def test_six_attempts_are_all_there_are(world: World) -> None:
    creation = world.open().creation
    for attempt in range(6):
        world.claim(creation, LeaseOwner(LEASE_OWNER.execution, attempt))

    with pytest.raises(NotClaimable, match="used up"):
        world.claim(creation, LeaseOwner(LEASE_OWNER.execution, 6))


def test_a_retry_is_claimed_when_it_is_due_and_not_before(world: World) -> None:
    claimed = opened_and_claimed(world)
    world.phoenix.attempts.retry_later(claimed, retry_after_s=0, answered_no=True)
    world.clock.sleep(54)

    with pytest.raises(NotClaimable, match="not due"):
        world.claim(claimed, RIVAL)
    world.clock.sleep(1)

    assert world.claim(claimed, RIVAL).attempt == 2


def test_whoever_lost_the_lease_can_write_nothing(world: World) -> None:
    mine = opened_and_claimed(world)
    world.clock.sleep(130)
    rival = world.claim(mine, RIVAL)
    attempts, failing = world.phoenix.attempts, world.phoenix.failing

    for fenced in (
        lambda: attempts.report(mine, stage=Stage.GENERATING, progress=50),
        lambda: attempts.intend(mine, model="m", cost_usd=1),
        lambda: attempts.withdraw(mine),
        lambda: attempts.record_operation(mine, "o"),
        lambda: attempts.complete(mine, stored_media(mine)),
        lambda: attempts.retry_later(mine, retry_after_s=0, answered_no=True),
        lambda: attempts.hand_back(mine),
        lambda: failing.fail_attempt(mine, FailureCode.INTERNAL, answered_no=True),
    ):
        with pytest.raises(LeaseLost):
            fenced()

    assert world.now(mine) == rival


def test_a_report_renews_the_lease(world: World) -> None:
    mine = opened_and_claimed(world)
    world.clock.sleep(100)
    world.phoenix.attempts.report(mine, stage=Stage.GENERATING, progress=50)
    world.clock.sleep(100)

    with pytest.raises(NotClaimable):
        world.claim(mine, RIVAL)
    assert world.now(mine).progress == 50


def test_a_video_is_intended_once_and_an_image_once_more(world: World) -> None:
    attempts = world.phoenix.attempts
    video, image = opened_and_claimed(world), opened_and_claimed(world, Kind.IMAGE)
    attempts.intend(video, model="m", cost_usd=1)
    attempts.intend(image, model="m", cost_usd=1)
    world.clock.sleep(60)

    with pytest.raises(StartNotAllowed):
        attempts.intend(video, model="m", cost_usd=1)
    attempts.intend(image, model="m", cost_usd=1)
    world.clock.sleep(60)
    with pytest.raises(StartNotAllowed):
        attempts.intend(image, model="m", cost_usd=1)

    assert world.now(image).unknown_starts == 2


def test_an_intent_whose_answer_was_lost_counts_once(world: World) -> None:
    mine = opened_and_claimed(world)
    world.store.faults = ["lost", "lost"]

    intended = world.phoenix.attempts.intend(mine, model="m", cost_usd=1)

    assert intended.unknown_starts == 1


def test_nothing_is_intended_with_a_known_operation_or_too_little_time(world: World) -> None:
    attempts = world.phoenix.attempts
    mine = opened_and_claimed(world)
    known = attempts.record_operation(mine, "o")
    with pytest.raises(StartNotAllowed):
        attempts.intend(known, model="m", cost_usd=1)
    late = opened_and_claimed(world)
    world.clock.sleep(811)

    with pytest.raises(StartNotAllowed, match="deadline"):
        attempts.intend(late, model="m", cost_usd=1)


def test_an_intent_can_be_withdrawn_even_if_the_answer_is_lost(world: World) -> None:
    attempts = world.phoenix.attempts
    intended = attempts.intend(opened_and_claimed(world), model="m", cost_usd=1)
    world.store.faults = ["lost"]

    withdrawn = attempts.withdraw(intended)

    assert withdrawn.intent is None
    world.clock.sleep(1)
    assert attempts.intend(withdrawn, model="m", cost_usd=1).unknown_starts == 1


def test_completing_settles_counts_and_costs(world: World) -> None:
    attempts = world.phoenix.attempts
    mine = attempts.intend(opened_and_claimed(world), model="m", cost_usd=1.5)
    world.store_files(mine)

    attempts.complete(mine, stored_media(mine))

    draft = world.now(mine)
    assert draft.status is Status.DRAFT
    assert world.account().in_flight.video == 0
    assert world.account().balance_tokens == 90
    assert costs(world) == [
        Cost(
            cost_id=f"{mine.creation_id}_1",
            model="m",
            estimated_cost_usd=1.5,
            kind=Kind.VIDEO,
            was_claimed=True,
            created_at=world.clock.now(),
        )
    ]
    assert world.deletions() == []


def test_completing_names_the_files_of_earlier_attempts(world: World) -> None:
    first = opened_and_claimed(world)
    mine = world.claim(first, LeaseOwner(LEASE_OWNER.execution, 1))
    world.store_files(mine)

    world.phoenix.attempts.complete(mine, stored_media(mine))

    [deletion] = world.deletions()
    assert deletion.deletion_id == f"{mine.creation_id}_attempts_1"
    assert all("/1" in key for key in deletion.keys)
    assert (deletion.due_at - world.clock.now()).total_seconds() == 3600


@pytest.mark.parametrize("faults", [["lost"], ["lost", "down", "lost"], ["unsent", "lost"]])
def test_completing_recognises_its_own_draft(world: World, faults: list[str]) -> None:
    mine = opened_and_claimed(world)
    world.store_files(mine)
    world.store.faults = faults

    world.phoenix.attempts.complete(mine, stored_media(mine))

    assert world.now(mine).status is Status.DRAFT
    assert world.account().in_flight.video == 0


def test_completing_once_more_recognises_the_draft_of_an_earlier_call(world: World) -> None:
    mine = opened_and_claimed(world)
    world.store_files(mine)
    world.store.faults = ["lost"] * 5
    with pytest.raises(OutcomeUnknown):
        world.phoenix.attempts.complete(mine, stored_media(mine))
    draft = world.now(mine)

    world.phoenix.attempts.complete(mine, stored_media(mine))

    assert world.now(mine) == draft
    assert draft.status is Status.DRAFT
    assert world.account().in_flight.video == 0


def test_completing_works_past_the_deadline_while_not_failed(world: World) -> None:
    mine = opened_and_claimed(world)
    world.store_files(mine)
    world.clock.sleep(950)

    world.phoenix.attempts.complete(mine, stored_media(mine))

    assert world.now(mine).status is Status.DRAFT


def test_after_the_sweeps_refund_completing_is_refused(world: World) -> None:
    mine = opened_and_claimed(world)
    world.clock.sleep(950)
    world.phoenix.sweeping.sweep()

    with pytest.raises(LeaseLost):
        world.phoenix.attempts.complete(mine, stored_media(mine))

    assert world.account().balance_tokens == 100


def test_retries_wait_60_120_and_240_seconds_and_then_there_is_none(world: World) -> None:
    mine = opened_and_claimed(world)
    waits = []
    for attempt in range(1, 4):
        task = world.phoenix.attempts.retry_later(mine, retry_after_s=0, answered_no=True)
        assert task is not None
        waits.append((task.number, (task.not_before - world.clock.now()).total_seconds()))
        world.clock.sleep(waits[-1][1])
        mine = world.claim(mine, LeaseOwner(f"e{attempt}", 0))

    assert waits == [(2, 60), (3, 120), (4, 240)]
    assert world.phoenix.attempts.retry_later(mine, retry_after_s=0, answered_no=True) is None
    assert world.now(mine).status is Status.PROCESSING


def test_a_longer_retry_after_is_heeded(world: World) -> None:
    mine = opened_and_claimed(world)

    task = world.phoenix.attempts.retry_later(mine, retry_after_s=200, answered_no=True)

    assert task is not None
    assert (task.not_before - world.clock.now()).total_seconds() == 200


def test_no_retry_is_made_that_could_not_end_before_the_deadline(world: World) -> None:
    mine = opened_and_claimed(world)
    world.clock.sleep(900 - POLICY.minimum_run_s(Kind.VIDEO) - 59)

    assert world.phoenix.attempts.retry_later(mine, retry_after_s=0, answered_no=True) is None


@pytest.mark.parametrize("hint_s", [0, 5, -1, 841, 3600, 1e12, math.inf, -math.inf, math.nan])
def test_hint_that_is_short_or_does_not_fit_leaves_the_first_pause_at_60_seconds(
    world: World, hint_s: float
) -> None:
    mine = opened_and_claimed(world)

    task = world.phoenix.attempts.retry_later(mine, retry_after_s=hint_s, answered_no=True)

    assert task is not None
    assert (task.not_before - world.clock.now()).total_seconds() == 60


def test_second_image_start_waits_for_the_first_pause_after_the_first_one(world: World) -> None:
    attempts = world.phoenix.attempts
    first = attempts.intend(opened_and_claimed(world, Kind.IMAGE), model="m", cost_usd=1)
    world.clock.sleep(54)

    with pytest.raises(StartNotAllowed, match="too recent"):
        attempts.intend(first, model="m", cost_usd=1)
    world.clock.sleep(1)

    assert attempts.intend(first, model="m", cost_usd=1).unknown_starts == 2


def test_retry_of_an_unknown_start_waits_for_its_intents_pause_on_a_slow_clock(
    world: World,
) -> None:
    attempts = world.phoenix.attempts
    mine = opened_and_claimed(world, Kind.IMAGE)
    attempts.intend(mine, model="m", cost_usd=1)
    intent = world.now(mine).intent
    assert intent is not None
    ahead = replace(world.now(mine), intent=replace(intent, at=intent.at + timedelta(seconds=9)))
    world.sqlite.transact([mine.key], lambda _: write(ahead, result=None))

    task = attempts.retry_later(ahead, retry_after_s=0, answered_no=False)

    assert task is not None
    assert (task.not_before - world.clock.now()).total_seconds() == 69


@pytest.mark.parametrize("faults", [[], ["lost"]])
def test_no_to_the_second_start_brings_the_first_ones_intent_back(
    world: World, faults: list[str]
) -> None:
    attempts = world.phoenix.attempts
    first = attempts.intend(opened_and_claimed(world, Kind.IMAGE), model="m", cost_usd=1)
    world.clock.sleep(130)
    again = world.claim(first, RIVAL, kind=Kind.IMAGE)
    second = attempts.intend(again, model="m", cost_usd=1)
    assert second.unknown_starts == 2
    world.store.faults = faults

    withdrawn = attempts.withdraw(second)

    assert withdrawn.intent == world.now(first).intent == first.intent


def test_retry_after_a_no_keeps_neither_intent_nor_operation_of_that_start(world: World) -> None:
    attempts = world.phoenix.attempts
    first = attempts.intend(opened_and_claimed(world, Kind.IMAGE), model="m", cost_usd=1)
    world.clock.sleep(130)
    again = attempts.intend(world.claim(first, RIVAL, kind=Kind.IMAGE), model="m", cost_usd=1)
    mine = attempts.record_operation(again, "o")

    attempts.retry_later(mine, retry_after_s=0, answered_no=True)

    waiting = world.now(first)
    assert (waiting.intent, waiting.operation_name) == (first.intent, None)


@pytest.mark.parametrize("first_send", ["lost", "unsent"])
@pytest.mark.parametrize(
    "give_up",
    [
        lambda world, mine: world.phoenix.attempts.hand_back(mine),
        lambda world, mine: world.phoenix.attempts.retry_later(
            mine, retry_after_s=0, answered_no=True
        ),
    ],
    ids=["hand back", "retry later"],
)
def test_unanswered_end_of_an_attempt_is_a_lost_lease_once_another_has_claimed(
    world: World, give_up: Callable[[World, Creation], object], first_send: str
) -> None:
    mine = opened_and_claimed(world)
    reclaimed = replace(mine, attempt=2, lease_owner=RIVAL, execution_name=RIVAL.execution)

    def another_claims() -> None:
        world.sqlite.transact([mine.key], lambda _: write(reclaimed, result=None))

    world.store.faults, world.store.meanwhile = [first_send, "before"], another_claims
    with pytest.raises(LeaseLost):
        give_up(world, mine)

    assert world.now(mine) == reclaimed


def test_hand_back_that_did_not_land_is_sent_again(world: World) -> None:
    mine = opened_and_claimed(world)
    world.store.faults = ["unsent"]

    world.phoenix.attempts.hand_back(mine)

    assert world.now(mine).status is Status.PENDING


def test_claim_clears_the_time_of_the_retry(world: World) -> None:
    mine = opened_and_claimed(world)
    world.phoenix.attempts.retry_later(mine, retry_after_s=0, answered_no=True)
    world.clock.sleep(60)

    assert world.claim(mine, RIVAL).retry_at is None


def test_complete_does_not_take_another_attempts_draft_for_its_own(world: World) -> None:
    mine = opened_and_claimed(world)
    world.store_files(mine)
    world.clock.sleep(130)
    rival = world.claim(mine, RIVAL)
    world.store_files(rival)
    world.phoenix.attempts.complete(rival, stored_media(rival))
    world.store.faults = ["unsent"]

    with pytest.raises(LeaseLost):
        world.phoenix.attempts.complete(mine, stored_media(mine))

    assert world.now(mine).media_key == stored_media(rival).media_key


def test_a_no_clears_intent_and_operation_and_anything_else_keeps_them(world: World) -> None:
    attempts = world.phoenix.attempts
    working = []
    for _ in range(2):
        mine = attempts.intend(opened_and_claimed(world), model="m", cost_usd=1)
        working.append(attempts.record_operation(mine, "o"))

    attempts.retry_later(working[0], retry_after_s=0, answered_no=True)
    attempts.retry_later(working[1], retry_after_s=0, answered_no=False)

    refused, kept = (world.now(each) for each in working)
    assert (refused.intent, refused.operation_name) == (None, None)
    assert (kept.unknown_starts, kept.operation_name) == (1, "o")


def test_a_retry_whose_answer_was_lost_has_one_task_number(world: World) -> None:
    mine = opened_and_claimed(world)
    world.store.faults = ["lost"]

    task = world.phoenix.attempts.retry_later(mine, retry_after_s=0, answered_no=True)

    assert task is not None
    assert task.number == world.now(mine).task_number == 2


def test_handing_back_lets_the_next_try_go_on_at_once(world: World) -> None:
    attempts = world.phoenix.attempts
    mine = attempts.record_operation(opened_and_claimed(world), "o")
    world.store.faults = ["lost"]

    attempts.hand_back(mine)

    back = world.now(mine)
    assert (back.status, back.retry_count, back.operation_name) == (Status.PENDING, 0, "o")
    assert world.claim(mine, LeaseOwner(LEASE_OWNER.execution, 1)).attempt == 2


def test_an_outcome_that_stays_unknown_is_said_to_be_unknown(world: World) -> None:
    mine = opened_and_claimed(world)
    world.store.faults = ["unsent"] * 5

    with pytest.raises(OutcomeUnknown):
        world.phoenix.attempts.hand_back(mine)


def costs(world: World) -> list[Cost]:
    return [document for document in world.sqlite.everything() if isinstance(document, Cost)]


def test_the_cost_of_a_refused_start_is_nothing(world: World) -> None:
    mine = world.phoenix.attempts.intend(opened_and_claimed(world), model="m", cost_usd=1)

    world.phoenix.failing.fail_attempt(mine, FailureCode.POLICY_VIOLATION, answered_no=True)

    assert costs(world) == [replace(costs(world)[0], model="m", estimated_cost_usd=0.0)]


def test_cost_of_a_billed_refusal_is_kept(world: World) -> None:
    mine = world.phoenix.attempts.intend(opened_and_claimed(world), model="m", cost_usd=1)

    world.phoenix.failing.fail_attempt(
        mine, FailureCode.SAFETY_FILTER, answered_no=True, billed_usd=0.75
    )

    assert [each.estimated_cost_usd for each in costs(world)] == [0.75]


def test_costs_of_every_billed_start_of_a_debit_add_up(world: World) -> None:
    attempts = world.phoenix.attempts
    mine = attempts.intend(opened_and_claimed(world), model="m", cost_usd=1)
    attempts.retry_later(mine, retry_after_s=0, answered_no=True, billed_usd=0.75)
    world.clock.sleep(60)
    again = attempts.intend(world.claim(mine, RIVAL), model="m", cost_usd=1)
    world.store_files(again)

    attempts.complete(again, stored_media(again))

    assert [each.estimated_cost_usd for each in costs(world)] == [1.75]


def test_next_debit_starts_without_the_costs_of_the_last(world: World) -> None:
    mine = world.phoenix.attempts.intend(opened_and_claimed(world), model="m", cost_usd=1)
    world.phoenix.failing.fail_attempt(
        mine, FailureCode.SAFETY_FILTER, answered_no=True, billed_usd=0.75
    )

    world.phoenix.opening.retry(mine.creation_id, owner=mine.user_id)

    assert world.now(mine).spent_usd == 0
