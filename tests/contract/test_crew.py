"""Contract of the Crew port, for every adapter."""

import threading
from contextlib import ExitStack, suppress

import pytest

from shared.adapters.system.crew import SystemCrew
from shared.telemetry import bind
from tests.support.eventually import eventually

LONG_S = 30


class Refused(Exception):
    pass


def refuse() -> None:
    raise Refused


def test_works_run_at_the_same_time() -> None:
    crew, meeting, met = SystemCrew(), threading.Barrier(3), list[str]()

    def meet() -> None:
        meeting.wait(LONG_S)
        met.append("here")

    for name in ("one", "two"):
        crew.start(name, meet)
    meeting.wait(LONG_S)

    eventually(lambda: len(met) == 2)


def test_wait_ends_when_a_work_has_ended_since_the_last_one() -> None:
    crew, done = SystemCrew(), threading.Event()
    crew.start("one", done.set)
    done.wait(LONG_S)

    crew.wait(LONG_S)
    crew.wait(0)


def test_wake_ends_the_next_wait() -> None:
    crew = SystemCrew()
    crew.wake()

    crew.wait(LONG_S)


def test_work_keeps_the_facts_of_its_starters_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    crew, seen = SystemCrew(), list[str | None]()

    def look() -> None:
        from shared.telemetry import traceparent

        seen.append(traceparent())

    with bind(traceparent="of the starter"):
        crew.start("one", look)
    crew.start("two", look)

    eventually(lambda: sorted(map(str, seen)) == ["None", "of the starter"])


def test_one_thread_at_a_time_has_its_turn() -> None:
    crew, inside, most = SystemCrew(), list[int](), list[int]()

    def work() -> None:
        with crew.turn(lambda: None):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    for number in range(8):
        crew.start(str(number), work)

    eventually(lambda: len(most) == 8)
    assert set(most) == {1}


def test_check_ends_the_waiting_and_the_turn_is_not_lost() -> None:
    crew = SystemCrew()
    with ExitStack() as taken:
        taken.enter_context(crew.turn(refuse))
        with pytest.raises(Refused), crew.turn(refuse):
            pass
    with crew.turn(refuse):
        pass


def test_turn_that_came_too_late_does_not_begin() -> None:
    crew, waiting, done = SystemCrew(), threading.Event(), list[str]()
    is_late = threading.Event()

    def check() -> None:
        waiting.set()
        if is_late.is_set():
            raise Refused

    def work() -> None:
        with suppress(Refused), crew.turn(check):
            done.append("heavy work")
        done.append("end")

    with crew.turn(refuse):
        crew.start("one", work)
        waiting.wait(LONG_S)
        is_late.set()

    eventually(lambda: done)
    assert done == ["end"]
