"""The count of likes: a duty of the sweep recounts the creations whose likes changed.

It looks at likes changed since its mark less `LOOK_BACK`, because a commit can land late. It counts
each creation once a sweep, and moves the mark only over likes whose recounts all succeeded. What one
sweep cannot finish, the next ones continue; then the mark is the time at which the first one began.
"""

import logging
from collections import deque
from collections.abc import Collection as Items
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Lock

from shared.domain.creation import Creation, creation_key
from shared.domain.errors import OutcomeUnknown, StoreContention, StoreUnavailable, Unavailable
from shared.domain.keys import CreationId
from shared.domain.like import Like
from shared.domain.sweep_mark import SweepMark, sweep_mark_key
from shared.lifecycle.duties import Duty, Outcome
from shared.lifecycle.paging import pages
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.store import Decision, Found, unchanged, write

log = logging.getLogger(__name__)

LIKES_MARK = "likes"
LOOK_BACK = timedelta(minutes=10)
"""A sent commit can land 260 s late, both of a like and of its count; clocks differ by seconds."""
COMMIT_WITHIN_S = 30
"""After a longer time, a like is written again and a count is repeated: `LOOK_BACK` may not cover it."""
COUNTS_MAX = 5
"""How often a creation is counted while its like count changes, or while counting is slow."""
EARLIEST = datetime.fromtimestamp(0, UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class LikeCounting:
    transactions: Transactions
    clock: Clock

    def duty(self) -> Duty[Like]:
        """Return one sweep's duty; one like represents its creation."""
        progress = Progress()
        return Duty(self._changed(progress), partial(self._count, progress))

    def _changed(self, progress: "Progress") -> Iterator[list[Like]]:
        """Yield a like of each creation whose likes changed, and each creation once."""
        store, began_at = self.transactions.store, self.clock.now()
        mark = store.get(sweep_mark_key(LIKES_MARK)) or SweepMark(duty=LIKES_MARK)
        end, since = replace(mark, resumes_at=None), mark.resumes_at
        if since is None:
            since = mark.reached_at - LOOK_BACK if mark.reached_at else EARLIEST
            end = replace(mark, reached_at=began_at)
        known: set[CreationId] = set()
        is_empty = True
        for page in pages(partial(store.changed_likes, since), lambda each: each.changed_at):
            is_empty = False
            chosen = {each.creation_id: each for each in page if each.creation_id not in known}
            known.update(chosen)
            until = min(page[-1].changed_at, began_at)
            self._reach(progress.begun(chosen, replace(end, resumes_at=until)))
            yield [*chosen.values()]
            if page[-1].changed_at > began_at:
                break
        if not is_empty or mark.resumes_at:
            self._reach(progress.begun((), end))

    def _count(self, progress: "Progress", like: Like) -> Outcome:
        """Count one creation; if it can never be counted, report it and let the mark pass."""
        outcome = Outcome.COUNTED
        try:
            self.count(like.creation_id)
        except Exception as error:
            if _may_succeed_later(error):
                raise
            log.exception("likes_uncountable", extra={"creation_id": like.creation_id})
            outcome = Outcome.ERROR
        self._reach(progress.done(like.creation_id))
        return outcome

    def count(self, creation_id: CreationId) -> None:
        """Count the likes of a creation and write the count if it differs.

        An older count must not replace a newer one: the creation must be as it was before counting,
        and a count that was, or may have been, committed late is repeated.
        """
        store = self.transactions.store
        for _ in range(COUNTS_MAX):
            creation, began_s = store.get(creation_key(creation_id)), self.clock.monotonic_s()
            if creation is None:
                return
            counted = replace(creation, like_count=store.like_count(creation_id))
            if counted == creation:
                return
            try:
                is_written = self._replace(creation, counted, until_s=began_s + COMMIT_WITHIN_S)
            except OutcomeUnknown:
                continue
            if is_written and self.clock.monotonic_s() <= began_s + COMMIT_WITHIN_S:
                return
        raise StoreContention(reason="the creation changed during each of its recounts")

    def _replace(self, creation: Creation, counted: Creation, *, until_s: float) -> bool:
        """Write the counted creation in time and unless the creation has changed, or return False."""

        def decide(found: Found) -> Decision[bool]:
            is_late = self.clock.monotonic_s() > until_s
            if is_late or found.get(creation.key) != creation:
                return unchanged(result=False)
            return write(counted, result=True)

        return self.transactions.run(
            [creation.key], decide, landed=lambda found, _: found.get(creation.key) == counted
        )

    def _reach(self, moved: SweepMark | None) -> None:
        """Move the mark forward."""
        if moved is None:
            return

        def decide(found: Found) -> Decision[None]:
            mark = found.get(moved.key)
            if mark is not None and _order(mark) >= _order(moved):
                return unchanged(None)
            return write(moved, result=None)

        self.transactions.run([moved.key], decide)


@dataclass
class Progress:
    """What one sweep has still to count, in the order of its pages."""

    _waiting: deque[tuple[SweepMark, set[CreationId]]] = field(default_factory=deque)
    _lock: Lock = field(default_factory=Lock)

    def begun(self, creation_ids: Items[CreationId], mark: SweepMark) -> SweepMark | None:
        """Add a page's creations and the mark after it; return the last mark that is reached."""
        with self._lock:
            self._waiting.append((mark, {*creation_ids}))
            return self._passed()

    def done(self, creation_id: CreationId) -> SweepMark | None:
        """Remove a counted creation; return the last mark that is reached, if there is one."""
        with self._lock:
            for _, creation_ids in self._waiting:
                creation_ids.discard(creation_id)
            return self._passed()

    def _passed(self) -> SweepMark | None:
        reached = None
        while self._waiting and not self._waiting[0][1]:
            reached, _ = self._waiting.popleft()
        return reached


def _order(mark: SweepMark) -> tuple[datetime, datetime]:
    """Return what sorts a mark before those that replace it; a finished one has no `resumes_at`."""
    return mark.reached_at or EARLIEST, mark.resumes_at or LATEST


def _may_succeed_later(error: Exception) -> bool:
    is_damage = isinstance(error, StoreUnavailable) and error.is_damage
    return isinstance(error, Unavailable) and not is_damage
