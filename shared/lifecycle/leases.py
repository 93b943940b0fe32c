"""The lease an attempt holds on a creation: heartbeats, progress and fenced writes.

A fenced write commits only while the creation is `processing` with this attempt's number and
lease owner, and raises `LeaseLost` otherwise.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.domain.creation import Creation
from shared.domain.errors import LeaseLost, Unavailable
from shared.domain.policy import Policy
from shared.domain.status import (
    CLAIMED_PROGRESS,
    GENERATED_PROGRESS_MAX,
    STAGE_PROGRESS,
    Stage,
)
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.store import Decision, Found, unchanged, write

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Lease:
    """One attempt's lease, renewed by its heartbeats, and the changes that it fences."""

    creation: Creation
    """The creation as this attempt last wrote it."""
    transactions: Transactions
    clock: Clock
    policy: Policy
    _is_lost: bool = field(default=False, init=False)
    _stage: Stage = field(default=Stage.GENERATING, init=False)
    _progress: int = field(default=CLAIMED_PROGRESS, init=False)
    _is_reported: bool = field(default=False, init=False)

    def ensure_held(self) -> None:
        """Raise `LeaseLost` if a heartbeat was refused."""
        if self._is_lost:
            raise LeaseLost(creation_id=self.creation.creation_id)

    def heartbeat(self) -> None:
        """Renew the lease from another thread; never raises, `ensure_held` does."""
        stage, progress = self._stage, self._progress
        if stage is Stage.GENERATING and not self._is_reported:
            progress = _generation_progress(self._typical_fraction())
        try:
            self.renew(stage=stage, progress=progress)
        except LeaseLost:
            self._is_lost = True
        except Exception as error:  # noqa: BLE001 (the next heartbeat tries again)
            log.warning("heartbeat_failed", extra={"reason": repr(error)})

    def renew(self, *, stage: Stage, progress: int) -> None:
        """Renew the lease and write the stage and progress."""
        at = self.clock.now()
        self._update(lambda held: held.with_progress(stage, progress, policy=self.policy, at=at))

    def enter(self, stage: Stage) -> None:
        """Write the next stage, or leave it to the next heartbeat if the store is unavailable."""
        self.ensure_held()
        self._stage, self._progress = stage, STAGE_PROGRESS[stage]
        try:
            self.renew(stage=stage, progress=self._progress)
        except Unavailable as error:  # a paid result is worth more than its progress bar
            log.warning("stage_not_shown", extra={"stage": stage, "reason": repr(error)})

    def set_progress(self, fraction: float) -> None:
        """Keep the generator's progress for the next heartbeat; until then it is estimated."""
        self._progress = max(self._progress, _generation_progress(fraction))
        self._is_reported = True

    def _typical_fraction(self) -> float:
        if self.creation.intent is None:
            return 0.0
        elapsed_s = (self.clock.now() - self.creation.intent.at).total_seconds()
        return elapsed_s / self.policy.typical_s(self.creation.kind)

    def _update(
        self,
        change: Callable[[Creation], Creation],
        *,
        landed: Callable[[Creation, Creation], bool] = lambda _current, _sent: False,
    ) -> Creation:
        """Change the creation while this attempt holds it, and return what is written."""
        key = self.creation.key

        def decide(found: Found) -> Decision[Creation]:
            held = self._held(found.get(key))
            changed = change(held)
            return unchanged(held) if changed is held else write(changed, result=changed)

        def creation_landed(found: Found, sent: Creation) -> bool:
            current = found.get(key)
            return current is not None and landed(current, sent)

        return self.transactions.run([key], decide, landed=creation_landed)

    def _is_held(self, current: Creation) -> bool:
        mine = self.creation
        return mine.lease_owner is not None and current.is_held_by(
            mine.lease_owner, attempt=mine.attempt
        )

    def _held(self, current: Creation | None) -> Creation:
        """Return the creation if this attempt holds it, or raise `LeaseLost`."""
        if current is None or not self._is_held(current):
            raise LeaseLost(creation_id=self.creation.creation_id)
        return current


def _generation_progress(fraction: float) -> int:
    """Return the progress, from 5 to 85, of this fraction of the generator's work."""
    span = GENERATED_PROGRESS_MAX - CLAIMED_PROGRESS
    return CLAIMED_PROGRESS + int(span * min(1.0, max(0.0, fraction)))
