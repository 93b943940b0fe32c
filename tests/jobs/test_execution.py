"""One execution that works on several creations: which it takes, how many, and when it ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from jobs.retries import OutOfTime
from jobs.worker import RESTART, SETTLED
from shared.domain.brief import Brief
from shared.domain.creation import Creation
from shared.domain.errors import (
    GenerationRefused,
    GenerationUnavailable,
    QueueUnavailable,
    StartOutcomeUnknown,
    StoreUnavailable,
    WithdrawalRefused,
)
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.status import Status
from shared.ports.generator import Operation, Ready
from tests.support.builders import POLICY, RIVAL
from tests.support.fakes import FakeGenerator
from tests.support.jobs import PAGE, CrewAtWaits, FakePipeline, run_job, sigterm
from tests.support.world import World

FIRST_TRY = LeaseOwner("image-generation-job-abcde", 0)
SECOND_TRY = LeaseOwner("image-generation-job-abcde", 1)
RATE_LIMITED = GenerationUnavailable(failure=FailureCode.GENERATOR_RATE_LIMITED, retry_after_s=60)


@dataclass
class RecordingGenerator(FakeGenerator):
    polls: list[object] = field(default_factory=lambda: [Ready("result")])
    of: list[CreationId] = field(default_factory=list)
    """The creations in the order of their starts."""

    def start(self, brief: Brief, *, creation_id: CreationId, attempt: int) -> Operation | Ready:
        self.of.append(creation_id)
        return super().start(brief, creation_id=creation_id, attempt=attempt)


@pytest.fixture
def generator(world: World) -> RecordingGenerator:
    world.generator = RecordingGenerator()
    return world.generator


@pytest.fixture
def crew(world: World) -> CrewAtWaits:
    return CrewAtWaits(world.clock)


def opened(world: World, count: int) -> list[Creation]:
    """Open images a second apart, each of another user."""
    made = []
    for number in range(count):
        world.clock.sleep(1)
        made.append(world.open(kind=Kind.IMAGE, user=f"user-{number}").creation)
    return made


def run(
    world: World,
    crew: CrewAtWaits,
    own: Creation,
    *,
    drains: bool = True,
    lease_owner: LeaseOwner = FIRST_TRY,
) -> int:
    pipeline = FakePipeline(kind=Kind.IMAGE)
    return run_job(
        world.phoenix,
        pipeline,
        own.creation_id,
        lease_owner=lease_owner,
        drains=drains,
        crew=crew,
    )


def statuses(world: World, creations: list[Creation]) -> list[Status]:
    return [world.now(each).status for each in creations]


def ids(creations: list[Creation]) -> list[CreationId]:
    return [each.creation_id for each in creations]


@pytest.mark.usefixtures("generator")
def test_execution_works_on_its_own_creation_and_on_all_that_wait(
    world: World, crew: CrewAtWaits
) -> None:
    made = opened(world, 20)

    assert run(world, crew, made[0]) == SETTLED

    assert statuses(world, made) == [Status.DRAFT] * 20


def test_own_creation_is_first(
    world: World, crew: CrewAtWaits, generator: RecordingGenerator
) -> None:
    made = opened(world, 5)

    run(world, crew, made[3])

    assert generator.of[0] == made[3].creation_id


@pytest.mark.usefixtures("generator")
def test_begins_with_one_at_a_time_and_adds_one_for_each_accepted_start(
    world: World, crew: CrewAtWaits
) -> None:
    made = opened(world, 30)

    run(world, crew, made[0])

    assert crew.in_progress[:10] == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8]
    assert max(crew.in_progress) == POLICY.images_at_once


@pytest.mark.usefixtures("generator")
def test_execution_without_drain_works_on_its_own_creation_only(
    world: World, crew: CrewAtWaits
) -> None:
    made = opened(world, 3)

    assert run(world, crew, made[0], drains=False) == SETTLED

    assert statuses(world, made) == [Status.DRAFT, Status.PENDING, Status.PENDING]


@pytest.mark.usefixtures("generator")
def test_other_kind_is_not_taken(world: World, crew: CrewAtWaits) -> None:
    [own] = opened(world, 1)
    video = world.open(kind=Kind.VIDEO, user="eve").creation

    run(world, crew, own)

    assert world.now(video).status is Status.PENDING


@pytest.mark.usefixtures("generator")
def test_execution_that_finds_nothing_else_ends_without_waiting(
    world: World, crew: CrewAtWaits
) -> None:
    [own] = opened(world, 1)
    began_s = world.clock.monotonic_s()

    assert run(world, crew, own) == SETTLED

    assert (crew.in_progress, world.clock.monotonic_s()) == ([1], began_s)


@pytest.mark.usefixtures("generator")
def test_one_that_has_drained_looks_twice_more_and_takes_what_came_meanwhile(
    world: World, crew: CrewAtWaits
) -> None:
    made = opened(world, 2)

    def open_late(crew: CrewAtWaits) -> None:
        if not crew.works and len(made) == 2:
            made.append(world.open(kind=Kind.IMAGE, user="late").creation)

    crew.waiting = open_late

    run(world, crew, made[0])

    assert statuses(world, made) == [Status.DRAFT] * 3


@pytest.mark.usefixtures("generator")
def test_own_that_cannot_be_claimed_does_not_keep_it_from_draining(
    world: World, crew: CrewAtWaits
) -> None:
    made = opened(world, 3)
    world.claim(made[0], RIVAL, Kind.IMAGE)

    assert run(world, crew, made[0]) == SETTLED

    assert statuses(world, made) == [Status.PROCESSING, Status.DRAFT, Status.DRAFT]


@pytest.mark.usefixtures("generator")
def test_claim_of_its_own_that_fails_is_worth_a_restart_and_nothing_else_is_claimed(
    world: World, crew: CrewAtWaits
) -> None:
    made = opened(world, 3)
    world.store.faults = ["down"] * 100

    assert run(world, crew, made[0]) == RESTART

    world.store.faults.clear()
    assert statuses(world, made) == [Status.PENDING] * 3


# Withdrawn tasks


@pytest.mark.usefixtures("generator")
def test_task_of_a_drained_creation_is_withdrawn_after_its_claim_with_its_number(
    world: World, crew: CrewAtWaits, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = opened(world, 3)
    found: list[Status] = []
    of_queue = world.queue.withdraw

    def withdraw(creation_id: CreationId, *, kind: Kind, number: int) -> None:
        [creation] = [each for each in made if each.creation_id == creation_id]
        found.append(world.now(creation).status)
        of_queue(creation_id, kind=kind, number=number)

    monkeypatch.setattr(world.queue, "withdraw", withdraw)

    run(world, crew, made[0])

    assert found == [Status.PROCESSING] * 2
    assert {*world.queue.withdrawn} == {(each.creation_id, each.task_number) for each in made[1:]}


@pytest.mark.usefixtures("generator")
@pytest.mark.parametrize(
    ("error", "line"),
    [
        (QueueUnavailable(reason="planned"), "withdrawal_failed"),
        (WithdrawalRefused(reason="planned"), "withdrawal_refused"),
    ],
)
def test_withdrawal_that_fails_changes_nothing_and_is_logged(
    world: World,
    crew: CrewAtWaits,
    caplog: pytest.LogCaptureFixture,
    error: QueueUnavailable,
    line: str,
) -> None:
    made = opened(world, 3)
    world.queue.withdrawal_error = error

    assert run(world, crew, made[0]) == SETTLED

    assert statuses(world, made) == [Status.DRAFT] * 3
    assert caplog.messages.count(line) == 2


# One attempt's failure


FAILURES: dict[str, Exception] = {
    "refused": GenerationRefused(failure=FailureCode.POLICY_VIOLATION, reason="planned"),
    "unavailable": GenerationUnavailable(failure=FailureCode.GENERATOR_UNAVAILABLE),
    "out of time": OutOfTime(),
    "store": StoreUnavailable(reason="planned"),
    "unexpected": ZeroDivisionError(),
}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("call", ["starts", "polls", "fetches"])
def test_failure_of_one_attempt_changes_nothing_for_the_others(
    world: World, crew: CrewAtWaits, generator: RecordingGenerator, name: str, call: str
) -> None:
    made = opened(world, 6)
    good = getattr(generator, call)[0]
    setattr(generator, call, [good, good, FAILURES[name], good])

    assert run(world, crew, made[0]) == SETTLED

    others = [each for each in made if each.creation_id != generator.of[2]]
    assert statuses(world, others) == [Status.DRAFT] * 5


def test_file_that_is_no_media_fails_only_its_own_creation(
    world: World, crew: CrewAtWaits, generator: RecordingGenerator
) -> None:
    made = opened(world, 4)
    generator.fetches = [b"media", PAGE, b"media"]

    assert run(world, crew, made[0]) == SETTLED

    assert sorted(statuses(world, made)) == [*[Status.DRAFT] * 3, Status.FAILED]


@pytest.mark.parametrize("cancelled", [[0], [3], [0, 2, 4], range(6)], ids=str)
def test_creations_that_are_cancelled_once_claimed_free_their_places(
    world: World, crew: CrewAtWaits, generator: RecordingGenerator, cancelled: Sequence[int]
) -> None:
    made = opened(world, 6)
    unwanted = [made[number] for number in cancelled]
    others = [each for each in made if each not in unwanted]

    def cancel_claimed() -> None:
        for each in unwanted:
            if world.now(each).status is Status.PROCESSING:
                world.phoenix.failing.cancel(each.creation_id, owner=each.user_id)

    world.store.afterwards = cancel_claimed

    assert run(world, crew, made[0]) == SETTLED

    assert statuses(world, others) == [Status.DRAFT] * len(others)
    assert statuses(world, unwanted) == [Status.FAILED] * len(unwanted)
    assert sorted(generator.of) == sorted(ids(others))
    assert {world.account(each.user_id).in_flight.image for each in made} == {0}
    assert world.violations() == []


def test_failing_own_creation_gives_the_status_and_the_others_are_settled(
    world: World, crew: CrewAtWaits, generator: RecordingGenerator
) -> None:
    made = opened(world, 4)
    generator.polls = [StoreUnavailable(reason="planned"), Ready("result")]

    assert run(world, crew, made[0]) == RESTART

    assert statuses(world, made) == [Status.PROCESSING, *[Status.DRAFT] * 3]


@pytest.mark.usefixtures("generator")
@pytest.mark.parametrize("call", ["claim", "start"])
def test_unexpected_failure_of_a_claim_ends_no_attempt_in_progress(
    world: World, crew: CrewAtWaits, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    made = opened(world, 4)
    port: Any = type(world.phoenix.claims) if call == "claim" else crew
    good, calls = getattr(port, call), []

    def fail_third(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise RuntimeError("planned")
        return good(*arguments, **named)

    monkeypatch.setattr(port, call, fail_third)

    assert run(world, crew, made[0]) == SETTLED

    assert world.now(made[0]).status is Status.DRAFT
    assert statuses(world, made).count(Status.DRAFT) == 2


@pytest.mark.usefixtures("generator")
def test_store_that_is_down_for_claims_ends_an_execution_soon(
    world: World, crew: CrewAtWaits, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = opened(world, 30)
    began_s = world.clock.monotonic_s()
    claims: Any = type(world.phoenix.claims)
    good = claims.claim

    def claim(self: Any, creation_id: CreationId, **named: Any) -> Any:
        if creation_id != made[0].creation_id:
            raise StoreUnavailable(reason="planned")
        return good(self, creation_id, **named)

    monkeypatch.setattr(claims, "claim", claim)

    assert run(world, crew, made[0]) == SETTLED

    assert world.clock.monotonic_s() - began_s < 10


def test_restarted_try_that_cannot_read_what_it_held_works_on_its_own(
    world: World, crew: CrewAtWaits, generator: RecordingGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = opened(world, 2)
    for each in made:
        world.claim(each, FIRST_TRY, Kind.IMAGE)

    def held(execution_name: str, kind: Kind) -> list[Creation]:
        raise ValueError(f"{execution_name} left a {kind} that is unreadable")

    monkeypatch.setattr(world.store, "held", held)

    assert run(world, crew, made[0], lease_owner=SECOND_TRY) == SETTLED

    assert generator.of == ids(made[:1])


# 429 and many that are processing


def test_after_a_429_nothing_is_claimed_in_order_to_meet_the_next_one(
    world: World, crew: CrewAtWaits, generator: RecordingGenerator
) -> None:
    made = opened(world, 3)
    generator.starts = [RATE_LIMITED]

    assert run(world, crew, made[0]) == SETTLED

    assert generator.of == ids(made[:1])
    assert statuses(world, made) == [Status.PENDING] * 3
    assert world.now(made[0]).retry_at is not None
    assert world.now(made[0]).retry_count == 0


@pytest.mark.parametrize(
    "error",
    [
        GenerationUnavailable(failure=FailureCode.GENERATOR_UNAVAILABLE),
        GenerationRefused(failure=FailureCode.INTERNAL, reason="planned"),
        StartOutcomeUnknown(reason="planned"),
    ],
)
def test_outage_of_the_generator_uses_no_retry_of_what_waits(
    world: World, crew: CrewAtWaits, generator: RecordingGenerator, error: Exception
) -> None:
    made = opened(world, 20)
    generator.starts = [error]

    assert run(world, crew, made[0]) == SETTLED

    assert generator.of == ids(made[:1])
    assert statuses(world, made)[1:] == [Status.PENDING] * 19


@pytest.mark.usefixtures("generator")
def test_execution_takes_only_its_own_while_many_are_processing(
    new_world: Callable[..., World],
) -> None:
    world = new_world(PHOENIX_POLICY_IMAGES_RUNNING_MAX="2")
    world.generator.polls = [Ready("result")]
    made = opened(world, 6)
    for each in made[:3]:
        world.claim(each, RIVAL, Kind.IMAGE)

    assert run(world, CrewAtWaits(world.clock), made[3]) == SETTLED

    assert statuses(world, made)[3:] == [Status.DRAFT, Status.PENDING, Status.PENDING]


# After a crash


def test_restarted_try_takes_back_what_its_predecessor_held_one_at_a_time(
    world: World, crew: CrewAtWaits, generator: RecordingGenerator
) -> None:
    made = opened(world, 8)
    for each in made[:4]:
        world.claim(each, FIRST_TRY, Kind.IMAGE)

    assert run(world, crew, made[0], lease_owner=SECOND_TRY) == SETTLED

    assert crew.in_progress[:4] == [1, 1, 1, 1]
    assert generator.of[0] == made[0].creation_id
    assert {*generator.of[:4]} == {*ids(made[:4])}
    assert statuses(world, made) == [Status.DRAFT] * 8


def test_restarted_try_takes_nothing_that_another_execution_holds(
    world: World, crew: CrewAtWaits, generator: RecordingGenerator
) -> None:
    made = opened(world, 3)
    world.claim(made[1], RIVAL, Kind.IMAGE)
    world.claim(made[0], FIRST_TRY, Kind.IMAGE)

    run(world, crew, made[0], lease_owner=SECOND_TRY)

    assert made[1].creation_id not in generator.of
    assert world.now(made[1]).lease_owner == RIVAL


def test_creation_of_an_expired_lease_is_alone_until_it_is_settled(
    world: World, crew: CrewAtWaits, generator: RecordingGenerator
) -> None:
    made = opened(world, 4)
    world.claim(made[0], RIVAL, Kind.IMAGE)
    world.clock.sleep(POLICY.lease_s + POLICY.clock_skew_s + 1)
    generator.starts = [lambda: Operation(f"operation-{len(crew.works)}")]

    assert run(world, crew, made[0]) == SETTLED

    assert crew.in_progress[:2] == [1, 2]
    assert statuses(world, made) == [Status.DRAFT] * 4


# SIGTERM


@pytest.mark.usefixtures("generator")
def test_sigterm_hands_back_every_lease_and_is_worth_a_restart(
    world: World, crew: CrewAtWaits
) -> None:
    made = opened(world, 30)

    def stop(crew: CrewAtWaits) -> None:
        if len(crew.works) == POLICY.images_at_once:
            sigterm()

    crew.waiting = stop

    assert run(world, crew, made[0]) == RESTART

    assert world.now(made[0]).status is Status.DRAFT
    assert Status.PROCESSING not in statuses(world, made)
    handed_back = [each for each in made if world.now(each).hand_back_count == 1]
    assert len(handed_back) == POLICY.images_at_once
    assert {world.now(each).requeue_count for each in handed_back} == {0}


@pytest.mark.usefixtures("generator")
def test_sigterm_with_nothing_to_hand_back_keeps_the_status_of_its_own(
    world: World, crew: CrewAtWaits
) -> None:
    made = opened(world, 2)

    def stop(crew: CrewAtWaits) -> None:
        if not crew.works:
            sigterm()

    crew.waiting = stop

    assert run(world, crew, made[0]) == SETTLED


@pytest.mark.usefixtures("generator")
def test_lease_that_cannot_be_handed_back_in_time_is_worth_a_restart(
    world: World, crew: CrewAtWaits, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = opened(world, 2)

    def stop(crew: CrewAtWaits) -> None:
        if world.now(made[0]).status is Status.DRAFT:
            monkeypatch.setattr(crew, "start", lambda *_: None)
            sigterm()

    crew.waiting = stop

    assert run(world, crew, made[0]) == RESTART

    assert statuses(world, made) == [Status.DRAFT, Status.PROCESSING]


def test_after_sigterm_no_attempt_begins_a_further_step(
    world: World, crew: CrewAtWaits, generator: RecordingGenerator
) -> None:
    made = opened(world, 30)
    works: list[Callable[[], None]] = []

    def stop(crew: CrewAtWaits) -> None:
        if len(crew.works) == 4:
            works.extend(crew.works)
            sigterm()

    crew.waiting = stop
    run(world, crew, made[0])
    started = len(generator.of)

    for work in works:
        work()

    assert len(generator.of) == started


def test_paid_start_without_an_answer_is_handed_back_after_5_seconds(
    world: World, crew: CrewAtWaits, generator: RecordingGenerator
) -> None:
    made = opened(world, 2)
    began_s = world.clock.monotonic_s()
    generator.starts = [sigterm]

    assert run(world, crew, made[0]) == RESTART

    assert 5 <= world.clock.monotonic_s() - began_s < 8
    assert world.now(made[0]).status is Status.PENDING
    assert world.now(made[0]).intent is not None


# Log lines


@pytest.mark.usefixtures("generator")
def test_every_execution_says_what_it_claimed_and_which_are_drained(
    world: World, crew: CrewAtWaits, caplog: pytest.LogCaptureFixture
) -> None:
    made = opened(world, 3)
    with caplog.at_level("INFO"):
        run(world, crew, made[0])

    claimed = [record for record in caplog.records if record.message == "claimed"]
    assert [vars(record)["is_drained"] for record in claimed] == [False, True, True]
