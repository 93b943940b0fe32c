"""Waiting for real processes: the only place in the tests that sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

AnswerT = TypeVar("AnswerT")

POLL_INTERVAL_S = 0.02


def eventually(
    condition: Callable[[], AnswerT],
    *,
    within_s: float = 30,
    poll_interval_s: float = POLL_INTERVAL_S,
) -> AnswerT:
    """Poll until the condition returns a true value and return it; fail after the timeout."""
    end_s = time.monotonic() + within_s
    while not (answer := condition()):
        assert time.monotonic() < end_s, f"not within {within_s} s"
        time.sleep(poll_interval_s)
    return answer
