"""How long an attempt retries for a paid result, and how it ends without one."""

import logging
import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from jobs.worker import RESTART, SETTLED
from shared.domain.creation import Creation
from shared.domain.errors import (
    BadOutput,
    GenerationRefused,
    GenerationUnavailable,
    MediaUnavailable,
    ReadRefused,
    StartOutcomeUnknown,
)
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.ledger import Cost
from shared.domain.media import MediaFormat
from shared.domain.status import Stage, Status
from shared.ports.generator import CannotTell, NotFound, Operation, Ready, Refused, Running
from shared.ports.store import write
from tests.support.builders import LEASE_OWNER, POLICY, RIVAL
from tests.support.jobs import PAGE, FakePipeline, run_job, sigterm, with_ports
from tests.support.world import World

HINTS_S = [3600, 1e12, math.inf, math.nan, -5]
READS = ["polls", "fetches", "found"]
ALWAYS = 10**6


def run(
    world: World,
    creation: Creation,
    lease_owner: LeaseOwner = LEASE_OWNER,
    error: Exception | None = None,
) -> int:
    pipeline = FakePipeline(kind=creation.kind, error=error)
    return run_job(world.phoenix, pipeline, creation.creation_id, lease_owner=lease_owner)


def failure(world: World, creation: Creation) -> str | None:
    error = world.now(creation).error
    return error.code if error else None


def open_image(world: World) -> Creation:
    world.generator.starts = [Ready("inline")]
    return world.open(kind=Kind.IMAGE).creation


def plan_read(world: World, read: str, answers: list[object]) -> None:
    """Plan these responses to one kind of read before the good one."""
    good: dict[str, object] = {"polls": Ready("r"), "fetches": b"media", "found": Ready("found")}
    world.generator.polls = [Ready("r")]
    setattr(world.generator, read, [*answers, good[read]])
    if read == "found":
        world.generator.starts = [StartOutcomeUnknown()]


# Hints


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("hint_s", HINTS_S)
def test_read_pauses_at_most_30_seconds_for_a_hint(world: World, read: str, hint_s: float) -> None:
    creation = world.open().creation
    plan_read(world, read, [GenerationUnavailable(retry_after_s=hint_s)] * 3)

    run(world, creation)

    assert world.now(creation).status is Status.DRAFT
    assert world.clock.monotonic_s() <= 3 * 30
    assert world.generator.started == 1


@pytest.mark.parametrize("read", READS)
def test_read_honours_a_hint_of_up_to_30_seconds(world: World, read: str) -> None:
    creation = world.open().creation
    plan_read(world, read, [GenerationUnavailable(retry_after_s=20)])

    run(world, creation)

    assert world.now(creation).status is Status.DRAFT
    assert world.clock.monotonic_s() == 20


@pytest.mark.parametrize("ready_at_s", [880, 889, 895, 899])
def test_result_that_is_ready_just_before_the_deadline_becomes_a_draft(
    world: World, ready_at_s: float
) -> None:
    creation = world.open().creation

    def poll() -> Ready:
        if world.clock.monotonic_s() < ready_at_s:
            raise GenerationUnavailable(retry_after_s=3600)
        return Ready("r")

    world.generator.polls = [poll]
    run(world, creation)

    assert world.now(creation).status is Status.DRAFT


def test_unanswered_reads_end_at_the_deadline_and_not_before(world: World) -> None:
    creation = world.open().creation
    world.generator.polls = [GenerationUnavailable(retry_after_s=3600)]

    run(world, creation)

    assert failure(world, creation) == "deadline_exceeded"
    assert world.clock.monotonic_s() == POLICY.deadline_s


@pytest.mark.parametrize("hint_s", [5, *HINTS_S])
def test_hint_of_a_start_never_prevents_the_retry(world: World, hint_s: float) -> None:
    creation = world.open().creation
    world.generator.starts = [GenerationUnavailable(retry_after_s=hint_s), Operation("o")]

    run(world, creation)
    waiting = world.now(creation)
    assert (waiting.status, world.clock.monotonic_s()) == (Status.PENDING, 0)
    assert waiting.retry_at is not None
    assert (waiting.retry_at - world.clock.now()).total_seconds() == 60
    world.clock.sleep(60)
    run(world, creation, RIVAL)

    assert world.now(creation).status is Status.DRAFT


# Storage


@pytest.mark.parametrize("failures", [4, 8])
@pytest.mark.parametrize("kind", Kind)
def test_upload_is_retried_while_storage_is_unavailable(
    world: World, kind: Kind, failures: int
) -> None:
    creation = open_image(world) if kind is Kind.IMAGE else world.open().creation
    world.media.failures = failures

    run(world, creation)

    assert world.now(creation).status is Status.DRAFT
    assert (world.now(creation).attempt, world.generator.started) == (1, 1)


def test_image_that_cannot_be_stored_is_refunded_without_a_second_start(
    world: World,
) -> None:
    creation = open_image(world)
    world.media.failures = ALWAYS

    assert run(world, creation) == SETTLED

    assert failure(world, creation) == "storage_failed"
    assert world.generator.started == 1
    assert world.account().balance_tokens == 100
    assert 230 <= world.clock.monotonic_s() <= POLICY.image_job_timeout_s - 60


def test_short_job_timeout_leaves_time_for_another_upload(tmp_path: Path) -> None:
    times_s = {"job_timeout": "40", "drain": "20", "room": "20"}
    timeouts = {f"PHOENIX_POLICY_IMAGE_{name.upper()}_S": s for name, s in times_s.items()}
    with closing(World(tmp_path, **timeouts)) as world:
        creation = open_image(world)
        world.media.failures = 4

        run(world, creation)

        assert world.now(creation).status is Status.DRAFT


def test_video_that_cannot_be_stored_is_resumed_until_the_deadline(world: World) -> None:
    creation = world.open().creation
    world.media.failures = ALWAYS

    for attempt in range(2):
        run(world, creation, LeaseOwner(f"e{attempt}", 0))
        world.clock.sleep(60)

    assert failure(world, creation) == "storage_failed"
    assert world.generator.started == 1
    assert 900 <= world.clock.monotonic_s() <= 960 + 60


def test_video_is_stored_after_ten_minutes_without_storage(world: World) -> None:
    creation = world.open().creation
    put = world.media.media.put

    class Outage:
        def put(self, *args: object, **kwargs: object) -> None:
            if world.clock.monotonic_s() < 600:
                raise MediaUnavailable(reason="planned")
            put(*args, **kwargs)

        def __getattr__(self, name: str) -> object:
            return getattr(world.media.media, name)

    phoenix = with_ports(world.phoenix, media=Outage())
    run_job(phoenix, FakePipeline(), creation.creation_id)
    world.clock.sleep(60)
    run_job(phoenix, FakePipeline(), creation.creation_id, lease_owner=RIVAL)

    assert world.now(creation).status is Status.DRAFT
    assert world.generator.started == 1


def test_image_refused_by_storage_is_refunded_at_once(world: World) -> None:
    creation = open_image(world)
    world.media.is_refusing = True

    run(world, creation)

    assert failure(world, creation) == "storage_failed"
    assert (world.clock.monotonic_s(), world.generator.started) == (0, 1)


def test_video_refused_by_storage_keeps_its_operation_for_a_later_task(
    world: World,
) -> None:
    creation = world.open().creation
    world.media.is_refusing = True

    run(world, creation)

    waiting = world.now(creation)
    assert (waiting.status, waiting.operation_name) == (Status.PENDING, "operation-1")
    assert world.clock.monotonic_s() < 10


def test_key_with_other_bytes_never_becomes_a_draft(world: World) -> None:
    creation = open_image(world)
    key = f"images/ada/{creation.creation_id}/1.png"
    other = world.folder / "other"
    other.write_bytes(b"other bytes")
    world.files.put(other, key, media_format=MediaFormat.PNG)

    run(world, creation)

    assert failure(world, creation) == "storage_failed"


def test_thumbnail_upload_never_delays_the_draft_past_the_deadline(world: World) -> None:
    creation = world.open().creation
    world.media.unstored = "_thumb"

    def ready_at_the_end() -> Ready:
        world.clock.sleep(898 - world.clock.monotonic_s())
        return Ready("r")

    world.generator.polls = [ready_at_the_end]
    run(world, creation)

    assert world.now(creation).status is Status.DRAFT


@pytest.mark.parametrize("stage", [Stage.DOWNLOADING, Stage.CHECKING, Stage.UPLOADING])
def test_stage_that_cannot_be_written_costs_no_paid_result(world: World, stage: Stage) -> None:
    creation = open_image(world)
    commits = {Stage.DOWNLOADING: 2, Stage.CHECKING: 3, Stage.UPLOADING: 4}[stage]
    world.store.faults = [*["ok"] * commits, *["down"] * 5]

    assert run(world, creation) == SETTLED

    assert world.now(creation).status is Status.DRAFT
    assert world.generator.started == 1


UNWRITTEN = [["down"] * 20, ["unsent"] * 20, ["lost", *["down"] * 20], ["lost"] * 20]


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("faults", UNWRITTEN, ids=["down", "unsent", "lost, down", "lost"])
def test_stored_media_becomes_a_draft_despite_unanswered_commits(
    world: World, kind: Kind, faults: list[str]
) -> None:
    creation = open_image(world) if kind is Kind.IMAGE else world.open().creation
    world.media.after_put = lambda: world.store.faults.extend(faults)

    assert run(world, creation) == SETTLED

    assert world.now(creation).status is Status.DRAFT
    assert (world.now(creation).attempt, world.generator.started) == (1, 1)
    assert world.generator.discarded == ([] if kind is Kind.IMAGE else ["operation-1"])


@pytest.mark.parametrize("fault", ["down", "unsent"])
@pytest.mark.parametrize(("kind", "balance"), [(Kind.IMAGE, 99), (Kind.VIDEO, 90)])
def test_complete_is_retried_until_the_job_has_no_time_left(
    world: World, kind: Kind, balance: int, fault: str
) -> None:
    creation = open_image(world) if kind is Kind.IMAGE else world.open().creation
    world.media.after_put = lambda: world.store.faults.extend([fault] * ALWAYS)

    assert run(world, creation) == RESTART

    timeout_s = POLICY.job_timeout_s(kind)
    assert timeout_s - 30 <= world.clock.monotonic_s() < timeout_s
    assert world.now(creation).status is Status.PROCESSING
    assert world.account().balance_tokens == balance


@pytest.mark.parametrize("fault", ["down", "unsent", "lost"])
def test_operation_is_recorded_after_a_long_store_outage(world: World, fault: str) -> None:
    creation = world.open().creation

    def started() -> Operation:
        world.store.faults = [fault] * 40
        return Operation("operation-1")

    world.generator.starts = [started]

    assert run(world, creation) == SETTLED

    assert world.now(creation).status is Status.DRAFT
    assert (world.now(creation).attempt, world.generator.started) == (1, 1)
    assert world.now(creation).operation_name == "operation-1"


def test_operation_is_not_recorded_without_the_lease(world: World) -> None:
    creation = world.open().creation

    def started() -> Operation:
        steal(world, creation)
        world.store.faults = ["down"] * 10
        return Operation("operation-1")

    world.generator.starts = [started]

    assert run(world, creation) == SETTLED

    assert (world.now(creation).lease_owner, world.now(creation).operation_name) == (RIVAL, None)


@pytest.mark.parametrize("fault", ["down", "unsent", "lost"])
@pytest.mark.parametrize("no", ["bad output", "not stored"])
def test_refund_of_an_image_is_retried_without_a_second_start(
    world: World, no: str, fault: str
) -> None:
    creation = open_image(world)
    world.media.failures = ALWAYS if no == "not stored" else 0
    error = BadOutput(reason="no image")

    def fail(*args: object, **kwargs: object) -> None:
        world.store.faults = [fault] * 10 if not failed else world.store.faults
        failed.append(args)
        fail_attempt(*args, **kwargs)

    failed: list[object] = []
    fail_attempt: Callable[..., None] = world.phoenix.failing.fail_attempt
    failing = replace(world.phoenix.failing)
    object.__setattr__(failing, "fail_attempt", fail)
    pipeline = FakePipeline(kind=Kind.IMAGE, error=error if no == "bad output" else None)
    claims = replace(world.phoenix.claims, failing=failing)
    phoenix = replace(world.phoenix, claims=claims)

    assert run_job(phoenix, pipeline, creation.creation_id) == SETTLED

    assert len(failed) > 1
    assert world.now(creation).status is Status.FAILED
    assert world.generator.started == 1
    assert world.account().balance_tokens == 100
    assert world.clock.monotonic_s() < POLICY.image_job_timeout_s


@pytest.mark.parametrize("fault", ["down", "unsent"])
def test_retry_later_is_repeated_after_a_store_outage(world: World, fault: str) -> None:
    creation = world.open().creation

    def refused() -> NoReturn:
        world.store.faults = [fault] * 20
        raise GenerationUnavailable

    world.generator.starts = [refused, Operation("second")]

    assert run(world, creation) == SETTLED
    assert world.now(creation).status is Status.PENDING
    world.clock.sleep(60)
    run(world, creation, RIVAL)

    assert world.now(creation).status is Status.DRAFT


# Refused reads


def refusing_for(world: World, seconds: float, answer: object) -> Callable[[], object]:
    def read() -> object:
        if world.clock.monotonic_s() < seconds:
            raise ReadRefused(reason="403")
        return answer

    return read


@pytest.mark.parametrize("read", READS)
def test_read_refused_for_less_than_two_minutes_is_retried(world: World, read: str) -> None:
    creation = world.open().creation
    plan_read(world, read, [])
    [good] = getattr(world.generator, read)
    setattr(world.generator, read, [refusing_for(world, 115, good)])

    run(world, creation)

    assert world.now(creation).status is Status.DRAFT
    assert world.generator.started == 1


@pytest.mark.parametrize("found", [NotFound(), CannotTell(), ReadRefused(), KeyError("a bug")])
def test_poll_that_stays_refused_is_refunded_as_internal_with_an_alert(
    world: World, found: object, caplog: pytest.LogCaptureFixture
) -> None:
    creation = world.open().creation
    world.generator.polls = [ReadRefused(reason="403 PERMISSION_DENIED")]
    world.generator.found = [found]

    run(world, creation)

    assert failure(world, creation) == "internal"
    assert 120 <= world.clock.monotonic_s() <= 180
    assert world.account().balance_tokens == 100
    assert alerts(caplog) == ["generator_misconfigured"]


def alerts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.msg for each in caplog.records if each.levelno == logging.ERROR]


@pytest.mark.parametrize("read", ["polls", "fetches"])
def test_result_whose_reads_stay_refused_is_found_in_the_bucket(world: World, read: str) -> None:
    creation = world.open().creation

    def fetch() -> bytes:
        if world.generator.fetched[-1] != "bucket":
            raise ReadRefused(reason="404")
        return b"media"

    world.generator.fetches = [fetch]
    world.generator.found = [Ready("bucket")]
    world.generator.polls = [ReadRefused() if read == "polls" else Ready("elsewhere")]
    run(world, creation)

    assert world.now(creation).status is Status.DRAFT
    assert world.generator.started == 1


def test_result_that_cannot_be_downloaded_is_refunded(world: World) -> None:
    creation = world.open().creation
    world.generator.fetches = [ReadRefused()]
    world.generator.found = [Ready("bucket")]

    run(world, creation)

    assert failure(world, creation) == "internal"
    assert world.clock.monotonic_s() < 320


def test_refused_reads_that_are_not_consecutive_are_retried(world: World) -> None:
    creation = world.open().creation
    world.generator.polls = [*[ReadRefused(), GenerationUnavailable()] * 8, Ready("r")]

    run(world, creation)

    assert world.now(creation).status is Status.DRAFT


@pytest.mark.parametrize("never", [GenerationUnavailable(), ReadRefused(), NotFound()])
def test_search_for_the_output_of_an_unknown_start_ends_after_five_minutes(
    world: World, never: object
) -> None:
    creation = world.open().creation
    world.generator.starts = [StartOutcomeUnknown()]
    world.generator.found = [never]

    run(world, creation)

    assert failure(world, creation) == "generator_silent"
    assert world.clock.monotonic_s() <= 330
    assert world.generator.started == 1


# The output in the bucket


@pytest.mark.parametrize("is_transient", [True, False])
@pytest.mark.parametrize("found", [[Ready("bucket")], [GenerationUnavailable(), Ready("bucket")]])
def test_output_of_a_failed_operation_is_found_in_the_bucket(
    world: World, found: list[object], *, is_transient: bool
) -> None:
    creation = world.open().creation
    world.generator.polls = [Refused(FailureCode.SAFETY_FILTER, is_transient=is_transient)]
    world.generator.found = found

    run(world, creation)

    assert world.now(creation).status is Status.DRAFT
    assert world.generator.fetched == ["bucket"]


NOT_THERE = [NotFound(), CannotTell(), GenerationUnavailable(), ReadRefused(), KeyError("a bug")]


@pytest.mark.parametrize("found", NOT_THERE, ids=repr)
def test_failed_operation_without_output_is_a_refusal(world: World, found: object) -> None:
    final, passing = (world.open().creation for _ in range(2))
    world.generator.found = [found]
    world.generator.polls = [Refused(FailureCode.SAFETY_FILTER)]
    run(world, final)
    world.generator.polls = [Refused(FailureCode.GENERATOR_UNAVAILABLE, is_transient=True)]
    run(world, passing)

    waiting = world.now(passing)
    assert failure(world, final) == "safety_filter"
    assert (waiting.status, waiting.intent, waiting.operation_name) == (Status.PENDING, None, None)
    assert world.clock.monotonic_s() < 30


@pytest.mark.parametrize("never", [Running(), GenerationUnavailable()])
def test_output_of_an_endless_operation_is_found_in_the_bucket_at_the_deadline(
    world: World, never: object
) -> None:
    creation = world.open().creation
    world.generator.polls = [never]
    world.generator.found = [Ready("bucket")]

    run(world, creation)

    assert world.now(creation).status is Status.DRAFT
    assert world.clock.monotonic_s() == POLICY.deadline_s


def test_unusable_result_is_replaced_from_the_bucket(world: World) -> None:
    creation = world.open().creation

    def fetch() -> bytes:
        if world.generator.fetched[-1] != "bucket":
            raise BadOutput(reason="it is empty")
        return b"media"

    world.generator.fetches = [fetch]
    world.generator.found = [Ready("bucket")]
    world.generator.polls = [Ready("elsewhere")]
    run(world, creation)

    assert world.now(creation).status is Status.DRAFT
    assert world.generator.fetched == ["elsewhere", "bucket"]


@pytest.mark.parametrize("begun", [Operation("o"), Ready("bucket")])
def test_download_that_is_a_page_is_repeated(world: World, begun: Operation | Ready) -> None:
    creation = world.open().creation
    world.generator.starts = [begun]
    world.generator.fetches = [PAGE, b"media"]

    run(world, creation)

    assert world.now(creation).status is Status.DRAFT
    assert world.generator.started == 1
    assert len(world.generator.fetched) == 2


@pytest.mark.parametrize(
    "again",
    [
        PAGE,
        b"another page",
        BadOutput(reason="it is empty"),
        ReadRefused(),
        GenerationUnavailable(),
        KeyError("a bug"),
    ],
)
def test_unusable_result_is_downloaded_once_more_and_then_refunded(
    world: World, again: object
) -> None:
    creation = world.open().creation
    world.generator.starts = [Ready("bucket")]
    world.generator.found = [Ready("bucket")]
    world.generator.fetches = [PAGE, again]

    run(world, creation, error=BadOutput(reason="it does not play"))

    assert failure(world, creation) == "generator_bad_output"
    assert len(world.generator.fetched) == 2
    assert world.clock.monotonic_s() < 30


def test_unusable_image_is_refunded_without_another_download(world: World) -> None:
    creation = open_image(world)
    world.generator.fetches = [PAGE]

    run(world, creation)

    assert failure(world, creation) == "generator_bad_output"
    assert len(world.generator.fetched) == 1


@pytest.mark.parametrize("error", [BadOutput(reason="half a file"), ReadRefused()])
def test_refusal_is_final_if_the_output_in_the_bucket_is_unusable(
    world: World, error: Exception
) -> None:
    creation = world.open().creation
    world.generator.polls = [Refused(FailureCode.SAFETY_FILTER)]
    world.generator.found = [Ready("bucket")]
    world.generator.fetches = [error]

    run(world, creation)

    assert failure(world, creation) == "safety_filter"


# Unknown starts of images


def test_unknown_image_start_is_repeated_by_a_later_task_after_the_first_delay(
    world: World,
) -> None:
    creation = world.open(kind=Kind.IMAGE).creation
    world.generator.starts = [StartOutcomeUnknown(), Ready("inline")]

    run(world, creation)
    waiting = world.now(creation)
    assert (waiting.status, waiting.unknown_starts) == (Status.PENDING, 1)
    assert world.queue.tasks[creation.creation_id, 2] == waiting.retry_at
    assert world.generator.started == 1
    world.clock.sleep(60)
    run(world, creation, RIVAL)

    assert world.now(creation).status is Status.DRAFT
    assert world.generator.started == 2


@pytest.mark.parametrize("wait_s", [0, 20, 49])
def test_killed_image_start_is_repeated_after_the_first_delay(world: World, wait_s: float) -> None:
    creation = world.open(kind=Kind.IMAGE).creation
    world.generator.starts = [sigterm, Ready("inline")]
    run(world, creation)
    world.clock.sleep(wait_s)

    run(world, creation, LeaseOwner(LEASE_OWNER.execution, 1))
    waiting = world.now(creation)
    assert (waiting.status, waiting.unknown_starts) == (Status.PENDING, 1)
    assert world.generator.started == 1
    world.clock.sleep(60)
    run(world, creation, RIVAL)

    assert world.now(creation).status is Status.DRAFT
    assert world.generator.started == 2


def test_image_of_a_dead_process_is_started_again_when_its_lease_has_expired(
    world: World,
) -> None:
    creation = world.open(kind=Kind.IMAGE).creation
    claimed = world.claim(creation, kind=Kind.IMAGE)
    world.held(claimed).record_intent(model="fake", cost_usd=0.25)
    world.clock.sleep(130)
    world.generator.starts = [Ready("inline")]

    run(world, creation, RIVAL)

    assert world.now(creation).status is Status.DRAFT


def test_output_of_an_unknown_image_start_is_searched_before_the_second_start(world: World) -> None:
    creation = world.open(kind=Kind.IMAGE).creation
    world.generator.starts = [StartOutcomeUnknown()]
    run(world, creation)
    world.clock.sleep(60)
    world.generator.found = [Ready("bucket")]

    run(world, creation, RIVAL)

    assert world.now(creation).status is Status.DRAFT
    assert world.generator.started == 1


def test_image_without_a_retry_left_for_its_second_start_is_refunded(world: World) -> None:
    creation = world.open(kind=Kind.IMAGE).creation
    world.clock.sleep(POLICY.deadline_s - POLICY.image_minimum_run_s - 59)
    world.generator.starts = [StartOutcomeUnknown()]

    run(world, creation)

    assert failure(world, creation) == "generator_silent"
    assert world.generator.started == 1


def test_unknown_video_start_is_never_repeated_by_any_later_attempt(world: World) -> None:
    creation = world.open().creation
    world.generator.starts = [sigterm, Operation("second")]
    world.generator.found = [NotFound(), sigterm, NotFound()]

    for attempt in range(5):
        run(world, creation, LeaseOwner(LEASE_OWNER.execution, attempt))

    assert failure(world, creation) == "generator_silent"
    assert world.generator.started == 1


# Stored operations and billing


def test_stored_operation_is_discarded_after_its_draft(world: World) -> None:
    creation = world.open().creation
    seen: list[Status] = []
    world.generator.discarding = lambda: seen.append(world.now(creation).status)

    run(world, creation)

    assert world.generator.discarded == ["operation-1"]
    assert seen == [Status.DRAFT]


@pytest.mark.parametrize(
    ("is_transient", "status"), [(False, Status.FAILED), (True, Status.PENDING)]
)
def test_failed_operation_is_discarded_after_the_commit(
    world: World, status: Status, *, is_transient: bool
) -> None:
    creation = world.open().creation
    world.generator.polls = [Refused(FailureCode.SAFETY_FILTER, is_transient=is_transient)]
    seen: list[tuple[Status, str | None]] = []

    def observe() -> None:
        current = world.now(creation)
        seen.append((current.status, current.operation_name))

    world.generator.discarding = observe
    run(world, creation)

    assert world.generator.discarded == ["operation-1"]
    assert seen == [(status, None)]


def test_operation_kept_for_a_later_attempt_is_not_discarded(world: World) -> None:
    creation = world.open().creation
    world.media.is_refusing = True

    run(world, creation)

    assert world.now(creation).operation_name == "operation-1"
    assert world.generator.discarded == []


def test_discard_error_is_ignored(world: World) -> None:
    creation = world.open().creation

    def fail() -> NoReturn:
        raise RuntimeError("a bug")

    world.generator.discarding = fail

    assert run(world, creation) == SETTLED
    assert world.now(creation).status is Status.DRAFT


def test_operation_is_not_discarded_without_the_lease_or_an_answered_commit(world: World) -> None:
    lost, unanswered = (world.open().creation for _ in range(2))
    world.generator.fetches = [lambda: steal(world, lost)]
    run(world, lost)
    world.generator.fetches = [lambda: break_store(world)]
    run(world, unanswered, RIVAL)

    assert world.generator.discarded == []


def steal(world: World, creation: Creation) -> bytes:
    stolen = replace(world.now(creation), attempt=2, lease_owner=RIVAL)
    world.sqlite.transact([creation.key], lambda _: write(stolen, result=None))
    return b"media"


def break_store(world: World) -> bytes:
    world.store.faults = ["down"] * 1000
    return b"media"


@pytest.mark.parametrize("kind", Kind)
def test_billed_refusal_is_included_in_the_cost(world: World, kind: Kind) -> None:
    creation = world.open(kind=kind).creation
    refusal = GenerationRefused(failure=FailureCode.SAFETY_FILTER, is_billed=True)
    world.generator.starts = [refusal if kind is Kind.IMAGE else Operation("o")]
    world.generator.polls = [Refused(FailureCode.SAFETY_FILTER, is_billed=True)]

    run(world, creation)

    assert costs_usd(world) == [0.25]


def test_costs_of_a_billed_operation_and_the_next_start_add_up(world: World) -> None:
    creation = world.open().creation
    failed = Refused(FailureCode.GENERATOR_UNAVAILABLE, is_transient=True, is_billed=True)
    world.generator.polls = [Running(), failed, Ready("r")]

    run(world, creation)
    world.clock.sleep(60)
    run(world, creation, RIVAL)

    assert costs_usd(world) == [0.5]


def costs_usd(world: World) -> list[float]:
    documents = world.sqlite.everything()
    return [each.estimated_cost_usd for each in documents if isinstance(each, Cost)]
