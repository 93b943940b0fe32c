"""How many creations one execution works on at once, by what the generator answers."""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from shared.domain.brief import Brief
from shared.domain.errors import GenerationRefused, GenerationUnavailable, LeaseLost
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId
from shared.ports.clock import Clock
from shared.ports.generator import (
    CannotTell,
    Generator,
    NotFound,
    Operation,
    Ready,
    Refused,
    Running,
)

log = logging.getLogger(__name__)

PAUSE_S = 30
"""How long an execution takes nothing new after a 429 without a hint, or after a failed start."""
CLEAN_S = 60
"""The time without a 429 after which one more may run at once."""


class Throttle:
    """Begins with one; each accepted start adds one. After a 429, half, and one more a minute.

    While starts fail, it is closed: a creation has few retries, and whatever waits would use them.
    """

    def __init__(
        self, at_once_max: int, clock: Clock, *, changed: Callable[[], None] = lambda: None
    ) -> None:
        """`changed` is called when one more may run."""
        self._max, self._clock, self._changed = at_once_max, clock, changed
        self._at_once = 1
        self._limited_at_s: float | None = None
        self._limited_until_s = self._failing_until_s = -math.inf
        self._lock = Lock()

    @property
    def at_once(self) -> int:
        return min(self._max, self._at_once + self._clean_minutes())

    @property
    def is_open(self) -> bool:
        """Return whether a creation may be taken: soon after a 429 it would meet the next one."""
        return self._clock.monotonic_s() >= max(self._limited_until_s, self._failing_until_s)

    def accepted(self) -> None:
        with self._lock:
            self._failing_until_s = -math.inf
            if self._limited_at_s is None:
                self._at_once = min(self._max, self._at_once + 1)
        self._changed()

    def failed(self) -> None:
        """Take nothing new for a while, or until another start is accepted."""
        self._failing_until_s = self._clock.monotonic_s() + PAUSE_S

    def rate_limited(self, *, hint_s: float) -> None:
        """Halve once for all 429s of one pause."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if now_s >= self._limited_until_s:
                self._at_once = max(1, self.at_once // 2)
                self._limited_until_s = now_s
            self._limited_at_s = now_s
            pause_s = hint_s if 0 < hint_s < math.inf else PAUSE_S
            self._limited_until_s = max(self._limited_until_s, now_s + pause_s)
            log.warning("rate_limited", extra={"at_once": self._at_once, "pause_s": pause_s})

    def _clean_minutes(self) -> int:
        if self._limited_at_s is None:
            return 0
        return int((self._clock.monotonic_s() - self._limited_at_s) // CLEAN_S)


class ThrottledGenerator:
    """A `Generator` that tells the throttle of accepted and failed starts and of 429s."""

    def __init__(self, generator: Generator, throttle: Throttle) -> None:
        self._generator, self._throttle = generator, throttle

    @property
    def model(self) -> str:
        return self._generator.model

    def cost_usd(self, brief: Brief) -> float:
        return self._generator.cost_usd(brief)

    def start(self, brief: Brief, *, creation_id: CreationId, attempt: int) -> Operation | Ready:
        try:
            with self._watched():
                begun = self._generator.start(brief, creation_id=creation_id, attempt=attempt)
        except LeaseLost:  # while it waited to parse an accepted start's answer
            raise
        except Exception as error:
            if not _is_about_the_brief(error):
                self._throttle.failed()
            raise
        self._throttle.accepted()
        return begun

    def poll(self, operation: Operation) -> Running | Ready | Refused:
        with self._watched():
            return self._generator.poll(operation)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except GenerationUnavailable as error:
            if error.failure is FailureCode.GENERATOR_RATE_LIMITED:
                self._throttle.rate_limited(hint_s=error.retry_after_s)
            raise

    def fetch(self, result: Ready, path: Path, *, size_bytes_max: int) -> None:
        self._generator.fetch(result, path, size_bytes_max=size_bytes_max)

    def find_output(
        self, creation_id: CreationId, *, attempt: int
    ) -> Ready | NotFound | CannotTell:
        return self._generator.find_output(creation_id, attempt=attempt)

    def discard(self, operation: Operation) -> None:
        self._generator.discard(operation)


def _is_about_the_brief(error: Exception) -> bool:
    """Return whether another brief's start may be accepted all the same."""
    return isinstance(error, GenerationRefused) and error.failure is not FailureCode.INTERNAL
