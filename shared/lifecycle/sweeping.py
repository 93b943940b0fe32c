"""The sweep: refund, requeue or delete what a crash left unfinished.

The queries return candidates only; each guard is checked again inside its transaction, so that
sweeps may run concurrently. One call does a bounded amount of work, oldest deadline first.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from shared.domain.creation import Creation
from shared.domain.errors import PhoenixError
from shared.domain.media import MediaDeletion
from shared.domain.policy import Policy
from shared.domain.status import Status
from shared.lifecycle.admission import midnight
from shared.lifecycle.downloads import remove_expired
from shared.lifecycle.duties import AT_ONCE, DELETIONS_AT_ONCE, Duty, Outcome, Turns
from shared.lifecycle.expiring import Expiring
from shared.lifecycle.failing import Failing, Refund, is_overdue
from shared.lifecycle.folding import Folding
from shared.lifecycle.like_counting import LikeCounting
from shared.lifecycle.media_cleanup import MediaCleanup
from shared.lifecycle.paging import pages
from shared.lifecycle.scheduling import Scheduling
from shared.lifecycle.transactions import Transactions
from shared.lifecycle.withdrawing import LimitedWithdrawals
from shared.ports.clock import Clock
from shared.ports.store import Decision, Found, unchanged, write
from shared.ports.task_queue import TaskQueue

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sweeping:
    """The sweep; `workers` has `AT_ONCE` threads, `media_workers` `MEDIA_AT_ONCE`."""

    transactions: Transactions
    failing: Failing
    cleanup: MediaCleanup
    scheduling: Scheduling
    expiring: Expiring
    queue: TaskQueue
    workers: Executor
    media_workers: Executor
    clock: Clock
    policy: Policy

    def sweep(self) -> dict[str, int]:
        """Handle what is due, within the policy's limits, and count the outcomes.

        Raises:
            StoreUnavailable: some of what is due could not be read; the rest was handled.
        """
        ages_s = [0.0]
        turns = Turns(
            self._duties(ages_s),
            workers=self.workers,
            media_workers=self.media_workers,
            clock=self.clock,
            policy=self.policy,
        )
        turns.work()
        oldest_s = round(max(ages_s), 1)
        facts = {**turns.counts, "oldest_unfinished_s": oldest_s, **self._cost_of_today()}
        log.info("swept", extra=facts)
        return dict(turns.counts)

    def _duties(self, ages_s: list[float]) -> list[Duty[Any]]:
        """Return what a sweep does, the repair of creations first."""
        at, store = self.clock.now(), self.transactions.store
        withdrawals = LimitedWithdrawals(self.queue, failures_left=AT_ONCE)
        repair = partial(self._repair, failing=replace(self.failing, queue=withdrawals))
        deletions = pages(partial(store.due_deletions, at), lambda each: each.due_at)
        return [
            Duty(self._due_creations(at, ages_s), repair),
            Duty(deletions, self._delete, media_at_once=DELETIONS_AT_ONCE),
            Folding(self.transactions, self.clock, self.policy).duty(at),
            LikeCounting(self.transactions, self.clock).duty(),
            Duty(
                pages(partial(store.expired_downloads, at), lambda each: each.expires_at),
                partial(remove_expired, self.transactions, self.clock),
            ),
            self.scheduling.duty(),
            self.expiring.duty(),
            self.expiring.walk_duty(),
        ]

    def _due_creations(self, at: datetime, ages_s: list[float]) -> Iterator[list[Creation]]:
        """Yield what is past its deadline and then what is due before it.

        Append the seconds since each debit to `ages_s`.
        """
        store = self.transactions.store
        for page in pages(partial(store.overdue, at), lambda each: each.deadline_at or at):
            ages_s += [each.unfinished_s(at, policy=self.policy) for each in page]
            yield interleaved(page)
        for page in pages(partial(store.due, at), lambda each: each.sweep_at or at):
            in_time = [each for each in page if not each.is_past_deadline(at)]
            ages_s += [each.unfinished_s(at, policy=self.policy) for each in in_time]
            yield interleaved(in_time)

    def _delete(self, deletion: MediaDeletion) -> Outcome:
        self.cleanup.carry_out(deletion)
        return Outcome.DELETED

    def _repair(self, creation: Creation, *, failing: Failing) -> Outcome:
        """Refund a creation that is overdue, requeue one that no process handles, leave the rest."""
        at = self.clock.now()
        if is_overdue(creation, at=at, policy=self.policy):
            refund = failing.fail_overdue(creation, at=at).refund
            return Outcome.REFUNDED if refund is Refund.MADE else Outcome.LEFT
        if self._is_in_progress(creation, at=at):
            self._postpone(creation, at + timedelta(seconds=self.policy.sweep_every_s))
            return Outcome.LEFT
        if not creation.has_requeues_left(self.policy):
            self._postpone(creation, creation.deadline_at or at)
            return Outcome.LEFT
        return self._requeue(creation, at=at)

    def _is_in_progress(self, creation: Creation, *, at: datetime) -> bool:
        """Return whether a task waits for it, or an attempt has held it until a moment ago.

        That its execution still runs proves nothing: it works on other creations.
        """
        if creation.status is Status.PENDING:
            id_, number = creation.creation_id, creation.task_number
            return self.queue.waits(id_, kind=creation.kind, number=number)
        return creation.is_leased(at - timedelta(seconds=self.policy.lease_grace_s))

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

    def _cost_of_today(self) -> dict[str, float]:
        """Return the vendor cost of the UTC day for its alert, or nothing if it is unknown."""
        try:
            cost_usd = self.transactions.store.cost_usd_since(midnight(self.clock.now()))
        except PhoenixError as error:
            log.warning("gauge_unreadable", extra={"reason": repr(error)})
            return {}
        return {"day_cost_usd": round(cost_usd, 2)}


def interleaved(page: list[Creation]) -> list[Creation]:
    """Order a page by turns of the accounts, each oldest first.

    Transactions of one account wait for each other.
    """
    counts: Counter[str] = Counter()

    def turn(creation: Creation) -> int:
        counts[creation.user_id] += 1
        return counts[creation.user_id]

    return sorted(page, key=turn)
