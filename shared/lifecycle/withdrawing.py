"""Withdraw the task of a creation that was claimed or refunded: its job would find nothing to do."""

import logging
from dataclasses import dataclass
from typing import Protocol

from shared.domain.creation import Creation
from shared.domain.errors import QueueUnavailable, WithdrawalRefused
from shared.domain.keys import CreationId
from shared.domain.kind import Kind

log = logging.getLogger(__name__)


class Withdrawals(Protocol):
    """The part of `TaskQueue` that a refund needs."""

    def withdraw(self, creation_id: CreationId, *, kind: Kind, number: int) -> None: ...


@dataclass(eq=False)
class LimitedWithdrawals:
    """Withdraws tasks until so many withdrawals have failed, each after up to 1.4 s."""

    queue: Withdrawals
    failures_left: int

    def withdraw(self, creation_id: CreationId, *, kind: Kind, number: int) -> None:
        if self.failures_left <= 0:
            raise QueueUnavailable(reason="not tried: too many withdrawals failed before")
        try:
            self.queue.withdraw(creation_id, kind=kind, number=number)
        except QueueUnavailable:
            self.failures_left -= 1
            raise


def withdraw_task(queue: Withdrawals, written: Creation) -> None:
    """Withdraw its last task; failing changes nothing else.

    `written` is what the claim or refund wrote: a number that is read later may be the next run's,
    and that task must run.
    """
    facts = {"creation_id": written.creation_id, "number": written.task_number}
    try:
        queue.withdraw(written.creation_id, kind=written.kind, number=written.task_number)
    except WithdrawalRefused as error:
        log.error("withdrawal_refused", extra={**facts, "reason": error.reason})  # noqa: TRY400 (a missing grant needs no stack trace)
    except QueueUnavailable as error:
        log.warning("withdrawal_failed", extra={**facts, "reason": error.reason})
