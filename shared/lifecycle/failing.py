"""Failing a creation: status, refund and ledger entry in one transaction, once.

Its task is withdrawn after the refund: it would start a job that finds nothing to do and delay the
tasks behind it. A task that cannot be withdrawn changes nothing else.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from shared.domain.account import Account, account_key
from shared.domain.creation import Creation
from shared.domain.errors import (
    AlreadyStarted,
    IllegalTransition,
    LeaseLost,
    Unavailable,
)
from shared.domain.failure import FailureCode
from shared.domain.keys import UserId
from shared.domain.ledger import (
    MICRO_USD_PER_USD,
    Actor,
    Cost,
    LedgerEntry,
    RunOutcome,
    entry_key,
    refund_id,
)
from shared.domain.media import MediaDeletion
from shared.domain.policy import Policy
from shared.domain.status import Status
from shared.lifecycle.reading import Reading, owned
from shared.lifecycle.transactions import Transactions
from shared.lifecycle.withdrawing import Withdrawals, withdraw_task
from shared.ports.clock import Clock
from shared.ports.store import Decision, Document, Found, unchanged, write

log = logging.getLogger(__name__)


class Refund(Enum):
    """Whether the debit of a run was refunded, and by which call."""

    MADE = auto()
    MADE_BEFORE = auto()
    NOT_DUE = auto()


@dataclass(frozen=True)
class Settlement:
    """The creation after an attempt to fail it (None: deleted), and what became of its debit."""

    creation: Creation | None
    refund: Refund


@dataclass(frozen=True)
class Failing:
    transactions: Transactions
    reading: Reading
    queue: Withdrawals
    clock: Clock
    policy: Policy

    def cancel(self, creation_id: str, *, owner: UserId) -> Creation:
        """Fail a creation for its owner: only while it is unfinished and no start is on record.

        A job that has claimed it finds its lease lost before it starts the generator.
        `CreationNotFound`, `AlreadyStarted` and `IllegalTransition` mean that nothing was written.
        """
        creation = self.reading.own_creation(creation_id, owner=owner)
        settlement = self.fail_cancelled(creation)
        current = owned(settlement.creation, owner)
        if settlement.refund is Refund.MADE:
            return current
        if current.is_unfinished and not current.is_cancellable:
            raise AlreadyStarted
        raise IllegalTransition(status=current.status)

    def fail_cancelled(self, creation: Creation) -> Settlement:
        return self._fail(
            creation,
            FailureCode.CANCELLED,
            actor=Actor.OWNER,
            may_fail=lambda current: current.is_cancellable,
        )

    def fail_attempt(
        self, claimed: Creation, code: FailureCode, *, start_failed: bool, billed_usd: float = 0.0
    ) -> None:
        """Fail a creation under this attempt's lease, or raise `LeaseLost`: nothing was written.

        `start_failed`: its start produced nothing, and the vendor bills `billed_usd` for it.
        """
        settlement = self._fail(
            claimed,
            code,
            actor=Actor.JOB,
            start_billed_usd=billed_usd if start_failed else None,
            may_fail=lambda current: (
                claimed.lease_owner is not None
                and current.is_held_by(claimed.lease_owner, attempt=claimed.attempt)
            ),
        )
        if settlement.refund is not Refund.MADE:
            raise LeaseLost(creation_id=claimed.creation_id)

    def fail_unqueued(self, creation: Creation) -> Settlement:
        """Fail a creation without a task, unless an attempt has claimed its current run."""
        return self._fail(
            creation,
            FailureCode.QUEUE_UNAVAILABLE,
            actor=Actor.API,
            may_fail=lambda current: (
                current.status is Status.PENDING and not current.was_claimed_for_this_debit
            ),
        )

    def fail_overdue(self, creation: Creation, *, at: datetime) -> Settlement:
        """Fail a creation whose deadline has passed or whose attempts are used up."""
        past_deadline = creation.is_past_deadline(at)
        return self._fail(
            creation,
            FailureCode.DEADLINE_EXCEEDED if past_deadline else FailureCode.WORKER_LOST,
            actor=Actor.SWEEP,
            may_fail=lambda current: (
                current.is_unfinished and is_overdue(current, at=at, policy=self.policy)
            ),
        )

    def _fail(
        self,
        creation: Creation,
        code: FailureCode,
        *,
        actor: Actor,
        may_fail: Callable[[Creation], bool],
        start_billed_usd: float | None = None,
    ) -> Settlement:
        at, run_number = self.clock.now(), creation.run_number
        user_key = account_key(creation.user_id)
        refund_key = entry_key(refund_id(creation.creation_id, run_number))
        reading = creation.key, user_key, refund_key

        def decide(found: Found) -> Decision[Settlement]:
            current, account = found.get(creation.key), found.get(user_key)
            if current is None or account is None or current.run_number != run_number:
                return _not_failed(current, found.get(refund_key))
            if not may_fail(current):
                return _not_failed(current, found.get(refund_key))
            if start_billed_usd is not None:
                current = current.without_start(billed_usd=start_billed_usd, at=at)
            return self._refund(current, account, code, actor=actor, at=at)

        def landed(found: Found, _: Settlement) -> bool:
            refund = found.get(refund_key)
            return refund is not None and (refund.actor, refund.created_at) == (actor, at)

        facts = _facts(creation, code, actor)
        try:
            settlement = self.transactions.run(reading, decide, landed=landed)
        except Unavailable:
            log.exception("refund_failed", extra=facts)
            raise
        failed = settlement.creation
        if settlement.refund is Refund.MADE and failed is not None:
            refund = {
                "refunded_tokens": failed.cost_tokens,
                "seconds": round(creation.unfinished_s(at, policy=self.policy), 1),
                "refund_lag_s": round(max(0.0, creation.overdue_s(at)), 1),
                "cost_usd": failed.estimated_cost_usd,
            }
            log.info("creation_failed", extra={**facts, **refund})
            withdraw_task(self.queue, failed)
        return settlement

    def _refund(
        self, current: Creation, account: Account, code: FailureCode, *, actor: Actor, at: datetime
    ) -> Decision[Settlement]:
        queue_error = code if code is FailureCode.QUEUE_UNAVAILABLE else None
        failed = current.failed(code, queue_error_code=queue_error, policy=self.policy, at=at)
        id_, kind, run = current.creation_id, current.kind, current.run_number
        tokens = current.cost_tokens
        refunded, entry = account.refunded(
            tokens, kind=kind, creation_id=id_, debit=run, actor=actor, code=code, at=at
        )
        unused = current.keys_of(current.attempts_of_this_debit)
        return write(
            failed,
            refunded,
            entry,
            *end_of_run(current, unused, failure=code, policy=self.policy, at=at),
            result=Settlement(failed, Refund.MADE),
        )


def _not_failed(current: Creation | None, refund: LedgerEntry | None) -> Decision[Settlement]:
    outcome = Refund.NOT_DUE if refund is None else Refund.MADE_BEFORE
    return unchanged(Settlement(current, outcome))


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
    """Return whether only a refund is left: past the deadline, or no claim is allowed any more."""
    is_lost = not creation.is_leased(at) and not creation.has_attempts_left(policy)
    return creation.is_past_deadline(at) or is_lost


def end_of_run(
    creation: Creation,
    unused_keys: tuple[str, ...],
    *,
    failure: FailureCode | None = None,
    policy: Policy,
    at: datetime,
) -> tuple[Document, ...]:
    """Return what is written when a run settles: its outcome, and the deletion of orphaned files."""
    cost_usd, lag_s = creation.estimated_cost_usd, creation.overdue_s(at) if failure else 0.0
    cost = Cost(
        cost_id=f"{creation.creation_id}_{creation.run_number}",
        model=creation.model,
        estimated_cost_usd=cost_usd,
        kind=creation.kind,
        was_claimed=creation.was_claimed_for_this_debit,
        created_at=at,
        creation_id=creation.creation_id,
        outcome=RunOutcome.FAILED if failure else RunOutcome.READY,
        failure=failure,
        seconds=round(max(0.0, creation.unfinished_s(at, policy=policy)), 3),
        refund_lag_s=round(max(0.0, lag_s), 3),
        cost_micro_usd=round(cost_usd * MICRO_USD_PER_USD),
        fold_at=at,
    )
    if not unused_keys:
        return (cost,)
    deletion = MediaDeletion.later(
        f"{creation.creation_id}_attempts_{creation.run_number}",
        unused_keys,
        at=at,
        policy=policy,
    )
    return (cost, deletion)
