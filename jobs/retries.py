"""Retries with exponential backoff, within the creation's deadline and the job's timeout."""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

from shared.domain.errors import GenerationUnavailable, MediaUnavailable, ReadRefused, Unavailable
from shared.domain.policy import Policy
from shared.lifecycle.claim import Claim
from shared.ports.clock import Clock

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

BACKOFF_FIRST_S, BACKOFF_MAX_S = 1.0, 30.0  # even if the vendor hints at more: the result is paid
READ_REFUSALS_MIN, READ_REFUSED_FOR_S = 3, 120  # in a row, until a refused read is final
LAST_POLL_S = 10  # how long before the deadline the last pause ends
UPLOAD_RESERVE_S, WRITE_RESERVE_S = 60, 15
"""Reserved at the end of the job's timeout: for one more upload and its commit, or for a commit."""
RESERVE_FRACTION_MAX = 0.25


class OutOfTime(Exception):
    """The creation's deadline has passed."""


class Retries:
    """One attempt's retry loops. Each raises `LeaseLost` once a heartbeat was refused."""

    def __init__(self, claim: Claim, *, clock: Clock, policy: Policy, job_began_s: float) -> None:
        """`job_began_s`: when the process began, by the monotonic clock."""
        self._claim = claim
        self._clock = clock
        self._policy = policy
        self._job_began_s = job_began_s

    def ensure_in_time(self) -> None:
        """Raise `LeaseLost`, or `OutOfTime` at the deadline."""
        self._claim.ensure_held()
        if self._until_deadline_s() <= 0:
            raise OutOfTime

    def pause(self, seconds: float) -> None:
        """Sleep, but leave time for a last poll; raise `OutOfTime` at the deadline."""
        left_s = self._until_deadline_s()
        if left_s <= 0:
            raise OutOfTime
        until_last_poll_s = left_s - LAST_POLL_S
        self._clock.sleep(min(seconds, until_last_poll_s if until_last_poll_s > 0 else left_s))

    def retry_read(self, read: Callable[[], ResultT], *, until: datetime | None = None) -> ResultT:
        """Retry an idempotent call of the generator with exponential backoff.

        Raises `GenerationUnavailable` if there was no response at `until`, `ReadRefused` if the
        vendor has refused it for `READ_REFUSED_FOR_S`, or `OutOfTime`.
        """
        pauses_s = backoff_s()
        refused_at_s: list[float] = []
        while True:
            self._claim.ensure_held()
            try:
                return read()
            except GenerationUnavailable as error:
                log.info("asked_in_vain", extra={"reason": error.reason})
                if until is not None and self._clock.now() >= until:
                    raise
                refused_at_s, hint_s = [], error.retry_after_s
            except ReadRefused as error:
                log.warning("read_refused", extra={"reason": error.reason})
                refused_at_s.append(self._clock.monotonic_s())
                if _is_final(refused_at_s):
                    log.error("generator_misconfigured", extra={"reason": error.reason})  # noqa: TRY400 (the reason is enough)
                    raise
                hint_s = 0.0
            pause_s = next(pauses_s)
            self.pause(min(hint_s, BACKOFF_MAX_S) if hint_s > pause_s else pause_s)

    def retry_write(self, write: Callable[[], ResultT]) -> ResultT:
        """Retry a transaction that recognises its own commit, until the job has no time left."""
        pauses_s = backoff_s()
        while True:
            self._claim.ensure_held()
            try:
                return write()
            except Unavailable as error:
                left_s = self._left_s(reserve_s=WRITE_RESERVE_S)
                if left_s <= 0:
                    raise
                log.warning("not_written", extra={"reason": repr(error)})
            self._clock.sleep(min(next(pauses_s), left_s))

    def retry_upload(
        self, upload: Callable[[], str | None], *, key: str, within_s: float | None = None
    ) -> None:
        """Retry an upload until it returns None; otherwise it returns why it failed.

        Raises `MediaUnavailable` when `within_s`, or the job's time, has passed.
        """
        began_s = self._clock.monotonic_s()
        for pause_s in backoff_s():
            self._claim.ensure_held()
            reason = upload()
            if reason is None:
                return
            left_s = self._left_s(reserve_s=UPLOAD_RESERVE_S)
            if within_s is not None:
                left_s = min(left_s, began_s + within_s - self._clock.monotonic_s())
            if left_s <= 0:
                raise MediaUnavailable(reason=f"{key}: {reason}")
            log.info("stored_in_vain", extra={"reason": reason})
            self._clock.sleep(min(pause_s, left_s))

    def _left_s(self, *, reserve_s: float) -> float:
        """Return the time until the deadline, or until `reserve_s` before the job's timeout."""
        run_s = self._clock.monotonic_s() - self._job_began_s
        timeout_s = self._policy.job_timeout_s(self._claim.creation.kind)
        reserve_s = min(reserve_s, RESERVE_FRACTION_MAX * timeout_s)
        return min(self._until_deadline_s(), timeout_s - run_s - reserve_s)

    def _until_deadline_s(self) -> float:
        deadline_at = self._claim.creation.deadline_at
        if deadline_at is None:
            raise AssertionError("a claimed creation has a deadline")
        return (deadline_at - self._clock.now()).total_seconds()


def backoff_s() -> Iterator[float]:
    pause_s = BACKOFF_FIRST_S
    while True:
        yield pause_s
        pause_s = min(pause_s * 2, BACKOFF_MAX_S)


def _is_final(refused_at_s: list[float]) -> bool:
    """Return whether these successive refusals outlast a rotation of keys or grants."""
    is_repeated = len(refused_at_s) >= READ_REFUSALS_MIN
    return is_repeated and refused_at_s[-1] - refused_at_s[0] >= READ_REFUSED_FOR_S
