"""The shell both jobs share: claim, make, settle, exit status, SIGTERM.

    claim -> make -> complete
      |       +- a no for now, storage unavailable, a surprise -> a later task, or fail + refund
      |       +- a no for good, bad output, out of time, a refused read -> fail + refund
      |       +- an unknown start -> an image: a later task; a video: fail + refund
      |       +- SIGTERM -> hand the lease back
      +- nothing to claim, or the lease is lost -> stop

Exit status 0: settled or handed on. 1: worth an immediate restart, after SIGTERM or because the
store is out of reach. 2: wrong configuration.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from jobs.lease import Lease, OutOfTime
from jobs.making import Making, Pipeline
from shared.domain.errors import (
    BadOutput,
    GenerationRefused,
    GenerationUnavailable,
    LeaseLost,
    MediaUnavailable,
    NotClaimable,
    QueueUnavailable,
    ReadRefused,
    StartNotAllowed,
    StartOutcomeUnknown,
    Unavailable,
)
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.media import StoredMedia
from shared.domain.policy import Policy
from shared.lifecycle.attempts import Attempts
from shared.lifecycle.failing import Failing
from shared.lifecycle.starts import has_starts_left
from shared.ports.clock import Clock
from shared.ports.generator import Generator, Operation
from shared.ports.media_store import MediaStore
from shared.ports.task_queue import TaskQueue
from shared.telemetry import bind

log = logging.getLogger(__name__)

SETTLED = 0
RESTART = 1

_FAILURES: dict[type[Exception], FailureCode] = {
    StartNotAllowed: FailureCode.DEADLINE_EXCEEDED,
    StartOutcomeUnknown: FailureCode.GENERATOR_SILENT,
    OutOfTime: FailureCode.DEADLINE_EXCEEDED,
    BadOutput: FailureCode.GENERATOR_BAD_OUTPUT,
    ReadRefused: FailureCode.INTERNAL,
}


class Terminated(BaseException):
    """The platform wants this process to end (SIGTERM)."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What attempts of one kind work with."""

    attempts: Attempts
    failing: Failing
    queue: TaskQueue
    media: MediaStore
    generator: Callable[[], Generator]
    pipeline: Pipeline
    clock: Clock
    policy: Policy


def run_attempt(workshop: Workshop, creation_id: CreationId, *, lease_owner: LeaseOwner) -> int:
    """Work on one creation as this lease_owner and return the process's exit status."""
    kind = workshop.pipeline.kind
    with bind(creation_id=creation_id, kind=kind, execution=lease_owner.execution):
        try:
            claimed = workshop.attempts.claim(creation_id, kind=kind, lease_owner=lease_owner)
        except NotClaimable as error:
            log.info("nothing_to_claim", extra={"reason": error.reason})
            return SETTLED
        except Unavailable as error:
            log.warning("claim_failed", extra={"reason": repr(error)})
            return RESTART
        with bind(attempt=claimed.attempt):
            log.info("claimed")
            lease = Lease(
                claimed,
                attempts=workshop.attempts,
                clock=workshop.clock,
                policy=workshop.policy,
            )
            return Attempt(workshop, lease).run()


@dataclass(frozen=True)
class Attempt:
    """One claim of a creation, from its lease to its end."""

    workshop: Workshop
    lease: Lease

    def run(self) -> int:
        """Bring the creation as far as it goes; return the exit status."""
        try:
            self._settle()
        except LeaseLost:
            log.warning("lease_lost")
        except Unavailable as error:
            log.warning("store_failed", extra={"reason": repr(error)})
            return RESTART
        except Terminated:
            self._hand_back()
            return RESTART
        return SETTLED

    def _settle(self) -> None:
        """Make the media and complete, or fail, or leave the rest to a later task."""
        try:
            media = self._make()
        except MediaUnavailable as error:
            self._end_unstored(error)
        except (LeaseLost, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 (each is logged and settled by its type)
            self._end(error)
        else:
            self._complete(media)
            self._discard()

    def _complete(self, media: StoredMedia) -> None:
        """Write the draft: a commit without an answer is repeated, and finds its own draft."""
        attempts, mine = self.workshop.attempts, self.lease.mine
        self.lease.written(lambda: attempts.complete(mine, media))

    def _end(self, error: Exception) -> None:
        """Fail, or leave the rest to a later task, as this error asks for."""
        match error:
            case GenerationUnavailable():
                self._retry_later(error.failure, error, answered_no=True)
            case GenerationRefused():
                self._fail(error.failure, error, answered_no=True)
            case StartOutcomeUnknown() if has_starts_left(self.lease.mine):
                self._retry_later(FailureCode.GENERATOR_SILENT, error)
            case _ if type(error) in _FAILURES:
                self._fail(_FAILURES[type(error)], error)
            case _:
                log.error("unexpected", exc_info=error)
                self._retry_later(FailureCode.INTERNAL, error)

    def _end_unstored(self, error: MediaUnavailable) -> None:
        """Let a later task fetch the media again; an image is nowhere else and is not bought twice."""
        mine = self.lease.mine
        if mine.kind is Kind.IMAGE and mine.operation_name is None:
            self._fail(FailureCode.STORAGE_FAILED, error)
        else:
            self._retry_later(FailureCode.STORAGE_FAILED, error)

    def _make(self) -> StoredMedia:
        """Do the work under heartbeats; none is on its way when this returns."""
        workshop, lease = self.workshop, self.lease
        with workshop.clock.every(workshop.policy.heartbeat_s, lease.beat):
            making = Making(lease, workshop.generator(), workshop.pipeline, workshop.media)
            return making.make()

    def _fail(self, code: FailureCode, error: Exception, *, answered_no: bool = False) -> None:
        facts = {"failure": code, "reason": repr(error)}
        log.warning("attempt_failed", extra=facts)
        if isinstance(error, GenerationRefused) and code is FailureCode.INTERNAL:
            log.error("generator_misconfigured", extra=facts)
        failing, mine = self.workshop.failing, self.lease.mine
        billed_usd = self._billed_usd(error)
        self.lease.written(
            lambda: failing.fail_attempt(mine, code, answered_no=answered_no, billed_usd=billed_usd)
        )
        self._discard()

    def _retry_later(
        self, code: FailureCode, error: Exception, *, answered_no: bool = False
    ) -> None:
        attempts, mine = self.workshop.attempts, self.lease.mine
        billed_usd = self._billed_usd(error)
        hint_s = error.retry_after_s if isinstance(error, GenerationUnavailable) else 0
        task = self.lease.written(
            lambda: attempts.retry_later(
                mine, retry_after_s=hint_s, answered_no=answered_no, billed_usd=billed_usd
            )
        )
        if task is None:
            self._fail(code, error, answered_no=answered_no)
            return
        facts = {"failure": code, "reason": repr(error), "not_before": task.not_before}
        log.info("retry_later", extra=facts)
        try:
            self.workshop.queue.enqueue(
                mine.creation_id, kind=mine.kind, number=task.number, not_before=task.not_before
            )
        except QueueUnavailable as no_task:  # the sweep enqueues it
            log.warning("enqueue_failed", extra={"reason": no_task.reason})
        if answered_no:
            self._discard()

    def _billed_usd(self, no: Exception) -> float:
        """Return what the vendor bills for a start that came to nothing."""
        intent = self.lease.mine.intent
        if not isinstance(no, GenerationRefused | GenerationUnavailable) or not no.is_billed:
            return 0.0
        return intent.cost_usd if intent else 0.0

    def _discard(self) -> None:
        """Delete what the vendor stores of this attempt's operation; best effort.

        Call it only after the commit that ends the operation: until then it may be resumed.
        """
        operation_name = self.lease.mine.operation_name
        if operation_name is None:
            return
        try:
            self.workshop.generator().discard(Operation(operation_name))
        except Exception as error:  # noqa: BLE001 (nothing depends on it)
            log.warning("not_discarded", extra={"reason": repr(error)})

    def _hand_back(self) -> None:
        try:
            self.workshop.attempts.hand_back(self.lease.mine)
        except (LeaseLost, Unavailable) as error:
            log.warning("hand_back_failed", extra={"reason": repr(error)})
        else:
            log.info("handed_back")
