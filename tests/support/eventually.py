"""Waiting for real processes: the one place in the tests that waits."""

import time
from collections.abc import Callable
from typing import TypeVar

AnswerT = TypeVar("AnswerT")

LOOK_EVERY_S = 0.02


def eventually(
    ask: Callable[[], AnswerT], *, within_s: float = 30, poll_interval_s: float = LOOK_EVERY_S
) -> AnswerT:
    """Return the first true answer, or fail when there is none in time."""
    end_s = time.monotonic() + within_s
    while not (answer := ask()):
        assert time.monotonic() < end_s, f"not within {within_s} s"
        time.sleep(poll_interval_s)
    return answer
