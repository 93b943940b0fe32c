"""The hold an attempt has on its creation while it works: heartbeats, reports, pauses."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from shared.domain.creation import Creation
from shared.domain.errors import GenerationUnavailable, LeaseLost, ReadRefused, Unavailable
from shared.domain.policy import Policy
from shared.domain.status import (
    CLAIMED_PROGRESS,
    GENERATED_PROGRESS_MAX,
    STAGE_PROGRESS,
    Stage,
)
from shared.lifecycle.attempts import Attempts
from shared.ports.clock import Clock

log = logging.getLogger(__name__)

AnswerT = TypeVar("AnswerT")

ASK_AGAIN_FIRST_S = 1
ASK_AGAIN_MAX_S = 30
"""The longest pause between two reads, whatever the vendor asks for: the result is paid."""
READ_REFUSALS_MIN = 3
READ_REFUSED_FOR_S = 120
"""A refused read is final after this many refusals in a row over at least this long."""
LAST_LOOK_S = 10
"""How long before the deadline the last pause ends."""
HAND_OVER_S_MAX = 60
HAND_OVER_SHARE_MAX = 0.25
"""What is left of the job's timeout for one more upload and its commit."""
WRITE_AGAIN_FIRST_S = 1
WRITE_AGAIN_MAX_S = 30
WRITE_S = 15
"""What is left of the job's timeout for one more commit."""


class OutOfTime(Exception):
    """The deadline has passed."""


class Lease:
    """What an attempt knows of its creation, and whether it may go on."""

    def __init__(
        self, claimed: Creation, *, attempts: Attempts, clock: Clock, policy: Policy
    ) -> None:
        self.mine = claimed
        """The creation as this attempt last wrote it."""
        self.attempts = attempts
        self.clock = clock
        self.policy = policy
        self._began_s = clock.monotonic_s()
        self._is_lost = False
        self._stage = Stage.GENERATING
        self._progress = CLAIMED_PROGRESS
        self._is_told = False

    def hold(self) -> None:
        """Raise `LeaseLost` if a heartbeat was refused."""
        if self._is_lost:
            raise LeaseLost(creation_id=self.mine.creation_id)

    def beat(self) -> None:
        """Renew the lease next to the work; a refusal is read before the next port call."""
        stage, progress = self._stage, self._progress
        if stage is Stage.GENERATING and not self._is_told:
            progress = _generated(self._typical_share())
        try:
            self.attempts.report(self.mine, stage=stage, progress=progress)
        except LeaseLost:
            self._is_lost = True
        except Exception as error:  # noqa: BLE001 (the next beat tries again)
            log.warning("heartbeat_failed", extra={"reason": repr(error)})

    def enter(self, stage: Stage) -> None:
        """Show the next stage now, or with the next heartbeat if the store is unavailable."""
        self.hold()
        self._stage, self._progress = stage, STAGE_PROGRESS[stage]
        try:
            self.attempts.report(self.mine, stage=stage, progress=self._progress)
        except Unavailable as error:  # what is shown must not cost a paid result
            log.warning("stage_not_shown", extra={"stage": stage, "reason": repr(error)})

    def has_come_to(self, share: float) -> None:
        """Show with the next heartbeat how much the generator says is done.

        As long as it says nothing, the time that has passed since the intent says it.
        """
        self._progress, self._is_told = max(self._progress, _generated(share)), True

    def _typical_share(self) -> float:
        if self.mine.intent is None:
            return 0.0
        elapsed_s = (self.clock.now() - self.mine.intent.at).total_seconds()
        return elapsed_s / self.policy.typical_s(self.mine.kind)

    def pause(self, seconds: float) -> None:
        """Wait, at most until just before the deadline, so that one more look is possible.

        Raises:
            OutOfTime: the deadline has passed.
        """
        left_s = self._left_s()
        if left_s <= 0:
            raise OutOfTime
        until_last_look_s = left_s - LAST_LOOK_S
        self.clock.sleep(min(seconds, until_last_look_s if until_last_look_s > 0 else left_s))

    def patience_s(self, *, hand_over_s_max: float = HAND_OVER_S_MAX) -> float:
        """Return how long this process can still try to store what it has made.

        It ends at the deadline, or early enough to hand over before the platform stops the job.
        """
        run_s = self.clock.monotonic_s() - self._began_s
        timeout_s = self.policy.job_timeout_s(self.mine.kind)
        hand_over_s = min(hand_over_s_max, HAND_OVER_SHARE_MAX * timeout_s)
        return min(self._left_s(), timeout_s - run_s - hand_over_s)

    def written(self, write: Callable[[], AnswerT]) -> AnswerT:
        """Return a commit's answer, repeating it with growing pauses whatever went wrong before.

        Give it only a write that, made once more, finds what an earlier one has done: by its own
        mark, or as a lost lease. What is paid depends on it, so an unknown outcome ends nothing.

        Raises:
            Unavailable: there was no answer before the deadline or the job's end.
            LeaseLost
        """
        pause_s = WRITE_AGAIN_FIRST_S
        while True:
            self.hold()
            try:
                return write()
            except Unavailable as error:
                left_s = self.patience_s(hand_over_s_max=WRITE_S)
                if left_s <= 0:
                    raise
                log.warning("not_written", extra={"reason": repr(error)})
            self.clock.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 2, WRITE_AGAIN_MAX_S)

    def _left_s(self) -> float:
        deadline_at = self.mine.deadline_at
        if deadline_at is None:
            raise AssertionError("a claimed creation has a deadline")
        return (deadline_at - self.clock.now()).total_seconds()

    def asked(self, ask: Callable[[], AnswerT], *, until: datetime | None = None) -> AnswerT:
        """Return a pure read's answer, repeating it with growing pauses, at most until `until`.

        Raises:
            GenerationUnavailable: there was no answer by then.
            ReadRefused: the vendor has refused the read `READ_REFUSALS_MIN` times in a row, over
                at least `READ_REFUSED_FOR_S`.
            OutOfTime: there was no answer by the deadline.
        """
        own_s: float = ASK_AGAIN_FIRST_S
        refused_at_s: list[float] = []
        while True:
            self.hold()
            try:
                return ask()
            except GenerationUnavailable as error:
                log.info("asked_in_vain", extra={"reason": error.reason})
                if until is not None and self.clock.now() >= until:
                    raise
                refused_at_s, hint_s = [], error.retry_after_s
            except ReadRefused as error:
                log.warning("read_refused", extra={"reason": error.reason})
                refused_at_s.append(self.clock.monotonic_s())
                if _is_final(refused_at_s):
                    log.error("generator_misconfigured", extra={"reason": error.reason})  # noqa: TRY400 (the reason is enough)
                    raise
                hint_s = 0.0
            self.pause(_pause_s(own_s, hint_s=hint_s))
            own_s = min(own_s * 2, ASK_AGAIN_MAX_S)


def _is_final(refused_at_s: list[float]) -> bool:
    """Tell whether refusals in a row, at these times, are more than a change of keys or grants."""
    is_repeated = len(refused_at_s) >= READ_REFUSALS_MIN
    return is_repeated and refused_at_s[-1] - refused_at_s[0] >= READ_REFUSED_FOR_S


def _pause_s(own_s: float, *, hint_s: float) -> float:
    """Return the pause before the next read: a hint counts only up to our own longest pause."""
    return min(hint_s, ASK_AGAIN_MAX_S) if hint_s > own_s else own_s


def _generated(share: float) -> int:
    """Return the progress of this much of the generator's work, from 5 to 85."""
    span = GENERATED_PROGRESS_MAX - CLAIMED_PROGRESS
    return CLAIMED_PROGRESS + int(span * min(1.0, max(0.0, share)))
