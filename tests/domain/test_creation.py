from dataclasses import replace

import pytest

from shared.domain.creation import Creation
from shared.domain.errors import IllegalTransition
from shared.domain.failure import Failure, FailureCode
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.status import Stage, Status
from tests.support.builders import (
    LEASE_OWNER,
    NOON,
    POLICY,
    RIVAL,
    a_claimed_creation,
    a_creation,
    seconds,
    stored_media,
)


def test_paid_creation_has_its_deadline_and_its_first_sweep() -> None:
    creation = a_creation()

    assert creation.status is Status.PENDING
    assert creation.deadline_at == NOON + seconds(900)
    assert creation.sweep_at == NOON + seconds(60)
    assert (creation.attempt, creation.first_attempt, creation.task_number) == (0, 1, 1)


def test_claim_takes_a_lease_and_counts_an_attempt() -> None:
    claimed = a_claimed_creation()

    assert claimed.status is Status.PROCESSING
    assert (claimed.attempt, claimed.lease_owner, claimed.execution_name) == (
        1,
        LEASE_OWNER,
        LEASE_OWNER.execution,
    )
    assert claimed.lease_expires_at == NOON + seconds(120)
    assert claimed.sweep_at == NOON + seconds(150)
    assert (claimed.progress, claimed.stage) == (5, Stage.GENERATING)


def test_creation_is_held_only_by_its_lease_owner_and_attempt() -> None:
    claimed = a_claimed_creation()

    assert claimed.is_held_by(LEASE_OWNER, attempt=1)
    assert not claimed.is_held_by(RIVAL, attempt=1)
    assert not claimed.is_held_by(LEASE_OWNER, attempt=2)
    assert not a_creation().is_held_by(LEASE_OWNER, attempt=0)


def test_late_report_moves_neither_stage_nor_progress_back() -> None:
    ahead = a_claimed_creation().with_progress(Stage.CHECKING, 92, policy=POLICY, at=NOON)

    late = ahead.with_progress(Stage.GENERATING, 40, policy=POLICY, at=NOON + seconds(20))

    assert (late.stage, late.progress) == (Stage.CHECKING, 92)
    assert late.lease_expires_at == NOON + seconds(140)


def test_new_attempt_resets_the_stage_but_keeps_the_progress() -> None:
    ahead = a_claimed_creation().with_progress(Stage.UPLOADING, 95, policy=POLICY, at=NOON)

    again = ahead.claimed(RIVAL, policy=POLICY, at=NOON + seconds(200))
    downloading = again.with_progress(Stage.DOWNLOADING, 88, policy=POLICY, at=NOON + seconds(201))

    assert (again.stage, again.progress) == (Stage.GENERATING, 95)
    assert (downloading.stage, downloading.progress) == (Stage.DOWNLOADING, 95)


def test_next_sweep_is_never_after_the_deadline() -> None:
    late = a_claimed_creation().with_progress(
        Stage.GENERATING, 50, policy=POLICY, at=NOON + seconds(850)
    )

    assert late.sweep_at == late.deadline_at


def test_unknown_starts_are_counted_and_a_refusal_removes_the_last() -> None:
    once = a_claimed_creation().with_intent(model="m", cost_usd=0.5, at=NOON)
    twice = once.with_intent(model="m", cost_usd=0.5, at=NOON)
    known = twice.with_operation("operation", at=NOON)

    assert (once.unknown_starts, twice.unknown_starts) == (1, 2)
    assert twice.estimated_cost_usd == 1.0
    assert known.without_start(at=NOON).unknown_starts == 1
    assert known.without_start(at=NOON).operation_name is None
    assert once.without_start(at=NOON).intent is None
    assert a_claimed_creation().without_start(at=NOON).intent is None


def test_creation_is_cancellable_until_a_start_is_on_record() -> None:
    pending, claimed = a_creation(), a_claimed_creation()
    intended = claimed.with_intent(model="m", cost_usd=1.0, at=NOON)
    started = intended.with_operation("operation", at=NOON)
    failed = claimed.failed(FailureCode.INTERNAL, policy=POLICY, at=NOON)

    assert (pending.is_cancellable, claimed.is_cancellable) == (True, True)
    assert not any(each.is_cancellable for each in (intended, started, failed))


def test_start_that_produced_nothing_makes_it_cancellable_again_unless_an_earlier_one_may_run() -> (
    None
):
    one = a_claimed_creation().with_intent(model="m", cost_usd=1.0, at=NOON)
    two = one.with_intent(model="m", cost_usd=1.0, at=NOON).with_operation("second", at=NOON)

    assert one.without_start(billed_usd=1.0, at=NOON).is_cancellable
    assert not two.without_start(at=NOON).is_cancellable
    assert two.without_start(at=NOON).without_start(at=NOON).is_cancellable


def test_next_debit_is_cancellable_whatever_the_last_one_started() -> None:
    started = a_claimed_creation().with_intent(model="m", cost_usd=1.0, at=NOON)
    failed = started.failed(FailureCode.GENERATOR_SILENT, policy=POLICY, at=NOON)

    assert failed.debited_again(policy=POLICY, at=NOON).is_cancellable


def test_start_of_an_earlier_release_is_on_record_too() -> None:
    started = a_claimed_creation().with_intent(model="m", cost_usd=1.0, at=NOON)

    assert not replace(started, has_start=False).is_cancellable


def test_draft_is_settled_and_has_its_media() -> None:
    claimed = a_claimed_creation()
    media = stored_media(claimed)

    draft = claimed.completed(media, policy=POLICY, at=NOON)

    assert (draft.status, draft.stage, draft.progress) == (Status.DRAFT, Stage.DONE, 100)
    assert draft.media_key == f"videos/ada/{draft.creation_id}/1.mp4"
    assert draft.thumbnail_key == f"videos/ada/{draft.creation_id}/1_thumb.jpg"
    assert (draft.deadline_at, draft.sweep_at, draft.lease_expires_at) == (None, None, None)


def test_failed_creation_has_its_error_and_is_marked_refunded() -> None:
    failed = a_claimed_creation().failed(FailureCode.POLICY_VIOLATION, policy=POLICY, at=NOON)

    assert failed.refunded
    assert failed.stage is None
    assert failed.error is not None
    assert (failed.error.code, failed.error.retryable) == ("policy_violation", False)
    assert failed.progress == 5


def test_creation_waiting_to_retry_keeps_its_lease_owner() -> None:
    retry_at = NOON + seconds(60)

    waiting = a_claimed_creation().waiting_to_retry(retry_at, policy=POLICY, at=NOON)

    assert waiting.status is Status.PENDING
    assert (waiting.retry_at, waiting.sweep_at) == (retry_at, NOON + seconds(120))
    assert (waiting.retry_count, waiting.task_number, waiting.lease_owner) == (1, 2, LEASE_OWNER)
    assert not waiting.is_leased(NOON)


def test_release_uses_no_retry_and_keeps_the_operation() -> None:
    working = a_claimed_creation().with_operation("operation", at=NOON)

    back = working.released(policy=POLICY, at=NOON + seconds(5))

    assert (back.status, back.retry_at, back.retry_count) == (Status.PENDING, NOON + seconds(5), 0)
    assert back.operation_name == "operation"


def test_creation_released_after_its_deadline_has_no_later_retry() -> None:
    working = a_claimed_creation()

    back = working.released(policy=POLICY, at=NOON + seconds(POLICY.deadline_s + 5))

    assert back.retry_at == back.sweep_at == working.deadline_at


def test_requeued_tasks_back_off_and_have_new_numbers() -> None:
    creation = a_creation()
    sweeps = []
    for _ in range(3):
        creation = creation.requeued(policy=POLICY, at=NOON)
        assert creation.sweep_at is not None
        sweeps.append((creation.task_number, (creation.sweep_at - NOON).total_seconds()))

    assert sweeps == [(2, 60), (3, 120), (4, 240)]


def test_creation_is_available_exactly_while_pending() -> None:
    later = NOON + seconds(60)
    opened, claimed = a_creation(), a_claimed_creation()
    waiting = claimed.waiting_to_retry(later, policy=POLICY, at=NOON)
    failed = opened.failed(FailureCode.INTERNAL, policy=POLICY, at=NOON)
    draft = claimed.completed(stored_media(claimed), policy=POLICY, at=NOON)
    published = draft.prepared_for_publication("public", at=NOON).published("", at=NOON)

    assert opened.available_at == NOON
    assert waiting.available_at == waiting.retry_at == later
    assert claimed.released(policy=POLICY, at=later).available_at == later
    assert failed.debited_again(policy=POLICY, at=later).available_at == later
    assert waiting.requeued(policy=POLICY, at=NOON).available_at == later
    for settled_or_claimed in (
        *(claimed, claimed.requeued(policy=POLICY, at=later), failed, draft, published),
        waiting.claimed(RIVAL, policy=POLICY, at=later),
        waiting.failed(FailureCode.INTERNAL, policy=POLICY, at=later),
        published.unpublished(policy=POLICY, at=later),
    ):
        assert settled_or_claimed.available_at is None


def test_requeued_creation_of_an_earlier_release_is_available() -> None:
    earlier_release = a_creation(available_at=None)

    assert earlier_release.requeued(policy=POLICY, at=NOON).available_at == NOON


def test_hand_backs_up_to_a_limit_use_neither_an_attempt_nor_a_requeue() -> None:
    creation = a_creation(attempt=POLICY.attempts_max - 1, requeue_count=POLICY.requeues_max - 1)
    counts = []
    for _ in range(POLICY.hand_backs_max + 1):
        creation = creation.claimed(LEASE_OWNER, policy=POLICY, at=NOON)
        creation = creation.released(policy=POLICY, at=NOON).requeued(policy=POLICY, at=NOON)
        left = creation.has_attempts_left(POLICY), creation.has_requeues_left(POLICY)
        counts.append((creation.hand_back_count, *left))

    most = POLICY.hand_backs_max
    assert counts[:-1] == [(number, True, True) for number in range(1, most + 1)]
    assert counts[-1] == (most, False, False)


def test_second_debit_has_no_hand_backs() -> None:
    back = a_claimed_creation().released(policy=POLICY, at=NOON)

    again = back.failed(FailureCode.INTERNAL, policy=POLICY, at=NOON).debited_again(
        policy=POLICY, at=NOON
    )

    assert (back.hand_back_count, again.hand_back_count) == (1, 0)


@pytest.mark.parametrize("status", [Status.DRAFT, Status.FAILED, Status.PUBLISHED])
def test_settled_creation_is_not_claimed_failed_or_completed_again(status: Status) -> None:
    settled = a_claimed_creation(status=Status.PENDING)
    settled = settled.completed(stored_media(settled), policy=POLICY, at=NOON)
    if status is Status.FAILED:
        settled = a_claimed_creation().failed(FailureCode.INTERNAL, policy=POLICY, at=NOON)
    if status is Status.PUBLISHED:
        settled = a_creation(status=Status.PUBLISHED)

    with pytest.raises(IllegalTransition) as refusal:
        settled.failed(FailureCode.INTERNAL, policy=POLICY, at=NOON)
    with pytest.raises(IllegalTransition):
        settled.claimed(LEASE_OWNER, policy=POLICY, at=NOON)

    assert refusal.value.status == status


def test_attempts_are_counted_per_debit() -> None:
    used_up = a_creation(attempt=6)
    debited_again = a_creation(attempt=6, first_attempt=7, run_number=2)

    assert not used_up.has_attempts_left(POLICY)
    assert debited_again.has_attempts_left(POLICY)
    assert not debited_again.was_claimed_for_this_debit
    assert list(a_creation(attempt=8, first_attempt=7).attempts_of_this_debit) == [7, 8]


def test_attempt_needs_its_minimum_run_before_the_deadline() -> None:
    video, image = a_creation(), a_creation(kind=Kind.IMAGE)

    assert video.has_time_to_run(NOON + seconds(810), policy=POLICY)
    assert not video.has_time_to_run(NOON + seconds(811), policy=POLICY)
    assert image.has_time_to_run(NOON + seconds(888), policy=POLICY)
    assert not image.has_time_to_run(NOON + seconds(889), policy=POLICY)


def test_public_keys_name_no_user_and_change_with_each_publication() -> None:
    claimed = a_claimed_creation()
    draft = claimed.completed(stored_media(claimed), policy=POLICY, at=NOON)

    def keys(creation: Creation) -> list[str]:
        return list(creation.public_keys.values())

    first, second = (
        Creation(**vars(draft) | {"public_id": "random", "publication_count": count})
        for count in (1, 2)
    )
    assert keys(draft) == []
    assert keys(first) == ["public/random/1.mp4", "public/random/1_thumb.jpg"]
    assert keys(second) == ["public/random/2.mp4", "public/random/2_thumb.jpg"]


def test_lease_owner_round_trips_as_text() -> None:
    lease_owner = LeaseOwner("video-generation-job-x/y", 2)

    assert LeaseOwner.parse(str(lease_owner)) == lease_owner
    assert lease_owner.succeeds(LeaseOwner("video-generation-job-x/y", 1))
    assert not lease_owner.succeeds(lease_owner)
    assert not lease_owner.succeeds(LeaseOwner("other", 1))


def test_every_failure_has_a_message() -> None:
    assert all(Failure.of(code).message for code in FailureCode)
