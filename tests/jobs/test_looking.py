"""When an execution looks for further creations, and when it stops."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from jobs.looking import LOOK_EVERY_S, REFUSALS_MAX, VAIN_LOOK_EVERY_S, Looking
from shared.domain.creation import Creation
from shared.domain.errors import StoreUnavailable
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.lifecycle.draining import Draining
from tests.support.builders import POLICY, a_creation, a_creation_id
from tests.support.fakes import FakeClock

NOBODY: Container[CreationId] = ()


@dataclass
class FakeDraining:
    """Finds the pages of a list, one at each look, and then nothing."""

    pages: list[list[Creation]] = field(default_factory=list)
    looks: int = 0
    is_crowded_now: bool = False
    error: Exception | None = None

    def is_crowded(self, kind: Kind) -> bool:
        return self.is_crowded_now

    def candidates(self, kind: Kind, *, execution: str) -> list[Creation]:
        self.looks += 1
        if self.error:
            raise self.error
        return self.pages.pop(0) if self.pages else []


def pages(*names: str) -> list[list[Creation]]:
    """Return a page for each text of names."""
    return [[a_creation(name) for name in page.split()] for page in names]


def ids(names: str) -> list[CreationId]:
    return [a_creation_id(name) for name in names.split()]


@pytest.fixture
def draining() -> FakeDraining:
    return FakeDraining()


@pytest.fixture
def looking(draining: FakeDraining, clock: FakeClock) -> Looking:
    unchecked: Any = draining
    return Looking(
        cast("Draining", unchecked),
        clock,
        POLICY,
        kind=Kind.IMAGE,
        execution="one",
        began_s=clock.monotonic_s(),
    )


def taken(looking: Looking, besides: Iterable[CreationId] = ()) -> list[CreationId]:
    """Take candidates until there is none at this moment."""
    found = []
    while (candidate := looking.next(besides=list(besides))) is not None:
        found.append(candidate)
    return found


def test_candidates_of_one_look_are_returned_one_by_one(
    looking: Looking, draining: FakeDraining
) -> None:
    draining.pages = pages("one two three")

    assert taken(looking) == ids("one two three")
    assert draining.looks == 1


def test_looks_at_most_once_a_second(
    looking: Looking, draining: FakeDraining, clock: FakeClock
) -> None:
    draining.pages = pages("one", "two", "three")
    assert taken(looking) == ids("one")
    looking.has_drained()
    clock.sleep(LOOK_EVERY_S - 0.1)
    assert taken(looking) == []
    assert draining.looks == 1

    clock.sleep(0.1)

    assert taken(looking) == ids("two")
    assert draining.looks == 2


def test_rest_of_a_look_is_dropped_after_some_refusals_in_a_row(
    looking: Looking, draining: FakeDraining
) -> None:
    draining.pages = pages("one two three four five six seven")
    for _ in range(REFUSALS_MAX - 1):
        assert looking.next(besides=NOBODY)
        looking.was_refused()
    assert looking.next(besides=NOBODY)
    looking.has_drained()
    assert looking.next(besides=NOBODY), "a claim starts the count again"
    for _ in range(REFUSALS_MAX):
        looking.was_refused()

    assert looking.next(besides=NOBODY) is None
    assert draining.looks == 1


def test_creation_in_progress_is_no_candidate(looking: Looking, draining: FakeDraining) -> None:
    draining.pages = pages("one two three")

    assert taken(looking, besides=ids("one three")) == ids("two")


def test_one_empty_look_ends_an_execution_that_claimed_nothing_else(
    looking: Looking, draining: FakeDraining, clock: FakeClock
) -> None:
    assert taken(looking) == []

    assert not looking.is_on
    clock.sleep(60)
    draining.pages = pages("one")
    assert taken(looking) == []
    assert draining.looks == 1


def test_two_empty_looks_two_seconds_apart_end_one_that_has_drained(
    looking: Looking, draining: FakeDraining, clock: FakeClock
) -> None:
    draining.pages = pages("one")
    taken(looking)
    looking.has_drained()
    clock.sleep(LOOK_EVERY_S)
    assert taken(looking) == []
    assert looking.is_on

    clock.sleep(VAIN_LOOK_EVERY_S - 0.1)
    assert taken(looking) == []
    assert (draining.looks, looking.is_on) == (2, True)

    clock.sleep(0.1)
    assert taken(looking) == []
    assert (draining.looks, looking.is_on) == (3, False)


def test_claim_between_two_empty_looks_starts_their_count_again(
    looking: Looking, draining: FakeDraining, clock: FakeClock
) -> None:
    draining.pages = [*pages("one"), [], *pages("two"), []]
    for _ in range(4):
        for _ in taken(looking):
            looking.has_drained()
        clock.sleep(VAIN_LOOK_EVERY_S)

    assert (draining.looks, looking.is_on) == (4, True)


def test_looks_whose_candidates_others_claim_end_too(
    looking: Looking, draining: FakeDraining, clock: FakeClock
) -> None:
    draining.pages = pages("one", "two", "three")

    for _ in range(3):
        taken(looking)
        clock.sleep(VAIN_LOOK_EVERY_S)

    assert (draining.looks, looking.is_on) == (1, False)


@pytest.mark.parametrize("error", [StoreUnavailable(reason="planned"), ValueError("unreadable")])
def test_look_that_fails_is_an_empty_one(
    looking: Looking, draining: FakeDraining, error: Exception
) -> None:
    draining.error = error

    assert taken(looking) == []
    assert not looking.is_on


def test_crowded_kind_is_not_looked_at_and_the_execution_may_look_again(
    looking: Looking, draining: FakeDraining, clock: FakeClock
) -> None:
    draining.pages, draining.is_crowded_now = pages("one"), True
    assert taken(looking) == []
    assert (draining.looks, looking.is_crowded, looking.is_on) == (0, True, True)

    draining.is_crowded_now = False
    assert taken(looking) == []
    clock.sleep(VAIN_LOOK_EVERY_S)

    assert taken(looking) == ids("one")
    assert not looking.is_crowded


@pytest.mark.parametrize("known_count", [0, 1])
def test_takes_nothing_after_drain_s_even_what_it_knows(
    looking: Looking, draining: FakeDraining, clock: FakeClock, known_count: int
) -> None:
    draining.pages = pages("one two", "three")
    for _ in range(known_count):
        looking.next(besides=NOBODY)
    clock.sleep(POLICY.image_drain_s)

    assert not looking.is_on
    assert looking.has_room
    assert looking.next(besides=NOBODY) is None


def test_has_no_room_when_less_than_room_s_of_the_timeout_is_left(
    looking: Looking, clock: FakeClock
) -> None:
    clock.sleep(POLICY.image_job_timeout_s - POLICY.image_room_s)
    assert looking.has_room

    clock.sleep(0.1)

    assert not looking.has_room


def test_one_that_was_ended_takes_nothing(looking: Looking, draining: FakeDraining) -> None:
    draining.pages = pages("one")

    looking.end()

    assert taken(looking) == []
    assert draining.looks == 0
