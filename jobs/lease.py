"""The hold an attempt has on its creation while it works: heartbeats, reports, pauses."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from shared.domain.creation import Creation
from shared.domain.errors import GenerationUnavailable, LeaseLost
from shared.domain.policy import Policy
from shared.domain.status import CLAIMED_PROGRESS, STAGE_PROGRESS, Stage
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

    def hold(self) -> None:
        """Raise `LeaseLost` if a heartbeat was refused."""
        if self._is_lost:
            raise LeaseLost(creation_id=self.mine.creation_id)

    def beat(self) -> None:
        """Renew the lease, beside the work; a refusal is read before the next port call."""
        try:
            self.attempts.report(self.mine, stage=self._stage, progress=self._progress)
        except LeaseLost:
            self._is_lost = True
        except Exception as error:  # noqa: BLE001 (the next beat tries again)
            log.warning("heartbeat_failed", extra={"reason": repr(error)})

    def enter(self, stage: Stage) -> None:
        """Show the next stage at once."""
        self.hold()
        self._stage, self._progress = stage, STAGE_PROGRESS[stage]
        self.attempts.report(self.mine, stage=stage, progress=self._progress)

    def has_come_to(self, progress: int) -> None:
        """Show the progress with the next heartbeat."""
        self._progress = max(self._progress, progress)

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
