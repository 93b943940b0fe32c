"""The invariants of one creation: its fields match its status, and it is neither late nor unbounded.

I6, I7, I12 and I17 of `invariants.py`.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from shared.domain.creation import Creation
from shared.domain.policy import Policy
from shared.domain.status import READY, Status
from shared.lifecycle.violation import Violation

COUNT_MAX = 100_000
"""More attempts or debits than a creation can have; the audit counts no further."""

EXPIRY_GRACE = timedelta(hours=2)
"""How long after its expiry a creation may be left: a sweep deletes a bounded number."""


def creation_violations(creation: Creation, *, at: datetime, policy: Policy) -> Iterator[Violation]:
    yield from late_violations(creation, at=at, policy=policy)
    for rule, holds in _state_rules(creation).items():
        if not holds:
            yield Violation("I12", creation.creation_id, f"does not hold: {rule}")
    hand_backs = creation.hand_back_count
    if len(creation.attempts_of_this_debit) > policy.attempts_max + hand_backs:
        yield Violation("I17", creation.creation_id, "has more attempts than allowed")
    has_retried_too_often = creation.retry_count > len(policy.retry_delays_s)
    has_requeued_too_often = creation.requeue_count > policy.requeues_max + hand_backs
    if has_requeued_too_often or has_retried_too_often or hand_backs > policy.hand_backs_max:
        yield Violation("I17", creation.creation_id, "has more tasks than allowed")
    if creation.attempt < creation.first_attempt - 1:
        yield Violation("I6", creation.creation_id, "its attempt number has decreased")


def late_violations(creation: Creation, *, at: datetime, policy: Policy) -> Iterator[Violation]:
    grace = timedelta(seconds=2 * policy.sweep_every_s)
    if creation.is_unfinished and creation.deadline_at and at > creation.deadline_at + grace:
        what = f"unfinished since its deadline {creation.deadline_at}"
        yield Violation("I7", creation.creation_id, what)
    expires_at, schedule = creation.expires_at, creation.schedule
    if expires_at and policy.draft_life_days and at > expires_at + EXPIRY_GRACE + grace:
        yield Violation("I7", creation.creation_id, f"not deleted since it expired {expires_at}")
    if schedule and at > schedule.try_at + grace:
        yield Violation("I7", creation.creation_id, f"not published since {schedule.try_at}")


def _state_rules(c: Creation) -> dict[str, bool]:
    """Return each rule about a creation's fields (I12), and whether it holds."""
    is_failed, is_published = c.status is Status.FAILED, c.status is Status.PUBLISHED
    deadline_at = c.deadline_at
    return {
        "it has its internals": bool(c.fingerprint),
        f"it has at most {COUNT_MAX} debits and attempts": (
            max(c.run_number, c.attempt) <= COUNT_MAX
        ),
        "sweep_at is set exactly while unfinished": c.is_unfinished == bool(c.sweep_at),
        "deadline_at is set exactly while unfinished": c.is_unfinished == bool(deadline_at),
        "it is swept by its deadline": _is_in_order(c.sweep_at, deadline_at),
        "it is retried before its deadline": _is_in_order(c.retry_at, deadline_at),
        "it waits for a retry only while pending": not c.retry_at or c.status is Status.PENDING,
        "a lease is held exactly while processing": (
            (c.status is Status.PROCESSING) == bool(c.lease_expires_at)
        ),
        "expires_at is set only while it may expire": c.may_expire or not c.expires_at,
        "only a draft has a schedule": c.status is Status.DRAFT or not c.schedule,
        "an error is set exactly when failed": is_failed == bool(c.error),
        "refunded is set exactly when failed": is_failed == c.refunded,
        "a ready one has media": c.status not in READY or bool(c.media_key and c.size_bytes),
        "a shared one is ready": not c.sharing.is_shared or c.status in READY,
        "a published one has its time": is_published == bool(c.published_at),
        "a published one has its public copy": (
            not is_published or bool(c.public_id and c.publication_count)
        ),
    }


def possible(count: int) -> int:
    """Return the count to check, which a damaged document may exceed by far."""
    return min(count, COUNT_MAX)


def _is_in_order(earlier: datetime | None, later: datetime | None) -> bool:
    return not (earlier and later and earlier > later)
