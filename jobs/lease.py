"""The hold an attempt has on its creation while it works: heartbeats, reports, pauses."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from shared.domain.creation import Creation
from shared.domain.errors import GenerationUnavailable, LeaseLost
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


class OutOfTime(Exception):
    """The deadline is over, or would be after the next pause."""


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
        self._is_lost = False
        self._stage = Stage.GENERATING
        self._progress = CLAIMED_PROGRESS
        self._is_told = False

    def hold(self) -> None:
        """Raise `LeaseLost` if a heartbeat was refused."""
        if self._is_lost:
            raise LeaseLost(creation_id=self.mine.creation_id)

    def beat(self) -> None:
        """Renew the lease, beside the work; a refusal is read before the next port call."""
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
        """Show the next stage at once."""
        self.hold()
        self._stage, self._progress = stage, STAGE_PROGRESS[stage]
        self.attempts.report(self.mine, stage=stage, progress=self._progress)

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
        """Wait, or raise `OutOfTime` if the deadline is over before that."""
        deadline_at = self.mine.deadline_at
        if deadline_at and self.clock.now() + timedelta(seconds=seconds) >= deadline_at:
            raise OutOfTime
        self.clock.sleep(seconds)

    def asked(self, ask: Callable[[], AnswerT]) -> AnswerT:
        """Return the answer of a pure read, asking again, ever more slowly, while there is none."""
        again_s: float = ASK_AGAIN_FIRST_S
        while True:
            self.hold()
            try:
                return ask()
            except GenerationUnavailable as error:
                log.info("asked_in_vain", extra={"reason": error.reason})
                self.pause(max(again_s, error.retry_after_s))
                again_s = min(again_s * 2, ASK_AGAIN_MAX_S)


def _generated(share: float) -> int:
    """Return the progress of this much of the generator's work, from 5 to 85."""
    span = GENERATED_PROGRESS_MAX - CLAIMED_PROGRESS
    return CLAIMED_PROGRESS + int(span * min(1.0, max(0.0, share)))
