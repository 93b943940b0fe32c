"""Failing a creation: the status, the refund and its ledger entry in one transaction, once.

After the refund its task is withdrawn: it would start a job that finds nothing to do, and hold up
the tasks behind it. A task that cannot be withdrawn changes nothing else.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from shared.domain.account import account_key
from shared.domain.creation import Creation, creation_key
from shared.domain.errors import LeaseLost, QueueUnavailable, Unavailable, WithdrawalRefused
from shared.domain.failure import FailureCode
from shared.domain.ledger import Actor, Cost, entry_key, refund_id
from shared.domain.media import MediaDeletion, attempts_deletion_id
from shared.domain.policy import Policy
from shared.domain.status import Status
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.store import Decision, Document, Found, unchanged, write
from shared.ports.task_queue import TaskQueue

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settlement:
    """A creation as it is now (None: deleted), and whether this call failed it.

    `is_refunded`: the debit is back, whoever gave it.
    """

    creation: Creation | None
    is_mine: bool
    is_refunded: bool


@dataclass(frozen=True)
class Settling:
    """Giving tokens back."""

    transactions: Transactions
    queue: TaskQueue
    clock: Clock
    policy: Policy

    def fail_attempt(
        self, mine: Creation, code: FailureCode, *, answered_no: bool, billed_usd: float = 0.0
    ) -> None:
        """Fail a creation that this attempt holds; `answered_no`: its start came to nothing.

        `billed_usd` is what the vendor bills for that start.

        Raises:
            LeaseLost: another holds it, or it is settled: nothing was written.
        """
        settlement = self._fail(
            mine,
            code,
            actor=Actor.JOB,
            answered_no=answered_no,
            billed_usd=billed_usd,
            may_fail=lambda now: (
                mine.lease_owner is not None
                and now.is_held_by(mine.lease_owner, attempt=mine.attempt)
            ),
        )
        if not settlement.is_mine:
            raise LeaseLost(creation_id=mine.creation_id)

    def fail_unqueued(self, creation: Creation) -> Settlement:
        """Fail a creation that has no task: only while nobody has ever claimed it for its debit."""
        return self._fail(
            creation,
            FailureCode.QUEUE_UNAVAILABLE,
            actor=Actor.API,
            queue_error_code=FailureCode.QUEUE_UNAVAILABLE,
            may_fail=lambda now: (
                now.status is Status.PENDING and not now.was_claimed_for_this_debit
            ),
        )

    def cancel(self, creation: Creation) -> Settlement:
        """Fail a creation for its owner: only while it waits and no generator was told of it."""
        return self._fail(
            creation,
            FailureCode.CANCELLED,
            actor=Actor.OWNER,
            may_fail=lambda now: (
                now.status is Status.PENDING and now.intent is None and now.operation_name is None
            ),
        )

    def fail_overdue(self, creation: Creation, *, at: datetime) -> Settlement:
        """Fail a creation whose deadline is over, or whose attempts are used up."""
        past_deadline = creation.is_past_deadline(at)
        code = FailureCode.DEADLINE_EXCEEDED if past_deadline else FailureCode.WORKER_LOST
        return self._fail(
            creation,
            code,
            actor=Actor.SWEEP,
            may_fail=lambda now: now.is_unfinished and is_overdue(now, at=at, policy=self.policy),
        )

    def _fail(
        self,
        creation: Creation,
        code: FailureCode,
        *,
        actor: Actor,
        may_fail: Callable[[Creation], bool],
        queue_error_code: str | None = None,
        answered_no: bool = False,
        billed_usd: float = 0.0,
    ) -> Settlement:
        at = self.clock.now()
        debits = creation.run_number
        account_at, creation_at = account_key(creation.user_id), creation_key(creation.creation_id)
        refund_at = entry_key(refund_id(creation.creation_id, debits))
        decided: Creation | None = None

        def decide(found: Found) -> Decision[Settlement]:
            nonlocal decided
            now, account = found.get(creation_at), found.get(account_at)
            is_refunded = found.get(refund_at) is not None
            if now is None or account is None or now.run_number != debits or not may_fail(now):
                is_mine = found.may_have_landed and is_refunded
                return unchanged(Settlement(now, is_mine=is_mine, is_refunded=is_refunded))
            if answered_no:
                now = now.without_start(billed_usd=billed_usd, at=at)
            failed = decided = now.failed(code, queue_error_code=queue_error_code, at=at)
            refunded, entry = account.refunded(
                now.cost_tokens,
                kind=now.kind,
                creation_id=now.creation_id,
                debit=debits,
                actor=actor,
                code=code,
                at=at,
            )
            return write(
                failed,
                refunded,
                entry,
                *leftovers(now, now.keys_of(now.attempts_of_this_debit), policy=self.policy, at=at),
                result=Settlement(failed, is_mine=True, is_refunded=True),
            )

        facts = _facts(creation, code, actor)
        try:
            settlement = self.transactions.run([creation_at, account_at, refund_at], decide)
        except Unavailable:
            log.exception("refund_failed", extra=facts)
            raise
        if settlement.is_mine and decided is not None:
            refund = {
                "refunded_tokens": decided.cost_tokens,
                "seconds": round(creation.unfinished_s(at, policy=self.policy), 1),
                "refund_lag_s": round(max(0.0, creation.overdue_s(at)), 1),
                "cost_usd": decided.estimated_cost_usd,
            }
            log.info("creation_failed", extra={**facts, **refund})
            self._withdraw_task(decided)
        return settlement

    def _withdraw_task(self, failed: Creation) -> None:
        """Withdraw the last task of a creation, by the number that its refund wrote.

        A number that is read later may be the next debit's: that task must run.
        """
        facts = {"creation_id": failed.creation_id, "number": failed.task_number}
        try:
            self.queue.withdraw(failed.creation_id, kind=failed.kind, number=failed.task_number)
        except WithdrawalRefused as error:
            log.error("withdrawal_refused", extra={**facts, "reason": error.reason})  # noqa: TRY400 (a missing grant has no use for a stack)
        except QueueUnavailable as error:
            log.warning("withdrawal_failed", extra={**facts, "reason": error.reason})


def _facts(creation: Creation, code: FailureCode, actor: Actor) -> dict[str, object]:
    return {
        "creation_id": creation.creation_id,
        "kind": creation.kind,
        "attempt": creation.attempt,
        "execution": creation.execution_name,
        "failure": code,
        "actor": actor,
    }


def is_overdue(creation: Creation, *, at: datetime, policy: Policy) -> bool:
    """Tell whether only a refund is left: the deadline is over, or nobody may claim it again."""
    is_lost = not creation.is_leased(at) and not creation.has_attempts_left(policy)
    return creation.is_past_deadline(at) or is_lost


def leftovers(
    creation: Creation, keys: tuple[str, ...], *, policy: Policy, at: datetime
) -> tuple[Document, ...]:
    """Return what settles with a creation: the run's cost, and the files that nothing names."""
    cost = Cost(
        cost_id=f"{creation.creation_id}_{creation.run_number}",
        model=creation.model,
        estimated_cost_usd=creation.estimated_cost_usd,
        kind=creation.kind,
        was_claimed=creation.was_claimed_for_this_debit,
        created_at=at,
    )
    if not keys:
        return (cost,)
    deletion = MediaDeletion.later(
        attempts_deletion_id(creation.creation_id, creation.run_number),
        keys,
        at=at,
        policy=policy,
    )
    return (cost, deletion)
