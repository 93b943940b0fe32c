"""When the generator may be started again, and when a retry may be scheduled."""

import math
from datetime import datetime, timedelta

from shared.domain.creation import Creation
from shared.domain.kind import Kind
from shared.domain.policy import Policy

STARTS_UNKNOWN_MAX = {Kind.IMAGE: 1, Kind.VIDEO: 0}  # per debit, before another start


def has_starts_left(creation: Creation) -> bool:
    return creation.unknown_starts <= STARTS_UNKNOWN_MAX[creation.kind]


def may_start_again(creation: Creation, *, at: datetime, policy: Policy) -> bool:
    """Return whether the last unanswered start is at least the first retry delay ago.

    A task may fire `retry_early_s` before its time, so this allows as much.
    """
    if creation.intent is None:
        return True
    pause_s = policy.retry_delays_s[0] - policy.retry_early_s
    return at >= creation.intent.at + timedelta(seconds=pause_s)


def next_retry_at(
    creation: Creation, *, hint_s: float, uses_retry: bool = True, at: datetime, policy: Policy
) -> datetime | None:
    """Return when a later task may take over, or None if no retry is left or fits.

    The vendor's hint makes the delay longer, never shorter. A hint that leaves no time to run
    before the deadline is ignored: the policy's own delay may still be short enough.
    """
    delays_s = policy.retry_delays_s
    is_used_up = uses_retry and creation.retry_count >= len(delays_s)
    if is_used_up or not creation.has_attempts_left(policy):
        return None
    own = at + timedelta(seconds=delays_s[min(creation.retry_count, len(delays_s) - 1)])
    if creation.intent and creation.operation_name is None and has_starts_left(creation):
        own = max(own, creation.intent.at + timedelta(seconds=delays_s[0]))
    if not creation.has_time_to_run(own, policy=policy):
        return None
    hint_s = min(hint_s, policy.deadline_s) if math.isfinite(hint_s) else 0.0
    hinted = max(own, at + timedelta(seconds=max(0.0, hint_s)))
    return hinted if creation.has_time_to_run(hinted, policy=policy) else own


def can_be_retried(creation: Creation) -> bool:
    """Return whether a later attempt could still produce media.

    An image without an operation exists only in the response that was lost.
    """
    is_lost = creation.kind is Kind.IMAGE and creation.operation_name is None
    return has_starts_left(creation) or not is_lost
