"""Every way an attempt can end, over controllable ports."""

import io
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.upload import ProcessedMedia
from jobs.worker import RESTART, SETTLED
from shared.domain.brief import Brief
from shared.domain.creation import Creation
from shared.domain.errors import (
    BadOutput,
    GenerationRefused,
    GenerationUnavailable,
    LeaseLost,
    StartOutcomeUnknown,
)
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.media import StoredMedia
from shared.domain.status import Stage, Status
from shared.lifecycle.claim import Claim
from shared.ports.generator import NotFound, Operation, Ready, Refused, Running
from shared.ports.store import write
from tests.support.builders import LEASE_OWNER, NOON, POLICY, RIVAL, a_creation_id, seconds
from tests.support.jobs import FakePipeline, run_job, sigterm
from tests.support.world import World


def run(
    world: World,
    creation: Creation,
    *,
    lease_owner: LeaseOwner = LEASE_OWNER,
    pipeline: FakePipeline | None = None,
) -> int:
    pipeline = pipeline or FakePipeline(kind=creation.kind)
    return run_job(world.phoenix, pipeline, creation.creation_id, lease_owner=lease_owner)


def failure(world: World, creation: Creation) -> str | None:
    error = world.now(creation).error
    return error.code if error else None


def test_attempt_produces_a_draft_with_its_files(world: World) -> None:
    creation = world.open().creation

    assert run(world, creation) == SETTLED

    draft = world.now(creation)
    assert draft.status is Status.DRAFT
    assert draft.model == "fake"
    assert world.files.size_bytes(draft.media_key or "") == draft.size_bytes == 5
    assert world.files.size_bytes(draft.thumbnail_key or "") == 5
    assert world.account().balance_tokens == 90


@pytest.mark.parametrize(
    "error",
    [None, BadOutput(reason="cut"), RuntimeError("unexpected"), LeaseLost(creation_id="one")],
)
def test_attempt_leaves_no_files_behind(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    temporary, folders = tmp_path / "temporary", list[list[Path]]()
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    class WatchedPipeline(FakePipeline):
        def post_process(self, download: Path, folder: Path, *, brief: Brief) -> ProcessedMedia:
            folders.append(list(temporary.iterdir()))
            return super().post_process(download, folder, brief=brief)

    run(world, world.open().creation, pipeline=WatchedPipeline(error=error))

    assert len(folders[0]) == 1
    assert list(temporary.iterdir()) == []


def test_progress_passes_every_stage_and_never_decreases(world: World) -> None:
    creation = world.open().creation
    world.generator.polls = [Running(0.1), *[Running(None)] * 12, Ready("r")]
    seen: list[tuple[Stage | None, int]] = []

    def watch() -> None:
        current = world.now(creation)
        seen.append((current.stage, current.progress))

    world.store.afterwards = watch
    run(world, creation)

    stages = [stage for stage, _ in seen]
    assert [progress for _, progress in seen] == sorted(progress for _, progress in seen)
    assert sorted(set(stages), key=stages.index) == [
        Stage.GENERATING,
        Stage.DOWNLOADING,
        Stage.CHECKING,
        Stage.UPLOADING,
        Stage.DONE,
    ]
    assert any(5 < progress < 85 for _, progress in seen)


def test_attempt_with_nothing_to_claim_starts_nothing(world: World) -> None:
    creation = world.open().creation
    world.claim(creation, RIVAL)

    assert run(world, creation) == SETTLED
    assert run_job(world.phoenix, FakePipeline(), a_creation_id("unknown")) == SETTLED
    assert world.generator.started == 0


@pytest.mark.parametrize(
    "code",
    [FailureCode.POLICY_VIOLATION, FailureCode.SAFETY_FILTER, FailureCode.GENERATOR_REJECTED],
)
def test_refused_start_is_refunded_at_once(world: World, code: FailureCode) -> None:
    creation = world.open().creation
    world.generator.starts = [GenerationRefused(failure=code, reason="vendor's text")]

    assert run(world, creation) == SETTLED

    assert failure(world, creation) == code
    assert world.account().balance_tokens == 100
    assert world.queue.tasks.keys() == {(creation.creation_id, 1)}


def test_refused_operation_is_refunded_at_once(world: World) -> None:
    creation = world.open().creation
    world.generator.polls = [Running(), Refused(FailureCode.SAFETY_FILTER)]

    run(world, creation)

    assert failure(world, creation) == "safety_filter"


def test_transient_refusal_is_left_to_a_later_task(world: World) -> None:
    creation = world.open().creation
    world.generator.starts = [
        GenerationUnavailable(failure=FailureCode.GENERATOR_RATE_LIMITED),
        Operation("second"),
    ]

    assert run(world, creation) == SETTLED
    waiting = world.now(creation)
    assert (waiting.status, waiting.stage) == (Status.PENDING, Stage.WAITING_TO_RETRY)
    assert waiting.unknown_starts == 0
    assert world.queue.tasks[creation.creation_id, 2] == waiting.retry_at
    world.clock.sleep(60)
    assert run(world, creation, lease_owner=RIVAL) == SETTLED

    assert world.now(creation).status is Status.DRAFT


def test_last_attempt_is_refunded_instead_of_retried(world: World) -> None:
    creation = world.open().creation
    for attempt in range(POLICY.attempts_max - 1):
        world.claim(creation, LeaseOwner("e", attempt))
    world.generator.starts = [GenerationUnavailable(failure=FailureCode.GENERATOR_RATE_LIMITED)]

    run(world, creation, lease_owner=LeaseOwner("e", POLICY.attempts_max))

    assert failure(world, creation) == "generator_rate_limited"
    assert world.account().balance_tokens == 100


def test_creation_is_refunded_after_three_retries(world: World) -> None:
    creation = world.open().creation
    world.generator.starts = [GenerationUnavailable()]
    for attempt in range(4):
        run(world, creation, lease_owner=LeaseOwner(f"e{attempt}", 0))
        world.clock.sleep(240)

    assert failure(world, creation) == "generator_unavailable"
    assert world.generator.started == 4
    assert world.account().balance_tokens == 100


def test_rate_limited_start_uses_no_retry_until_attempts_are_used_up(world: World) -> None:
    creation = world.open().creation
    world.generator.starts = [GenerationUnavailable(failure=FailureCode.GENERATOR_RATE_LIMITED)]
    for attempt in range(POLICY.attempts_max):
        assert world.now(creation).retry_count == 0
        run(world, creation, lease_owner=LeaseOwner(f"e{attempt}", 0))
        world.clock.sleep(60)

    assert failure(world, creation) == "generator_rate_limited"
    assert world.generator.started == POLICY.attempts_max
    assert world.account().balance_tokens == 100


def test_operation_that_ends_rate_limited_uses_a_retry(world: World) -> None:
    creation = world.open().creation
    world.generator.polls = [Refused(FailureCode.GENERATOR_RATE_LIMITED, is_transient=True)]

    run(world, creation)

    assert world.now(creation).retry_count == 1


def test_operation_that_fails_transiently_is_started_again_later(world: World) -> None:
    creation = world.open().creation
    world.generator.polls = [
        Refused(FailureCode.GENERATOR_UNAVAILABLE, is_transient=True),
        Ready("r"),
    ]
    world.generator.starts = [Operation("first"), Operation("second")]

    run(world, creation)
    assert world.now(creation).operation_name is None
    world.clock.sleep(60)
    run(world, creation, lease_owner=RIVAL)

    assert world.now(creation).status is Status.DRAFT
    assert world.generator.polled == ["first", "second"]


def test_sweep_enqueues_the_retry_task_that_a_job_could_not_enqueue(world: World) -> None:
    creation = world.open().creation
    world.generator.starts = [GenerationUnavailable(), Operation("o")]
    world.queue.is_down = True

    assert run(world, creation) == SETTLED
    world.queue.is_down = False
    world.clock.sleep(120)
    world.phoenix.sweeping.sweep()

    assert (creation.creation_id, 3) in world.queue.tasks
    assert world.account().balance_tokens == 90


def test_unanswered_polls_and_downloads_are_retried(world: World) -> None:
    creation = world.open().creation
    world.generator.polls = [GenerationUnavailable(), GenerationUnavailable(), Ready("r")]
    world.generator.fetches = [GenerationUnavailable(), b"media"]

    run(world, creation)

    assert world.now(creation).status is Status.DRAFT
    assert world.generator.started == 1


def test_operation_that_never_finishes_is_refunded_at_the_deadline(world: World) -> None:
    creation = world.open().creation
    world.generator.polls = [Running()]

    assert run(world, creation) == SETTLED

    assert failure(world, creation) == "deadline_exceeded"
    assert world.clock.monotonic_s() == 900
    assert world.now(creation).attempt == 1


def test_later_attempt_resumes_the_operation_without_a_start(world: World) -> None:
    creation = world.open().creation
    world.generator.polls = [Running(), sigterm, Running(), Ready("r")]

    assert run(world, creation) == RESTART
    assert world.now(creation).status is Status.PENDING
    assert run(world, creation, lease_owner=LeaseOwner(LEASE_OWNER.execution, 1)) == SETTLED

    assert world.now(creation).status is Status.DRAFT
    assert world.generator.started == 1
    assert set(world.generator.polled) == {"operation-1"}


# Unanswered starts


def test_output_of_an_unanswered_video_start_is_found_without_a_second_start(world: World) -> None:
    creation = world.open().creation
    world.generator.starts = [StartOutcomeUnknown()]
    world.generator.found = [NotFound(), GenerationUnavailable(), NotFound(), Ready("found")]

    run(world, creation)

    assert world.now(creation).status is Status.DRAFT
    assert world.generator.started == 1


def test_unanswered_video_start_without_output_is_refunded_after_five_minutes(world: World) -> None:
    creation = world.open().creation
    world.generator.starts = [StartOutcomeUnknown()]
    world.generator.found = [NotFound()]

    run(world, creation)

    assert failure(world, creation) == "generator_silent"
    assert 300 <= world.clock.monotonic_s() <= 310
    assert world.generator.started == 1


def test_later_attempt_counts_the_search_time_from_the_intent(world: World) -> None:
    creation = world.open().creation
    world.generator.starts = [sigterm]
    run(world, creation)
    world.clock.sleep(200)
    world.generator.found = [NotFound()]

    run(world, creation, lease_owner=LeaseOwner(LEASE_OWNER.execution, 1))

    assert failure(world, creation) == "generator_silent"
    assert 300 <= world.clock.monotonic_s() <= 310


def test_unanswered_video_start_is_refunded_at_once_without_an_output_bucket(world: World) -> None:
    creation = world.open().creation
    world.generator.starts = [StartOutcomeUnknown()]

    run(world, creation)

    assert failure(world, creation) == "generator_silent"
    assert world.clock.monotonic_s() < 10


@pytest.mark.parametrize("surprise", [RuntimeError("reset"), KeyError("bug"), OSError()])
def test_unexpected_error_of_a_start_counts_as_unanswered(
    world: World, surprise: Exception
) -> None:
    creation = world.open().creation
    world.generator.starts = [surprise]

    run(world, creation)

    assert failure(world, creation) == "generator_silent"
    assert world.generator.started == 1


def test_unanswered_image_start_is_repeated_once(world: World) -> None:
    lucky, unlucky = (world.open(kind=Kind.IMAGE).creation for _ in range(2))
    world.generator.starts = [StartOutcomeUnknown()]
    run(world, lucky)
    run(world, unlucky)
    world.clock.sleep(60)
    world.generator.starts = [Ready("inline"), StartOutcomeUnknown()]
    run(world, lucky, lease_owner=RIVAL)
    run(world, unlucky, lease_owner=RIVAL)

    assert world.now(lucky).status is Status.DRAFT
    assert failure(world, unlucky) == "generator_silent"
    assert world.generator.started == 4


def test_image_has_at_most_two_unknown_starts_over_all_attempts(world: World) -> None:
    creation = world.open(kind=Kind.IMAGE).creation
    world.generator.starts = [StartOutcomeUnknown(), GenerationUnavailable(), StartOutcomeUnknown()]

    for attempt, pause_s in enumerate((60, 120, 0)):
        run(world, creation, lease_owner=LeaseOwner(f"e{attempt}", 0))
        assert world.now(creation).unknown_starts == (2 if pause_s == 0 else 1)
        world.clock.sleep(pause_s)

    assert failure(world, creation) == "generator_silent"
    assert world.generator.started == 3


def test_image_without_starts_left_fails_with_its_own_error(
    world: World,
) -> None:
    creation = world.open(kind=Kind.IMAGE).creation
    world.generator.starts = [Ready("inline")]

    for lease_owner in (LEASE_OWNER, RIVAL):
        pipeline = FakePipeline(Kind.IMAGE, RuntimeError("a bug"))
        run(world, creation, lease_owner=lease_owner, pipeline=pipeline)
        world.clock.sleep(60)

    assert failure(world, creation) == "internal"
    assert world.generator.started == 2
    assert world.account().balance_tokens == 100


def test_thumbnail_that_cannot_be_uploaded_is_left_out(world: World) -> None:
    creation = world.open().creation
    world.media.unstored = "_thumb"

    run(world, creation)

    draft = world.now(creation)
    assert (draft.status, draft.thumbnail_key) == (Status.DRAFT, None)
    assert draft.media_key in world.stored_keys()
    [left_over] = world.deletions()
    assert [key.rsplit("/", 1)[-1] for key in left_over.keys] == ["1_thumb.jpg"]


def test_progress_is_estimated_for_a_generator_that_reports_none(world: World) -> None:
    creation = world.open(kind=Kind.IMAGE).creation
    seen: list[int] = []

    def respond_slowly() -> Ready:
        for _ in range(2):
            seen.append(world.now(creation).progress)
            world.clock.sleep(POLICY.heartbeat_s)
        seen.append(world.now(creation).progress)
        return Ready("inline")

    world.generator.starts = [respond_slowly]
    run(world, creation)

    assert seen == [5, 85, 85]


def test_killed_start_counts_as_unknown_for_the_next_attempt(world: World) -> None:
    creation = world.open().creation
    world.generator.starts = [sigterm]
    assert run(world, creation) == RESTART
    world.generator.starts = [Operation("never")]

    run(world, creation, lease_owner=LeaseOwner(LEASE_OWNER.execution, 1))

    assert failure(world, creation) == "generator_silent"
    assert world.generator.started == 1


def test_intent_that_commits_slowly_is_cleared_and_recorded_again(world: World) -> None:
    creation = world.open().creation
    slow = iter([11.0])
    ages_s: list[float] = []

    def commit_slowly() -> None:
        if world.now(creation).intent is not None:
            world.clock.sleep(next(slow, 0))

    def started() -> Operation:
        intent = world.now(creation).intent
        assert intent is not None
        ages_s.append((world.clock.now() - intent.at).total_seconds())
        return Operation("operation-1")

    world.store.afterwards = commit_slowly
    world.generator.starts = [started]
    run(world, creation)

    assert world.now(creation).status is Status.DRAFT
    assert ages_s == [0]


# Bad output, storage, unexpected errors


def test_bad_output_is_refunded_without_a_retry(world: World) -> None:
    creation = world.open().creation

    run(world, creation, pipeline=FakePipeline(error=BadOutput(reason="no video")))

    assert failure(world, creation) == "generator_bad_output"
    assert world.generator.started == 1


def test_video_without_thumbnail_is_a_draft(world: World) -> None:
    creation = world.open().creation

    run(world, creation, pipeline=FakePipeline(with_thumbnail=False))

    draft = world.now(creation)
    assert (draft.status, draft.thumbnail_key) == (Status.DRAFT, None)


def test_upload_is_retried(world: World) -> None:
    creation = world.open().creation
    world.media.failures = 8

    run(world, creation)

    assert world.now(creation).status is Status.DRAFT


def test_file_that_was_not_stored_is_uploaded_again(world: World) -> None:
    creation = world.open().creation
    world.media.swallowed = 1

    run(world, creation)

    draft = world.now(creation)
    assert draft.status is Status.DRAFT
    assert world.files.size_bytes(draft.media_key or "") == draft.size_bytes


def test_later_attempt_uploads_the_same_operation_after_a_storage_outage(world: World) -> None:
    creation = world.open().creation
    world.media.failures = 10**6

    run(world, creation)
    waiting = world.now(creation)
    assert (waiting.status, waiting.operation_name) == (Status.PENDING, "operation-1")
    world.media.failures = 0
    world.clock.sleep(60)
    world.generator.polls = [Ready("r")]
    run(world, creation, lease_owner=RIVAL)

    assert world.now(creation).status is Status.DRAFT
    assert world.generator.started == 1


def test_unexpected_error_is_retried_and_then_fails_as_internal(world: World) -> None:
    creation = world.open().creation
    pipeline = FakePipeline(error=ZeroDivisionError("a bug"))
    for attempt in range(4):
        assert (
            run(world, creation, lease_owner=LeaseOwner(f"e{attempt}", 0), pipeline=pipeline)
            == SETTLED
        )
        world.clock.sleep(240)

    assert failure(world, creation) == "internal"
    assert world.generator.started == 1
    assert world.account().balance_tokens == 100


# The lease


def test_heartbeats_keep_the_lease_through_a_long_generation(world: World) -> None:
    creation = world.open().creation
    world.generator.polls = [*[Running()] * 60, Ready("r")]

    run(world, creation)

    assert world.clock.monotonic_s() >= 300
    assert world.now(creation).status is Status.DRAFT


def test_attempt_that_lost_its_lease_stops_and_changes_nothing(world: World) -> None:
    creation = world.open().creation

    def steal() -> Running:
        overwrite(world, replace(world.now(creation), lease_expires_at=NOON - seconds(10)))
        world.claim(creation, RIVAL)
        return Running()

    world.generator.polls = [steal, *[Running()] * 10, Ready("r")]

    assert run(world, creation) == SETTLED

    current = world.now(creation)
    assert (current.status, current.lease_owner, current.attempt) == (Status.PROCESSING, RIVAL, 2)
    assert list(world.files.everything()) == []


@pytest.mark.parametrize("faults", [[], ["ok", "ok", "unsent"], ["ok", "ok", "down"]])
def test_attempt_whose_creation_is_cancelled_starts_nothing(
    world: World, log_stream: io.StringIO, faults: list[str]
) -> None:
    """`faults`: of the claim, the cancellation, and the intent."""
    creation = world.open().creation
    world.store.faults = faults

    def cancel() -> None:
        world.store.afterwards = lambda: None
        world.phoenix.failing.cancel(creation.creation_id, owner=creation.user_id)

    world.store.afterwards = cancel

    assert run(world, creation) == SETTLED

    assert failure(world, creation) == "cancelled"
    assert world.generator.started == 0
    assert world.account().balance_tokens == 100
    lines = [json.loads(line) for line in log_stream.getvalue().splitlines()]
    assert "lease_lost" in {line["message"] for line in lines}
    assert {line["severity"] for line in lines} <= {"INFO", "WARNING"}


def overwrite(world: World, creation: Creation) -> None:
    world.sqlite.transact([creation.key], lambda _: write(creation, result=None))


def test_unavailable_store_exits_for_a_restart(world: World) -> None:
    creation = world.open().creation
    world.store.faults = ["down"] * 5

    assert run(world, creation) == RESTART
    assert world.now(creation).status is Status.PENDING

    world.store.faults = ["ok", *["down"] * 5]
    assert run(world, creation) == RESTART
    assert world.generator.started == 0


def test_draft_whose_answer_was_lost_is_never_refunded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    creation = world.open().creation
    complete = Claim.complete

    def unanswered(claim: Claim, media: StoredMedia) -> None:
        world.store.faults = ["lost", "down", "lost", "down", "down"]
        complete(claim, media)

    with monkeypatch.context() as patched:
        patched.setattr(Claim, "complete", unanswered)
        assert run(world, creation) == RESTART
    assert run(world, creation, lease_owner=LeaseOwner(LEASE_OWNER.execution, 1)) == SETTLED

    assert world.now(creation).status is Status.DRAFT
    assert world.account().balance_tokens == 90


def test_sigterm_releases_the_lease_without_using_a_retry(world: World) -> None:
    creation = world.open().creation
    world.generator.fetches = [sigterm]

    assert run(world, creation) == RESTART

    back = world.now(creation)
    assert (back.status, back.retry_count, back.operation_name) == (
        Status.PENDING,
        0,
        "operation-1",
    )
    assert back.retry_at == world.clock.now()
