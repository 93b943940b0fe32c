"""Tasks of new debits: all at once, and a refund for each creation that gets none."""

import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from contextvars import copy_context
from dataclasses import dataclass

from shared.domain.creation import Creation
from shared.domain.errors import (
    CreationGone,
    NotQueued,
    OutcomeUnknown,
    QueueUnavailable,
    Unavailable,
)
from shared.lifecycle.failing import Failing, Refund, Settlement
from shared.ports.task_queue import TaskQueue

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Queued:
    """Creations after their tasks were created, without deleted ones, and what was refunded."""

    creations: tuple[Creation, ...]
    refunded_tokens: int = 0


@dataclass(frozen=True)
class TaskCreation:
    """`workers` creates the tasks of variations while the caller creates the first one's."""

    queue: TaskQueue
    failing: Failing
    workers: Executor

    def create(self, paid: Sequence[Creation]) -> Queued:
        """Create the task of each new debit; fail and refund the creations that get none.

        Raises:
            NotQueued: all of them were refunded.
            CreationGone: tasks existed after all, and the owner has deleted the results.
            OutcomeUnknown: a refund's outcome is unknown; the sweep takes care of the creation.
        """
        queued = self._enqueue(paid)
        if all(queued):
            return Queued(creations=tuple(paid))
        first_id = paid[0].creation_id
        try:
            settled = [
                Settlement(creation, Refund.NOT_DUE)
                if has_task
                else self.failing.fail_unqueued(creation)
                for creation, has_task in zip(paid, queued, strict=True)
            ]
        except Unavailable as error:
            raise OutcomeUnknown(creation_id=first_id, reason=str(error)) from error
        refunds = [each.refund is not Refund.NOT_DUE for each in settled]
        if all(refunds):
            raise NotQueued(creation_id=first_id)
        left = tuple(each.creation for each in settled if each.creation is not None)
        if not left:
            raise CreationGone
        return Queued(creations=left, refunded_tokens=sum(refunds) * paid[0].cost_tokens)

    def _enqueue(self, paid: Sequence[Creation]) -> list[bool]:
        """Return for each creation whether it has a task."""
        first, *others = paid
        futures = [self.workers.submit(copy_context().run, self._has_task, each) for each in others]
        return [self._has_task(first), *(future.result() for future in futures)]

    def _has_task(self, creation: Creation) -> bool:
        id_, kind = creation.creation_id, creation.kind
        try:
            self.queue.enqueue(id_, kind=kind, number=creation.task_number)
        except QueueUnavailable as error:
            facts = {"creation_id": id_, "kind": kind, "reason": error.reason}
            log.warning("enqueue_failed", extra=facts)
            return False
        return True
