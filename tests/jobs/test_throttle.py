"""How many creations an execution works on at once, after what the generator answers."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.throttle import CLEAN_S, PAUSE_S, Throttle, ThrottledGenerator
from shared.domain.errors import (
    GenerationRefused,
    GenerationUnavailable,
    LeaseLost,
    StartOutcomeUnknown,
)
from shared.domain.failure import FailureCode
from shared.ports.generator import Operation, Ready, Running
from tests.support.builders import a_brief, a_creation_id
from tests.support.fakes import FakeClock, FakeGenerator

MAX = 8
RATE_LIMITED = GenerationUnavailable(failure=FailureCode.GENERATOR_RATE_LIMITED, retry_after_s=90)


@pytest.fixture
def throttle(clock: FakeClock) -> Throttle:
    return Throttle(MAX, clock)


def full(throttle: Throttle) -> Throttle:
    for _ in range(MAX):
        throttle.accepted()
    return throttle


def test_begins_with_one_and_each_accepted_start_adds_one_up_to_the_maximum(
    throttle: Throttle,
) -> None:
    counts = [throttle.at_once]
    for _ in range(MAX):
        throttle.accepted()
        counts.append(throttle.at_once)

    assert counts == [1, 2, 3, 4, 5, 6, 7, 8, 8]
    assert throttle.is_open


def test_accepted_start_wakes_the_thread_that_claims(clock: FakeClock) -> None:
    woken: list[bool] = []

    Throttle(MAX, clock, changed=lambda: woken.append(True)).accepted()

    assert woken == [True]


def test_429_halves_and_closes_for_30_seconds(throttle: Throttle, clock: FakeClock) -> None:
    full(throttle).rate_limited(hint_s=0)

    assert (throttle.at_once, throttle.is_open) == (MAX // 2, False)
    clock.sleep(PAUSE_S - 1)
    assert not throttle.is_open
    clock.sleep(1)
    assert throttle.is_open


@pytest.mark.parametrize(
    ("hint_s", "pause_s"), [(7, 7), (90, 90), (0, PAUSE_S), (-1, PAUSE_S), (math.inf, PAUSE_S)]
)
def test_hint_of_a_429_is_the_pause(
    throttle: Throttle, clock: FakeClock, hint_s: float, pause_s: float
) -> None:
    throttle.rate_limited(hint_s=hint_s)

    clock.sleep(pause_s - 0.5)
    assert not throttle.is_open
    clock.sleep(0.5)
    assert throttle.is_open


def test_429s_of_one_pause_halve_once_and_prolong_it(throttle: Throttle, clock: FakeClock) -> None:
    full(throttle).rate_limited(hint_s=10)
    clock.sleep(9)
    throttle.rate_limited(hint_s=10)
    throttle.rate_limited(hint_s=1)

    assert throttle.at_once == MAX // 2
    clock.sleep(9)
    assert not throttle.is_open
    clock.sleep(1)
    assert throttle.is_open


def test_429_after_the_pause_halves_again_to_one_at_least(
    throttle: Throttle, clock: FakeClock
) -> None:
    full(throttle)
    counts = []
    for _ in range(5):
        throttle.rate_limited(hint_s=5)
        counts.append(throttle.at_once)
        clock.sleep(5)

    assert counts == [4, 2, 1, 1, 1]


def test_each_minute_without_a_429_adds_one_up_to_the_maximum(
    throttle: Throttle, clock: FakeClock
) -> None:
    full(throttle).rate_limited(hint_s=5)
    counts = []
    for _ in range(6):
        throttle.accepted()
        clock.sleep(CLEAN_S)
        counts.append(throttle.at_once)

    assert counts == [5, 6, 7, 8, 8, 8]


def test_429_begins_the_count_of_minutes_again(throttle: Throttle, clock: FakeClock) -> None:
    full(throttle).rate_limited(hint_s=5)
    clock.sleep(2 * CLEAN_S)

    throttle.rate_limited(hint_s=5)

    assert throttle.at_once == 3
    clock.sleep(CLEAN_S - 1)
    assert throttle.at_once == 3


def throttled(generator: FakeGenerator, throttle: Throttle) -> ThrottledGenerator:
    return ThrottledGenerator(generator, throttle)


def start(generator: ThrottledGenerator) -> Operation | Ready:
    return generator.start(a_brief(), creation_id=a_creation_id(), attempt=1)


def test_answer_of_a_start_is_an_accepted_start(throttle: Throttle) -> None:
    generator = throttled(FakeGenerator(), throttle)

    assert start(generator) == Operation("operation-1")
    assert generator.poll(Operation("operation-1")) == Running(0.5)
    assert throttle.at_once == 2


def test_429_of_a_start_and_of_a_poll_close_the_throttle_for_their_hint(clock: FakeClock) -> None:
    fake = FakeGenerator(starts=[RATE_LIMITED], polls=[RATE_LIMITED])
    calls: dict[str, Callable[[ThrottledGenerator], object]] = {
        "start": start,
        "poll": lambda generator: generator.poll(Operation("operation-1")),
    }
    for call in calls.values():
        throttle = Throttle(MAX, clock)
        with pytest.raises(GenerationUnavailable):
            call(throttled(fake, throttle))
        assert not throttle.is_open
        clock.sleep(89)
        assert not throttle.is_open
        clock.sleep(1)
        assert throttle.is_open


@pytest.mark.parametrize(
    "failure",
    [
        FailureCode.POLICY_VIOLATION,
        FailureCode.GENERATOR_REJECTED,
        FailureCode.GENERATOR_BAD_OUTPUT,
    ],
)
def test_start_that_is_refused_for_its_brief_neither_closes_the_throttle_nor_adds_one(
    throttle: Throttle, failure: FailureCode
) -> None:
    error = GenerationRefused(failure=failure, reason="planned")
    with pytest.raises(GenerationRefused):
        start(throttled(FakeGenerator(starts=[error]), throttle))

    assert (throttle.at_once, throttle.is_open) == (1, True)


FAILED_STARTS: list[Exception] = [
    GenerationUnavailable(failure=FailureCode.GENERATOR_UNAVAILABLE),
    GenerationRefused(failure=FailureCode.INTERNAL, reason="planned"),
    StartOutcomeUnknown(reason="planned"),
    ZeroDivisionError(),
]


@pytest.mark.parametrize("error", FAILED_STARTS)
def test_failed_start_closes_the_throttle_for_30_seconds(
    throttle: Throttle, clock: FakeClock, error: Exception
) -> None:
    with pytest.raises(type(error)):
        start(throttled(FakeGenerator(starts=[error]), throttle))

    assert (throttle.at_once, throttle.is_open) == (1, False)
    clock.sleep(PAUSE_S - 1)
    assert not throttle.is_open
    clock.sleep(1)
    assert throttle.is_open


def test_start_that_ends_with_its_lease_does_not_close_the_throttle(throttle: Throttle) -> None:
    error = LeaseLost(creation_id=a_creation_id())
    with pytest.raises(LeaseLost):
        start(throttled(FakeGenerator(starts=[error]), throttle))

    assert throttle.is_open


def test_accepted_start_opens_the_throttle_after_a_failed_one(throttle: Throttle) -> None:
    throttle.failed()

    throttle.accepted()

    assert throttle.is_open


def test_accepted_start_does_not_end_the_pause_of_a_429(throttle: Throttle) -> None:
    throttle.rate_limited(hint_s=0)

    throttle.accepted()

    assert not throttle.is_open


def test_429_after_a_failed_start_halves(throttle: Throttle) -> None:
    full(throttle).failed()

    throttle.rate_limited(hint_s=0)

    assert throttle.at_once == MAX // 2


def test_other_calls_reach_the_generator_unchanged(throttle: Throttle, tmp_path: Path) -> None:
    fake = FakeGenerator(found=[Ready("found")])
    generator = throttled(fake, throttle)

    generator.fetch(Ready("result"), tmp_path / "file", size_bytes_max=9)
    generator.discard(Operation("operation-1"))

    assert (fake.fetched, fake.discarded) == (["result"], ["operation-1"])
    assert generator.find_output(a_creation_id(), attempt=1) == Ready("found")
    assert (generator.model, generator.cost_usd(a_brief())) == (fake.model, 0.25)
