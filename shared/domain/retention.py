"""Keeping, expiring and scheduling a creation: each function returns a changed copy.

A commit without a response can land later, unless the creation changes first. So an owner's request
that finds its wish fulfilled returns the creation `fenced`: an earlier, opposite one cannot land after it.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from shared.domain.creation import Creation
from shared.domain.errors import IllegalTransition
from shared.domain.policy import Policy
from shared.domain.schedule import Schedule, ScheduleError
from shared.domain.status import Status

UNSWEPT = timedelta(hours=1)
"""How long after `expires_at` no creation is left while this release sweeps."""


def fenced(creation: Creation, *, at: datetime) -> Creation:
    """Return it as it is, changed so that no commit which read it before can land."""
    return replace(creation, updated_at=at)


def without_begun_publication(creation: Creation, *, at: datetime) -> Creation:
    """Return a draft that a publication in progress, with its files half copied, finds changed."""
    begun = creation.publication_count + (creation.public_id is not None)
    return replace(fenced(creation, at=at), publication_count=begun)


def with_kept(creation: Creation, *, is_kept: bool, policy: Policy, at: datetime) -> Creation:
    """Return a settled creation kept, or with its life counted from now; a repeat moves no date."""
    if creation.is_unfinished:
        raise IllegalTransition(status=creation.status)
    if creation.is_kept == is_kept:
        return fenced(creation, at=at)
    changed = replace(creation, is_kept=is_kept, updated_at=at)
    return changed.with_expiry(policy=policy, at=at)


def scheduled(
    creation: Creation, publish_at: datetime, caption: str | None, *, at: datetime
) -> Creation:
    """Return a draft with this schedule instead of any earlier one."""
    if creation.status is not Status.DRAFT:
        raise IllegalTransition(status=creation.status)
    return replace(
        creation,
        schedule=Schedule.of(publish_at),
        schedule_error=None,
        caption=creation.caption if caption is None else caption,
        expires_at=None,
        updated_at=at,
    )


def unscheduled(
    creation: Creation, error: ScheduleError | None = None, *, policy: Policy, at: datetime
) -> Creation:
    """Return it without its schedule, which an error may have ended; its life counts from now."""
    changed = replace(creation, schedule=None, schedule_error=error, updated_at=at)
    return changed.with_expiry(policy=policy, at=at)


def has_wrong_expiry(creation: Creation, policy: Policy) -> bool:
    """Return whether an earlier release, or other settings, left it without the right expiry."""
    if not creation.may_expire:
        return creation.expires_at is not None
    return creation.expires_at is None and policy.draft_life_days > 0


def later_life_ends_at(creation: Creation, policy: Policy) -> datetime | None:
    """Return the end of a later life than that which `expires_at` ends, or None.

    A release before the expiry retries, settles and unpublishes without a change of `expires_at`. It
    ran if the run is a later one, or if a change came long after `expires_at`: no sweep was running.
    """
    expires_at = creation.expires_at or creation.updated_at
    is_unswept = creation.updated_at > expires_at + UNSWEPT
    if creation.expiry_run == creation.run_number and not is_unswept:
        return None
    return creation.updated_at + timedelta(days=policy.draft_life_days)
