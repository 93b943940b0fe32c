"""One attempt: claim a creation, run its generation, and complete, fail or leave it.

claim -> generate -> complete
|         +- generator or storage unavailable, unexpected error -> a later task, or fail
|         +- generator refused, bad output, out of time, reads refused -> fail and refund
|         +- unanswered start -> an image: a later task; a video: fail and refund
|         +- SIGTERM -> hand the lease back (from another thread)
+- nothing to claim, or the lease is lost -> stop
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from jobs.generation import Generation, Pipeline
from jobs.retries import OutOfTime, Retries
from jobs.throttle import Throttle, ThrottledGenerator
from jobs.upload import Uploader
from shared.domain.errors import (
    BadOutput,
    GenerationRefused,
    GenerationUnavailable,
    LeaseLost,
    MediaUnavailable,
    QueueUnavailable,
    ReadRefused,
    StartNotAllowed,
    StartOutcomeUnknown,
    Unavailable,
)
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.media import StoredMedia
from shared.heavy_work import checked_by
from shared.lifecycle.claim import Claim
from shared.lifecycle.starts import has_starts_left
from shared.ports.crew import Crew
from shared.ports.generator import Generator, Operation
from shared.wiring import Phoenix

log = logging.getLogger(__name__)

_FAILURES: dict[type[Exception], FailureCode] = {
    StartNotAllowed: FailureCode.DEADLINE_EXCEEDED,
    StartOutcomeUnknown: FailureCode.GENERATOR_SILENT,
    OutOfTime: FailureCode.DEADLINE_EXCEEDED,
    BadOutput: FailureCode.GENERATOR_BAD_OUTPUT,
    ReadRefused: FailureCode.INTERNAL,
}


@dataclass(frozen=True)
class Outcome:
    """The end of an attempt without media."""

    code: FailureCode
    is_retried: bool = False  # by a later task, if a retry is left
    start_failed: bool = False  # the start produced nothing


@dataclass(eq=False)
class Attempt:
    """`load` imports the pipeline: after the claim, and before the generator is paid."""

    phoenix: Phoenix
    crew: Crew
    load: Callable[[], Pipeline]
    claim: Claim
    retries: Retries
    throttle: Throttle
    has_ended: bool = field(default=False, init=False)
    """Whether nothing is left to do: it settled the creation, left it, or lost its lease."""

    def run(self) -> None:
        """Settle the creation or leave it; `Unavailable` is worth a restart."""
        try:
            self._settle()
        except LeaseLost:
            if self.claim.is_stopped:
                return
            log.warning("lease_lost")
        self.has_ended = True

    def _settle(self) -> None:
        try:
            media = self._generate()
        except MediaUnavailable as error:
            self._end(error)
        except (LeaseLost, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 (each is logged and settled by its type)
            self._end(error)
        else:
            self._complete(media)
            self._discard()

    def _generate(self) -> StoredMedia:
        """Run the generation under heartbeats; no heartbeat is running when this returns."""
        ports, policy = self.phoenix.ports, self.phoenix.settings.policy
        heartbeats = ports.clock.every(policy.heartbeat_s, self.claim.heartbeat)
        with heartbeats, checked_by(self.claim.ensure_held):
            return Generation(
                claim=self.claim,
                retries=self.retries,
                pipeline=self.load(),
                generator=ThrottledGenerator(self._generator(), self.throttle),
                uploader=Uploader(self.retries, ports.media),
                crew=self.crew,
                clock=ports.clock,
                policy=policy,
            ).run()

    def _generator(self) -> Generator:
        return self.phoenix.ports.generator(self.claim.creation.kind)

    def _complete(self, media: StoredMedia) -> None:
        self.retries.retry_write(lambda: self.claim.complete(media))

    def _end(self, error: Exception) -> None:
        outcome = self._outcome(error)
        if not outcome.is_retried or not self._retry_later(outcome, error):
            self._fail(outcome, error)

    def _outcome(self, error: Exception) -> Outcome:
        creation = self.claim.creation
        match error:
            case GenerationUnavailable():
                return Outcome(error.failure, is_retried=True, start_failed=True)
            case GenerationRefused():
                return Outcome(error.failure, start_failed=True)
            case StartOutcomeUnknown() if has_starts_left(creation):
                return Outcome(FailureCode.GENERATOR_SILENT, is_retried=True)
            case MediaUnavailable():  # an image without an operation cannot be downloaded again
                is_kept = creation.kind is Kind.VIDEO or creation.operation_name is not None
                return Outcome(FailureCode.STORAGE_FAILED, is_retried=is_kept)
            case _ if type(error) in _FAILURES:
                return Outcome(_FAILURES[type(error)])
            case _:
                log.error("unexpected", exc_info=error)
                return Outcome(FailureCode.INTERNAL, is_retried=True)

    def _fail(self, outcome: Outcome, error: Exception) -> None:
        facts = {"failure": outcome.code, "reason": repr(error)}
        log.warning("attempt_failed", extra=facts)
        if isinstance(error, GenerationRefused) and outcome.code is FailureCode.INTERNAL:
            log.error("generator_misconfigured", extra=facts)
        code, start_failed, billed_usd = outcome.code, outcome.start_failed, self._billed_usd(error)
        self.retries.retry_write(
            lambda: self.claim.fail(code, start_failed=start_failed, billed_usd=billed_usd)
        )
        self._discard()

    def _retry_later(self, outcome: Outcome, error: Exception) -> bool:
        """Leave the creation to a later task; return False if no retry is left."""
        creation, billed_usd = self.claim.creation, self._billed_usd(error)
        hint_s = error.retry_after_s if isinstance(error, GenerationUnavailable) else 0
        is_refused_start = outcome.start_failed and creation.operation_name is None
        is_rate_limited = outcome.code is FailureCode.GENERATOR_RATE_LIMITED
        task = self.retries.retry_write(
            lambda: self.claim.retry_later(
                retry_after_s=hint_s,
                start_failed=outcome.start_failed,
                billed_usd=billed_usd,
                uses_retry=not (is_refused_start and is_rate_limited),
            )
        )
        if task is None:
            return False
        facts = {"failure": outcome.code, "reason": repr(error), "not_before": task.not_before}
        log.info("retry_later", extra=facts)
        id_, kind, number = creation.creation_id, creation.kind, task.number
        queue, not_before = self.phoenix.ports.queue, task.not_before
        try:
            queue.enqueue(id_, kind=kind, number=number, not_before=not_before)
        except QueueUnavailable as no_task:  # the sweep enqueues it
            log.warning("enqueue_failed", extra={"reason": no_task.reason})
        if outcome.start_failed:
            self._discard()
        return True

    def _billed_usd(self, error: Exception) -> float:
        """Return what the vendor bills for a start that produced nothing."""
        intent = self.claim.creation.intent
        if not isinstance(error, GenerationRefused | GenerationUnavailable) or not error.is_billed:
            return 0.0
        return intent.cost_usd if intent else 0.0

    def _discard(self) -> None:
        """Delete what the vendor stores of this attempt's operation; best effort.

        Call it only after the commit that ends the operation: until then it may be resumed.
        """
        operation_name = self.claim.creation.operation_name
        try:
            if operation_name is not None:
                self._generator().discard(Operation(operation_name))
        except Exception as error:  # noqa: BLE001 (nothing depends on it)
            log.warning("not_discarded", extra={"reason": repr(error)})

    def hand_back(self) -> bool:
        """Hand the lease back, from another thread; return False if it was lost or settled."""
        try:
            self.claim.release()
        except LeaseLost:
            return False
        except Unavailable as error:  # its lease ends, or the restarted process takes it back
            log.warning("hand_back_failed", extra={"reason": repr(error)})
        else:
            log.info("handed_back")
        return True
