"""One execution: its own creation, and further ones that wait while it runs.

Its main thread looks and claims; each attempt has a thread, a lease and a folder of its own. What
becomes of one attempt changes nothing for the others. After a crash, what the crashed process held
is worked on one at a time: the creation that caused the crash takes the others along only once.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from jobs.attempt import Attempt
from jobs.generation import Pipeline
from jobs.looking import LOOK_EVERY_S, Looking
from jobs.retries import Retries
from jobs.throttle import Throttle
from shared.domain.errors import NotClaimable, Unavailable
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.lifecycle.withdrawing import withdraw_task
from shared.ports.crew import Crew
from shared.telemetry import bind, bind_trace
from shared.wiring import Phoenix

log = logging.getLogger(__name__)

SETTLE_CHECK_S = 60
"""How long the main thread waits for attempts when it looks for nothing: each one's end wakes it."""
START_GRACE_S = 5
"""How long a paid start may go on after SIGTERM, until its operation or its media is on record."""
HAND_BACK_S = 3
"""How long the process then waits for its leases to be handed back."""
STOP_CHECK_S = 0.1


class Execution:
    """The work of one process. Its own thread calls `run`; another one may call `hand_back`."""

    def __init__(
        self,
        phoenix: Phoenix,
        crew: Crew,
        load: Callable[[], Pipeline],
        *,
        kind: Kind,
        lease_owner: LeaseOwner,
        began_s: float,
        traceparent: str | None = None,
    ) -> None:
        """`load` imports the pipeline once something is claimed; `began_s` is monotonic."""
        ports, policy = phoenix.ports, phoenix.settings.policy
        self._phoenix, self._crew, self._load = phoenix, crew, load
        self._kind, self._lease_owner, self._began_s = kind, lease_owner, began_s
        self._traceparent = traceparent
        self._throttle = Throttle(policy.at_once(kind), ports.clock, changed=crew.wake)
        self._looking = Looking(
            phoenix.draining,
            ports.clock,
            policy,
            kind=kind,
            execution=lease_owner.execution,
            began_s=began_s,
        )
        self._own: CreationId | None = None
        self._left_behind: list[CreationId] = []
        self._attempts: dict[CreationId, Attempt] = {}
        self._is_own_settled = False
        self._has_handed_back = False
        self._is_claiming = self._is_stopping = False

    @property
    def needs_restart(self) -> bool:
        """Return whether its own creation, or one that it handed back, waits for a restart."""
        return not self._is_own_settled or self._has_handed_back

    def run(self, creation_id: CreationId, *, drains: bool) -> None:
        """Settle its own creation, or leave it to a later task, and others if it drains.

        Raises `Unavailable` if the claim of its own failed.
        """
        self._own = creation_id
        with bind(kind=self._kind, execution=self._lease_owner.execution):
            self._take_own(creation_id)
            if drains:
                self._left_behind = self._held()
            else:
                self._looking.end()
            self._take_others()
            while self._attempts or self._may_take_more() or self._is_stopping:
                self._crew.wait(LOOK_EVERY_S if self._may_look() else SETTLE_CHECK_S)
                self._take_others()

    def _take_own(self, creation_id: CreationId) -> None:
        with bind_trace(self._traceparent), bind(creation_id=creation_id):
            try:
                self._take(creation_id)
            except NotClaimable as error:
                log.info("nothing_to_claim", extra={"reason": error.reason})
                self._is_own_settled = True
            except Unavailable as error:
                log.warning("claim_failed", extra={"reason": repr(error)})
                raise

    def _held(self) -> list[CreationId]:
        """Return what earlier tries of this execution left; the first try has none."""
        if self._lease_owner.task_attempt == 0:
            return []
        try:
            held = self._phoenix.draining.held(self._kind, execution=self._lease_owner.execution)
        except Unavailable as error:  # the sweep finds them
            log.warning("look_failed", extra={"reason": repr(error)})
            return []
        except Exception:
            log.exception("look_failed")
            return []
        return [each.creation_id for each in held if each.creation_id != self._own]

    def _take_others(self) -> None:
        while (creation_id := self._next()) is not None:
            try:
                self._take(creation_id)
            except NotClaimable as error:  # another execution was faster
                log.debug("nothing_to_claim", extra={"reason": error.reason})
                self._looking.was_refused()
            except Unavailable as error:  # if the claim landed, its lease ends by itself
                facts = {"creation_id": creation_id, "reason": repr(error)}
                log.warning("claim_failed", extra=facts)
                self._looking.was_refused()
                return
            except Exception:  # it must not end the attempts in progress
                log.exception("claim_failed", extra={"creation_id": creation_id})
                self._attempts.pop(creation_id, None)
                self._looking.end()
            else:
                self._looking.has_drained()

    def _next(self) -> CreationId | None:
        """Return a creation to claim now, if there is one and room for it."""
        if self._is_stopping:
            return None
        if not self._looking.has_room:
            self._left_behind.clear()
        if self._left_behind or self._is_alone():
            is_free = self._left_behind and not self._attempts
            return self._left_behind.pop(0) if is_free else None
        if not (self._has_room() and self._throttle.is_open):
            return None
        return self._looking.next(besides=self._attempts)

    def _has_room(self) -> bool:
        return len(self._attempts) < self._throttle.at_once

    def _may_look(self) -> bool:
        """Return whether time alone, without a message from a thread, may lead to another look."""
        return self._looking.is_on and (self._has_room() or not self._throttle.is_open)

    def _may_take_more(self) -> bool:
        """Return whether the process goes on although nothing is in progress."""
        if self._is_stopping:
            return False
        is_looking = self._looking.is_on and not self._looking.is_crowded
        return bool(self._left_behind) or (is_looking and self._throttle.is_open)

    def _is_alone(self) -> bool:
        """Return whether a creation in progress may crash this process: one of a restart may."""
        attempts = list(self._attempts.values())
        return any(each.claim.is_taken_over or self._is_of_restart(each) for each in attempts)

    def _is_of_restart(self, attempt: Attempt) -> bool:
        is_own = attempt.claim.creation.creation_id == self._own
        return is_own and self._lease_owner.task_attempt > 0

    def _take(self, creation_id: CreationId) -> None:
        """Claim a creation and begin its attempt."""
        self._is_claiming = True  # before `_is_stopping` is read: `hand_back` reads in turn
        try:
            if self._is_stopping:
                return
            attempt = self._claimed(creation_id)
            self._attempts[creation_id] = attempt
        finally:
            self._is_claiming = False
        self._crew.start(creation_id, partial(self._work, attempt))

    def _claimed(self, creation_id: CreationId) -> Attempt:
        claims, ports = self._phoenix.claims, self._phoenix.ports
        claim = claims.claim(creation_id, kind=self._kind, lease_owner=self._lease_owner)
        retries = Retries(
            claim,
            clock=ports.clock,
            policy=self._phoenix.settings.policy,
            job_began_s=self._began_s,
        )
        return Attempt(self._phoenix, self._crew, self._load, claim, retries, self._throttle)

    def _work(self, attempt: Attempt) -> None:
        creation = attempt.claim.creation
        is_own = creation.creation_id == self._own
        with self._bound(attempt):
            log.info("claimed", extra={"is_drained": not is_own})
            try:
                if not is_own:
                    withdraw_task(self._phoenix.ports.queue, creation)
                attempt.run()
                if is_own and attempt.has_ended:
                    self._is_own_settled = True
            except Unavailable as error:
                log.warning("store_failed", extra={"reason": repr(error)})
            except Exception:
                log.exception("attempt_failed_unexpectedly")
            finally:
                self._attempts.pop(creation.creation_id, None)

    def _bound(self, attempt: Attempt) -> AbstractContextManager[None]:
        """Let every line that this thread logs name the attempt's creation."""
        creation, execution = attempt.claim.creation, self._lease_owner.execution
        facts = {"kind": creation.kind, "execution": execution, "attempt": creation.attempt}
        return bind(creation_id=creation.creation_id, **facts)

    def hand_back(self) -> None:
        """Begin nothing further, and hand back every lease, in 8 s at most.

        The process ends then; `run` does not return any more.
        """
        self._is_stopping = True
        clock = self._phoenix.ports.clock
        until_s = clock.monotonic_s() + START_GRACE_S + HAND_BACK_S
        begun: list[Attempt] = []
        ended: list[Attempt] = []

        def hand_back(attempt: Attempt) -> None:
            with self._bound(attempt):
                self._hand_back(attempt)
            ended.append(attempt)

        while clock.monotonic_s() < until_s:
            is_claiming = self._is_claiming
            for each in [each for each in list(self._attempts.values()) if each not in begun]:
                begun.append(each)
                self._crew.start("hand-back", partial(hand_back, each))
            if len(ended) == len(begun) and not is_claiming:
                return
            clock.sleep(STOP_CHECK_S)
        self._has_handed_back = True  # the restarted process takes back what was not in time

    def _hand_back(self, attempt: Attempt) -> None:
        """Hand one lease back; a paid start may go on until it is on record, or some seconds."""
        clock, claim = self._phoenix.ports.clock, attempt.claim
        claim.stop()
        until_s = clock.monotonic_s() + START_GRACE_S
        while claim.is_in_paid_start and not attempt.has_ended:
            if clock.monotonic_s() >= until_s:
                break
            clock.sleep(STOP_CHECK_S)
        if not attempt.has_ended and attempt.hand_back():
            self._has_handed_back = True
