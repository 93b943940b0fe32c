"""Scheduled publication: the owner sets and withdraws a time, the sweep publishes then.

It publishes by the ordinary two steps, each of which requires that the schedule is still the one
that the sweep read. The first one also sets the time of the next try.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from shared.domain.creation import Creation
from shared.domain.errors import CreationNotFound, MediaMissing, MediaUnavailable
from shared.domain.keys import UserId
from shared.domain.policy import Policy
from shared.domain.retention import fenced, scheduled, unscheduled
from shared.domain.schedule import ScheduleError, check_publish_at
from shared.domain.status import Status
from shared.lifecycle.duties import COPIES_AT_ONCE, Duty, Outcome
from shared.lifecycle.paging import pages
from shared.lifecycle.publishing import Publishing, ScheduleChanged
from shared.lifecycle.reading import Reading, owned
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.store import Decision, Found, unchanged, write

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scheduling:
    transactions: Transactions
    reading: Reading
    publishing: Publishing
    clock: Clock
    policy: Policy

    def schedule(
        self, creation_id: str, *, owner: UserId, publish_at: datetime, caption: str | None = None
    ) -> Creation:
        """Let the sweep publish a draft then, instead of at an earlier schedule's time.

        A repeat is accepted even if the time is less than a minute ahead by then. It changes only
        `updated_at`: a withdrawal whose commit is late finds the draft changed.
        `CreationNotFound`, `IllegalTransition`, `WrongField`: nothing was written.
        """
        draft, at = self.reading.own_creation(creation_id, owner=owner), self.clock.now()

        def decide(found: Found) -> Decision[Creation]:
            current = owned(found.get(draft.key), owner)
            is_same_caption = caption in (None, current.caption)
            if current.schedule and current.schedule.publish_at == publish_at and is_same_caption:
                changed = fenced(current, at=at)
            else:
                check_publish_at(publish_at, at)
                changed = scheduled(current, publish_at.astimezone(UTC), caption, at=at)
            return write(changed, result=changed)

        changed = self.transactions.run([draft.key], decide)
        facts = {"creation_id": creation_id, "publish_at": publish_at.isoformat()}
        log.info("creation_scheduled", extra=facts)
        return changed

    def unschedule(self, creation_id: str, *, owner: UserId) -> Creation:
        """Withdraw a schedule, if there is one; `CreationNotFound` means that nothing was written.

        A draft without one is changed, too: a schedule whose commit is late finds it changed.
        """
        draft, at = self.reading.own_creation(creation_id, owner=owner), self.clock.now()

        def decide(found: Found) -> Decision[Creation]:
            current = owned(found.get(draft.key), owner)
            if current.status is not Status.DRAFT:
                return unchanged(current)
            if current.schedule is None:
                changed = fenced(current, at=at)
            else:
                changed = unscheduled(current, policy=self.policy, at=at)
            return write(changed, result=changed)

        changed = self.transactions.run([draft.key], decide)
        log.info("creation_unscheduled", extra={"creation_id": creation_id})
        return changed

    def duty(self) -> Duty[Creation]:
        at, store = self.clock.now(), self.transactions.store
        due = pages(partial(store.scheduled, at), lambda each: each.next_try_at or at)
        return Duty(due, self.carry_out, media_at_once=COPIES_AT_ONCE)

    def carry_out(self, draft: Creation) -> Outcome:
        """Publish a draft by the schedule that it was read with, or end the schedule."""
        schedule, facts = draft.schedule, {"creation_id": draft.creation_id}
        if schedule is None or draft.status is not Status.DRAFT:
            return self._end(draft)  # an earlier release published it and could not clear it
        if schedule.has_failed:
            return self._end(draft, ScheduleError.STORAGE_FAILED)
        try:
            self.publishing.publish_scheduled(draft)
        except (CreationNotFound, ScheduleChanged):
            return Outcome.LEFT
        except MediaMissing:
            return self._end(draft, ScheduleError.MEDIA_MISSING)
        except MediaUnavailable as error:
            log.warning("schedule_delayed", extra={**facts, "reason": repr(error)})
            return Outcome.LEFT
        return Outcome.PUBLISHED

    def _end(self, draft: Creation, error: ScheduleError | None = None) -> Outcome:
        """Remove the schedule, unless it was replaced; the draft's life counts from now."""
        at, schedule = self.clock.now(), draft.schedule

        def decide(found: Found) -> Decision[None]:
            current = found.get(draft.key)
            if current is None or schedule is None or not schedule.is_still(current.schedule):
                return unchanged(None)
            return write(unscheduled(current, error, policy=self.policy, at=at), result=None)

        self.transactions.run([draft.key], decide)
        log.warning("schedule_ended", extra={"creation_id": draft.creation_id, "failure": error})
        return Outcome.LEFT
