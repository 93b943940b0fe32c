"""Expiry: the sweep deletes drafts and failed creations whose life has ended.

Creations of releases before it have no `expires_at`, which no query finds. A walk through all
creations, a part in each sweep, gives them a life that counts from then. A day after the first walk
has ended, a second one does the same for what older releases wrote while they still ran.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from shared.domain.creation import Creation
from shared.domain.media import MediaDeletion
from shared.domain.policy import Policy
from shared.domain.retention import has_wrong_expiry, later_life_ends_at
from shared.domain.sweep_mark import SweepMark, sweep_mark_key
from shared.lifecycle.duties import EXPIRIES_AT_ONCE, Duty, Outcome
from shared.lifecycle.media_cleanup import MediaCleanup
from shared.lifecycle.paging import pages
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.store import Decision, Found, unchanged, write

log = logging.getLogger(__name__)

WALK = "expiry"
WALK_BATCH = 100
"""Creations that one transaction reads and may write: two documents each, of 500 allowed."""
WALK_BATCHES_PER_SWEEP = 20
SECOND_WALK_AFTER = timedelta(days=1)
"""How long after the first walk an older release may still be running."""


@dataclass(frozen=True)
class Expiring:
    transactions: Transactions
    cleanup: MediaCleanup
    clock: Clock
    policy: Policy

    def duty(self) -> Duty[Creation]:
        at, store = self.clock.now(), self.transactions.store
        due = pages(partial(store.expired, at), lambda each: each.expires_at or at)
        return Duty(due, self.expire, media_at_once=EXPIRIES_AT_ONCE)

    def walk_duty(self) -> Duty[SweepMark]:
        return Duty(self._marks(), self._walk)

    def expire(self, creation: Creation) -> Outcome:
        """Delete a creation if the `expires_at` that was read is still its own and has passed."""
        at = self.clock.now()

        def decide(found: Found) -> Decision[MediaDeletion | None]:
            current = found.get(creation.key)
            if current is None or not _has_passed(current.expires_at, read=creation, at=at):
                return unchanged(None)
            if not current.may_expire or not self.policy.draft_life_days:
                return write(replace(current, expires_at=None), result=None)
            ends_at = later_life_ends_at(current, self.policy)
            if ends_at is not None and ends_at > at:
                later = replace(current, expires_at=ends_at, expiry_run=current.run_number)
                return write(later, result=None)
            return self.cleanup.removal(current, at=at)

        deletion = self.transactions.run(
            [creation.key], decide, landed=lambda found, _: found.get(creation.key) is None
        )
        if deletion is None:
            return Outcome.LEFT
        self.cleanup.carry_out_or_defer(deletion)
        facts = {"creation_id": creation.creation_id, "kind": creation.kind}
        log.info("creation_expired", extra={**facts, "status": creation.status})
        return Outcome.EXPIRED

    def _marks(self) -> Iterator[list[SweepMark]]:
        """Yield where the walk continues, unless it has ended or waits for its second time.

        While nothing expires its mark is removed: it begins again when something may.
        """
        mark = self.transactions.store.get(sweep_mark_key(WALK))
        if not self.policy.draft_life_days:
            if mark is not None:
                yield [mark]
            return
        mark = mark or SweepMark(duty=WALK)
        begins_at = mark.reached_at and mark.reached_at + SECOND_WALK_AFTER
        if not mark.has_ended and (begins_at is None or self.clock.now() >= begins_at):
            yield [mark]

    def _walk(self, mark: SweepMark) -> None:
        if not self.policy.draft_life_days:
            self._forget(mark)
            return
        store, current = self.transactions.store, mark
        for _ in range(WALK_BATCHES_PER_SWEEP):
            batch = store.creations_by_id(current.after_id, WALK_BATCH)
            moved = self._corrected(current, batch)
            if moved is None or not batch:
                return
            current = moved

    def _forget(self, mark: SweepMark) -> None:
        def decide(found: Found) -> Decision[None]:
            is_there = found.get(mark.key) is not None
            return write(removing=(mark.key,), result=None) if is_there else unchanged(None)

        self.transactions.run([mark.key], decide)

    def _corrected(self, mark: SweepMark, batch: list[Creation]) -> SweepMark | None:
        """Correct the expiry of a batch and move the mark; None if another sweep has moved it."""
        at = self.clock.now()
        wrong = [each.key for each in batch if has_wrong_expiry(each, self.policy)]
        moved = _moved(mark, batch, at)

        def decide(found: Found) -> Decision[SweepMark | None]:
            if (found.get(mark.key) or SweepMark(duty=WALK)) != mark:
                return unchanged(None)
            current = [each for key in wrong if (each := found.get(key)) is not None]
            corrected = [self._with_right_expiry(each, at) for each in current]
            return write(moved, *corrected, result=moved)

        result = self.transactions.run(
            [mark.key, *wrong], decide, landed=lambda found, sent: found.get(mark.key) == sent
        )
        if result is not None and (wrong or not batch):
            facts = {"creations": len(wrong), "after_id": mark.after_id, "ended": not batch}
            log.info("expiry_corrected", extra=facts)
        return result

    def _with_right_expiry(self, creation: Creation, at: datetime) -> Creation:
        is_wrong = has_wrong_expiry(creation, self.policy)
        return creation.with_expiry(policy=self.policy, at=at) if is_wrong else creation


def _has_passed(expires_at: datetime | None, *, read: Creation, at: datetime) -> bool:
    return expires_at is not None and expires_at == read.expires_at and expires_at <= at


def _moved(mark: SweepMark, batch: list[Creation], at: datetime) -> SweepMark:
    """Return where the walk continues: after a batch, with its second time, or never."""
    if batch:
        return replace(mark, after_id=batch[-1].creation_id)
    if mark.reached_at is None:
        return replace(mark, after_id=None, reached_at=at)
    return replace(mark, after_id=None, has_ended=True)
