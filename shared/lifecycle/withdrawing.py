"""Withdraw the task of a creation that was claimed or refunded: its job would find nothing to do."""

import logging

from shared.domain.creation import Creation
from shared.domain.errors import QueueUnavailable, WithdrawalRefused
from shared.ports.task_queue import TaskQueue

log = logging.getLogger(__name__)


def withdraw_task(queue: TaskQueue, written: Creation) -> None:
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
