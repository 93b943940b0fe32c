"""The sweep: refund, requeue or delete what a crash left unfinished.

The queries return candidates only; each guard is checked again inside its transaction, so that
sweeps may run concurrently. One call does a bounded amount of work, oldest first.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from shared.domain.creation import Creation
from shared.domain.errors import PhoenixError
from shared.domain.media import MediaDeletion
from shared.domain.policy import Policy
from shared.domain.status import Status
from shared.lifecycle.admission import midnight
from shared.lifecycle.failing import Failing, Refund, is_overdue
from shared.lifecycle.media_cleanup import MediaCleanup
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.executions import Executions
from shared.ports.store import Cursor, Decision, Found, Page, unchanged, write
from shared.ports.task_queue import TaskQueue

log = logging.getLogger(__name__)

DueT = TypeVar("DueT", Creation, MediaDeletion)

BATCH_SIZE = 16


class Outcome(StrEnum):
    """The result of one due document."""

    REFUNDED = "refunded"
    REQUEUED = "requeued"
    LEFT = "left"
    """It waits, it runs, or another process was faster."""
    DELETED = "deleted"
    ERROR = "errors"


@dataclass(frozen=True)
class Sweeping:
    """The sweep; `workers` handles up to `BATCH_SIZE` documents at once."""

    transactions: Transactions
    failing: Failing
    cleanup: MediaCleanup
    queue: TaskQueue
    executions: Executions
    workers: Executor
    clock: Clock
    policy: Policy

    def sweep(self) -> dict[str, int]:
        """Handle what is due, within the policy's limits, and count the outcomes."""
        stop_s = self.clock.monotonic_s() + self.policy.sweep_budget_s
        counts = Counter({str(outcome): 0 for outcome in Outcome})
        ages_s = [0.0]
        self._work_through(self._due_creations(ages_s), self._repair, counts, stop_s=stop_s)
        self._work_through(self._due_deletions(), self._delete, counts, stop_s=stop_s)
        facts = {**counts, "oldest_unfinished_s": round(max(ages_s), 1), **self._cost_of_today()}
        log.info("swept", extra=facts)
        return dict(counts)

    def _cost_of_today(self) -> dict[str, float]:
        """Return the vendor cost of the UTC day for its alert, or nothing if it is unknown."""
        try:
            cost_usd = self.transactions.store.cost_usd_since(midnight(self.clock.now()))
        except PhoenixError as error:
            log.warning("gauge_unreadable", extra={"reason": repr(error)})
            return {}
        return {"day_cost_usd": round(cost_usd, 2)}

    def _work_through(
        self,
        pages: Iterator[list[DueT]],
        handle: Callable[[DueT], Outcome],
        counts: Counter[str],
        *,
        stop_s: float,
    ) -> None:
        while (
            self.clock.monotonic_s() < stop_s
            and counts.total() < self.policy.sweep_creations_max
            and (page := next(pages, None))
        ):
            counts.update(self.workers.map(_safely(handle), page))

    def _due_creations(self, ages_s: list[float]) -> Iterator[list[Creation]]:
        """Yield pages of due creations and append the seconds since each debit to `ages_s`."""
        at = self.clock.now()
        after: Cursor | None = None
        while page := self.transactions.store.due(at, Page(BATCH_SIZE, after)):
            ages_s += [each.unfinished_s(at, policy=self.policy) for each in page]
            yield page
            after = Cursor(page[-1].sweep_at or at, page[-1].creation_id)

    def _due_deletions(self) -> Iterator[list[MediaDeletion]]:
        at = self.clock.now()
        after: Cursor | None = None
        while page := self.transactions.store.due_deletions(at, Page(BATCH_SIZE, after)):
            yield page
            after = Cursor(page[-1].due_at, page[-1].deletion_id)

    def _delete(self, deletion: MediaDeletion) -> Outcome:
        self.cleanup.carry_out(deletion)
        return Outcome.DELETED

    def _repair(self, creation: Creation) -> Outcome:
        """Refund a creation that is overdue, requeue one that no process handles, leave the rest."""
        at = self.clock.now()
        if is_overdue(creation, at=at, policy=self.policy):
            refund = self.failing.fail_overdue(creation, at=at).refund
            return Outcome.REFUNDED if refund is Refund.MADE else Outcome.LEFT
        if self._is_in_progress(creation, at=at):
            self._postpone(creation, at + timedelta(seconds=self.policy.sweep_every_s))
            return Outcome.LEFT
        if not creation.has_requeues_left(self.policy):
            self._postpone(creation, creation.deadline_at or at)
            return Outcome.LEFT
        return self._requeue(creation, at=at)

    def _is_in_progress(self, creation: Creation, *, at: datetime) -> bool:
        """Return whether a task waits for it or an execution is running."""
        if creation.status is Status.PENDING:
            id_, number = creation.creation_id, creation.task_number
            return self.queue.waits(id_, kind=creation.kind, number=number)
        if creation.is_leased(at) or creation.execution_name is None:
            return True
        return self.executions.is_running(creation.execution_name, kind=creation.kind)

    def _postpone(self, creation: Creation, sweep_at: datetime) -> None:
        def decide(found: Found) -> Decision[None]:
            current = found.get(creation.key)
            if current is None or current.sweep_at != creation.sweep_at:
                return unchanged(None)
            return write(current.with_next_sweep(sweep_at), result=None)

        self.transactions.run([creation.key], decide)

    def _requeue(self, creation: Creation, *, at: datetime) -> Outcome:
        """Create a task under a number that no earlier task had."""

        def decide(found: Found) -> Decision[Creation | None]:
            current = found.get(creation.key)
            if current is None or current != creation:
                return unchanged(None)
            requeued = current.requeued(policy=self.policy, at=at)
            return write(requeued, result=requeued)

        requeued = self.transactions.run(
            [creation.key], decide, landed=lambda found, sent: found.get(creation.key) == sent
        )
        if requeued is None:
            return Outcome.LEFT
        number = requeued.task_number
        self.queue.enqueue(creation.creation_id, kind=creation.kind, number=number)
        log.info("requeued", extra={"creation_id": creation.creation_id, "number": number})
        return Outcome.REQUEUED


def _safely(handle: Callable[[DueT], Outcome]) -> Callable[[DueT], Outcome]:
    """Wrap a handler so that one failure does not stop the sweep.

    In any thread, its log lines and tasks carry the sweep's trace.
    """
    context = copy_context()

    def handled(due: DueT) -> Outcome:
        try:
            return handle(due)
        except PhoenixError as error:
            log.warning("sweep_error", extra={"document": due.key.id, "reason": repr(error)})
        except Exception:
            log.exception("sweep_error", extra={"document": due.key.id})
        return Outcome.ERROR

    return lambda due: context.copy().run(handled, due)
