"""When an execution looks for further creations to claim, and when it stops looking."""

import logging
from collections.abc import Container

from shared.domain.errors import Unavailable
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.policy import Policy
from shared.lifecycle.draining import Draining
from shared.ports.clock import Clock

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1
VAIN_LOOK_EVERY_S = 2
VAIN_LOOKS_MAX = 2
"""Looks since the last claim: then an execution that has drained looks no more."""
REFUSALS_MAX = 4
"""Claims in a row that failed: then the rest of a look is out of date, too, or out of reach."""


class Looking:
    """The candidates of one execution; only its main thread uses it."""

    def __init__(
        self,
        draining: Draining,
        clock: Clock,
        policy: Policy,
        *,
        kind: Kind,
        execution: str,
        began_s: float,
    ) -> None:
        self._draining, self._clock, self._policy = draining, clock, policy
        self._kind, self._execution, self._began_s = kind, execution, began_s
        self._candidates: list[CreationId] = []
        self._next_look_s = began_s
        self._vain_looks = 0
        self._vain_looks_max = 1
        self._refusals = 0
        self._has_ended = False
        self.is_crowded = False
        """Whether the last look was not made, because many creations of the kind are processing."""

    def next(self, *, besides: Container[CreationId]) -> CreationId | None:
        """Return a candidate that is not in progress here, if one is known or a look is due."""
        if not self.is_on:
            return None
        if not self._candidates and self._clock.monotonic_s() >= self._next_look_s:
            self._look()
        while self._candidates:
            candidate = self._candidates.pop(0)
            if candidate not in besides:
                return candidate
        return None

    def end(self) -> None:
        self._has_ended = True

    def has_drained(self) -> None:
        """Note that a candidate was claimed: there is load, and one look in vain may be chance."""
        self._vain_looks, self._vain_looks_max = 0, VAIN_LOOKS_MAX
        self._refusals = 0

    def was_refused(self) -> None:
        """Note that a claim failed: another execution was faster, or the store is unavailable."""
        self._refusals += 1
        if self._refusals >= REFUSALS_MAX:
            self._refusals = 0
            self._candidates.clear()

    @property
    def is_on(self) -> bool:
        """Return whether another look, or a known candidate, is worth waiting for."""
        is_early = self._run_s < self._policy.drain_s(self._kind)
        return not self._has_ended and is_early and self.has_room

    @property
    def has_room(self) -> bool:
        """Return whether the job's timeout leaves time for another creation."""
        left_s = self._policy.job_timeout_s(self._kind) - self._run_s
        return left_s >= self._policy.room_s(self._kind)

    @property
    def _run_s(self) -> float:
        return self._clock.monotonic_s() - self._began_s

    def _look(self) -> None:
        if self._vain_looks >= self._vain_looks_max:  # others claimed all that the last one found
            self.end()
            return
        self._next_look_s = self._clock.monotonic_s() + VAIN_LOOK_EVERY_S
        try:
            self.is_crowded = self._draining.is_crowded(self._kind)
            if self.is_crowded:
                return
            found = self._draining.candidates(self._kind, execution=self._execution)
        except Unavailable as error:
            log.warning("look_failed", extra={"reason": repr(error)})
            found = []
        except Exception:  # it must not end the attempts in progress
            log.exception("look_failed")
            found = []
        if found:
            self._candidates = [each.creation_id for each in found]
            self._next_look_s = self._clock.monotonic_s() + LOOK_EVERY_S
        self._vain_looks += 1
        if not found and self._vain_looks >= self._vain_looks_max:
            self.end()
