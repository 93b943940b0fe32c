"""The sweep: what a crash left behind is refunded, enqueued again, or deleted.

The queries give candidates only; each guard is checked again inside its transaction, so that any
number of sweeps may run at once. One call does a bounded amount of work, oldest first.
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
from shared.lifecycle.deleting import Deleting
from shared.lifecycle.settling import Settling, is_overdue
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.executions import Executions
from shared.ports.store import Cursor, Decision, Found, Page, unchanged, write
from shared.ports.task_queue import TaskQueue

log = logging.getLogger(__name__)

DueT = TypeVar("DueT", Creation, MediaDeletion)

AT_A_TIME = 16


class Look(StrEnum):
    """What came of looking at one due document."""

    REFUNDED = "refunded"
    REQUEUED = "requeued"
    LEFT = "left"
    """It waits, it runs, or somebody else was faster."""
    DELETED = "deleted"
    ERROR = "errors"


@dataclass(frozen=True)
class Sweeping:
    """The clean-up pass; `workers` runs up to `AT_A_TIME` looks at once."""

    transactions: Transactions
    settling: Settling
    deleting: Deleting
    queue: TaskQueue
    executions: Executions
    workers: Executor
    clock: Clock
    policy: Policy

    def sweep(self) -> dict[str, int]:
        """Work on what is due, within the policy's bounds, and count what came of it."""
        stop_s = self.clock.monotonic_s() + self.policy.sweep_budget_s
        counts = Counter({str(look): 0 for look in Look})
        ages_s = [0.0]
        self._work_through(self._due_creations(ages_s), self._repair, counts, stop_s=stop_s)
        self._work_through(self._due_deletions(), self._delete, counts, stop_s=stop_s)
        facts = {**counts, "oldest_unfinished_s": round(max(ages_s), 1), **self._cost_of_today()}
        log.info("swept", extra=facts)
        return dict(counts)

    def _cost_of_today(self) -> dict[str, float]:
        """Return the vendor cost of the UTC day, for the alert on it; nothing if it is unknown."""
        try:
            cost_usd = self.transactions.store.cost_usd_since(midnight(self.clock.now()))
        except PhoenixError as error:
            log.warning("gauge_unreadable", extra={"reason": repr(error)})
            return {}
        return {"day_cost_usd": round(cost_usd, 2)}

    def _work_through(
        self,
        pages: Iterator[list[DueT]],
        look: Callable[[DueT], Look],
        counts: Counter[str],
        *,
        stop_s: float,
    ) -> None:
        while (
            self.clock.monotonic_s() < stop_s
            and counts.total() < self.policy.sweep_creations_max
            and (page := next(pages, None))
        ):
            counts.update(self.workers.map(_safely(look), page))

    def _due_creations(self, ages_s: list[float]) -> Iterator[list[Creation]]:
        """Yield pages of what is due, and add each one's seconds since its debit to `ages_s`."""
        at = self.clock.now()
        after: Cursor | None = None
        while page := self.transactions.store.due(at, Page(limit=AT_A_TIME, after=after)):
            ages_s += [each.unfinished_s(at, policy=self.policy) for each in page]
            yield page
            after = Cursor(page[-1].sweep_at or at, page[-1].creation_id)

    def _due_deletions(self) -> Iterator[list[MediaDeletion]]:
        at = self.clock.now()
        after: Cursor | None = None
        while page := self.transactions.store.due_deletions(at, Page(limit=AT_A_TIME, after=after)):
            yield page
            after = Cursor(page[-1].due_at, page[-1].deletion_id)

    def _delete(self, deletion: MediaDeletion) -> Look:
        self.deleting.carry_out(deletion)
        return Look.DELETED

    def _repair(self, creation: Creation) -> Look:
        """Refund what is overdue; enqueue again what nobody works on; leave the rest alone."""
        at = self.clock.now()
        if is_overdue(creation, at=at, policy=self.policy):
            settlement = self.settling.fail_overdue(creation, at=at)
            return Look.REFUNDED if settlement.is_mine else Look.LEFT
        if self._is_looked_after(creation, at=at):
            next_look_at = at + timedelta(seconds=self.policy.sweep_every_s)
            self._postpone(creation, next_look_at)
            return Look.LEFT
        if creation.requeue_count >= self.policy.requeues_max:
            self._postpone(creation, creation.deadline_at or at)
            return Look.LEFT
        return self._requeue(creation, at=at)

    def _is_looked_after(self, creation: Creation, *, at: datetime) -> bool:
        """Tell whether a task or an execution is still going to work on it."""
        if creation.status is Status.PENDING:
            return self.queue.waits(
                creation.creation_id, kind=creation.kind, number=creation.task_number
            )
        if creation.is_leased(at) or creation.execution_name is None:
            return True
        return self.executions.is_running(creation.execution_name, kind=creation.kind)

    def _postpone(self, creation: Creation, next_look_at: datetime) -> None:
        def decide(found: Found) -> Decision[None]:
            now = found.get(creation.key)
            if now is None or now.sweep_at != creation.sweep_at:
                return unchanged(None)
            return write(now.with_next_sweep(next_look_at), result=None)

        self.transactions.run([creation.key], decide)

    def _requeue(self, creation: Creation, *, at: datetime) -> Look:
        """Give the creation a new task, under a number that no task has had."""
        requeued: Creation | None = None

        def decide(found: Found) -> Decision[int | None]:
            nonlocal requeued
            now = found.get(creation.key)
            if found.may_have_landed and requeued is not None and now == requeued:
                return unchanged(requeued.task_number)
            if now is None or now != creation:
                return unchanged(None)
            requeued = now.requeued(policy=self.policy, at=at)
            return write(requeued, result=requeued.task_number)

        decided = self.transactions.run([creation.key], decide)
        if decided is None:
            return Look.LEFT
        self.queue.enqueue(creation.creation_id, kind=creation.kind, number=decided)
        log.info("requeued", extra={"creation_id": creation.creation_id, "number": decided})
        return Look.REQUEUED


def _safely(look: Callable[[DueT], Look]) -> Callable[[DueT], str]:
    """Return what tells what came of a look; one bad case stops no other.

    Its log lines, and the tasks it makes, carry the trace of whoever swept, in any thread.
    """
    context = copy_context()

    def looked(due: DueT) -> str:
        try:
            return look(due)
        except PhoenixError as error:
            log.warning("sweep_error", extra={"document": due.key.id, "reason": repr(error)})
        except Exception:
            log.exception("sweep_error", extra={"document": due.key.id})
        return Look.ERROR

    return lambda due: context.copy().run(looked, due)
