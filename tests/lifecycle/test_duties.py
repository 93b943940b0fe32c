"""Turns of the duties: their shares of a call, and what does not return within it."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.errors import StoreUnavailable
from shared.domain.media import MediaDeletion
from shared.domain.policy import SWEEP_LAST_CALL_S
from shared.lifecycle.duties import AT_ONCE, Duty, Outcome, Turns
from tests.support.builders import NOON, POLICY
from tests.support.fakes import FakeClock, InTurn

WORK_S = POLICY.sweep_budget_s - SWEEP_LAST_CALL_S
HUNDRED = [MediaDeletion.at_once(str(n), ["k"], at=NOON, policy=POLICY) for n in range(100)]


class Duties:
    """Duties by name, each document a second long, and how long each duty had."""

    def __init__(self, **backlogs: int) -> None:
        self.clock = FakeClock()
        self.had_s: Counter[str] = Counter()
        self.order: list[str] = []
        self.duties = [
            Duty(iter([HUNDRED[:backlog]]), self._handler(name))
            for name, backlog in backlogs.items()
        ]

    def _handler(self, name: str) -> Any:
        def handle(_: MediaDeletion) -> Outcome:
            self.clock.sleep(1)
            self.had_s[name] += 1
            if self.order[-1:] != [name]:
                self.order.append(name)
            return Outcome.DELETED

        return handle

    def turns(self, workers: Executor, media_workers: Executor | None = None) -> Turns:
        return Turns(
            self.duties,
            workers=workers,
            media_workers=media_workers or workers,
            clock=self.clock,
            policy=POLICY,
        )


def test_every_duty_has_its_turns_while_all_have_a_backlog() -> None:
    duties = Duties(repairs=100, likes=100, expiry=100)

    duties.turns(InTurn()).work()

    others_s = WORK_S - POLICY.sweep_repairs_s
    assert duties.had_s == {"repairs": 30, "likes": others_s / 2 + 1, "expiry": others_s / 2 - 1}
    assert duties.order == ["repairs", *(["likes", "expiry"] * 2), "likes"]


def test_many_duties_have_at_least_their_turn() -> None:
    names = [f"duty {number}" for number in range(11)]
    duties = Duties(repairs=100, **dict.fromkeys(names, 100))

    duties.turns(InTurn()).work()

    assert {duties.had_s[name] for name in names} == {POLICY.sweep_turn_s}
    assert duties.had_s["repairs"] == WORK_S - len(names) * POLICY.sweep_turn_s


def test_first_duty_has_the_time_that_no_other_needs() -> None:
    duties = Duties(repairs=100, likes=3)

    duties.turns(InTurn()).work()

    assert duties.had_s == {"repairs": WORK_S - 3, "likes": 3}
    assert duties.order == ["repairs", "likes", "repairs"]


class Stuck(Executor):
    """Reads pages, but no document that it begins ever ends; each costs a share of the time."""

    def __init__(self, clock: FakeClock, *, seconds: float) -> None:
        self.begun = 0
        self._clock, self._seconds = clock, seconds

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if fn is next:
            return InTurn().submit(fn, *args, **kwargs)
        self.begun += 1
        self._clock.sleep(self._seconds)
        return Future()


def test_call_does_not_wait_for_what_does_not_return() -> None:
    duties = Duties(repairs=AT_ONCE + 1)
    stuck = Stuck(duties.clock, seconds=13)
    turns = duties.turns(stuck)

    turns.work()

    assert stuck.begun == 4
    assert turns.counts.total() == 0


class Hanging(Executor):
    """Begins documents that need the object store, none of which ends."""

    def __init__(self) -> None:
        self.begun: list[Future[Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.begun.append(Future())
        return self.begun[-1]


@pytest.mark.slow  # it waits for a turn and for the end of the call
def test_duty_that_waits_for_the_object_store_takes_no_time_of_the_first_one() -> None:
    duties, hanging = Duties(repairs=100, media=100, likes=3), Hanging()
    duties.duties[1] = replace(duties.duties[1], media_at_once=8)

    duties.turns(InTurn(), hanging).work()

    assert duties.had_s == {"repairs": WORK_S - 3, "likes": 3}
    assert [each.cancelled() for each in hanging.begun] == [True] * 8


def test_unreadable_duty_is_raised_after_the_others_had_their_turns() -> None:
    def unreadable() -> Iterator[list[MediaDeletion]]:
        yield HUNDRED[:2]
        raise StoreUnavailable(reason="planned")

    duties = Duties(repairs=5, likes=5)
    duties.duties[0] = Duty(unreadable(), duties.duties[0].handle)

    with pytest.raises(StoreUnavailable):
        duties.turns(InTurn()).work()

    assert duties.had_s == {"repairs": 2, "likes": 5}
