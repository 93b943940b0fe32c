"""Media clean-up: delete creations with their files and likes, through an outbox.

The writer of an outbox entry carries it out at once; the sweep repeats it until it is done.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from shared.domain.creation import Creation
from shared.domain.errors import IllegalTransition, Unavailable
from shared.domain.keys import CreationId, UserId
from shared.domain.media import MediaDeletion
from shared.domain.operating import OperatorAct, Reason, Verb
from shared.domain.policy import Policy
from shared.lifecycle.reading import Reading, owned
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.media_store import MediaStore
from shared.ports.store import Decision, Document, Found, unchanged, write

log = logging.getLogger(__name__)

LIKES_PER_COMMIT = 400
LIKE_COMMITS_OF_REQUEST, LIKE_COMMITS_OF_SWEEP = 1, 20
"""How many commits remove likes in one request, and in one sweep for each deleted creation."""


@dataclass(frozen=True)
class MediaCleanup:
    transactions: Transactions
    reading: Reading
    media: MediaStore
    clock: Clock
    policy: Policy

    def delete_creation(
        self, creation_id: str, *, owner: UserId, reason: Reason | None = None
    ) -> None:
        """Remove a settled creation and its files, now or by the outbox.

        With a `reason` it is an operator's act, which is recorded. `CreationNotFound` and
        `IllegalTransition` mean that nothing was written.
        """
        creation, at = self.reading.own_creation(creation_id, owner=owner), self.clock.now()

        def decide(found: Found) -> Decision[MediaDeletion]:
            current = owned(found.get(creation.key), owner)
            if current.is_unfinished:
                raise IllegalTransition(status=current.status)
            acts = OperatorAct.because(reason, Verb.DELETE, current, at=at)
            return self.removal(current, *acts, at=at)

        deletion = self.transactions.run(
            [creation.key], decide, landed=lambda found, _: found.get(creation.key) is None
        )
        self.carry_out_or_defer(deletion)
        log.info("creation_deleted", extra={"creation_id": creation_id})

    def removal(
        self, current: Creation, *others: Document, at: datetime
    ) -> Decision[MediaDeletion]:
        """Decide to remove a creation that may be removed; the result deletes files and likes."""
        deletion = MediaDeletion.at_once(
            f"{current.creation_id}_delete",
            current.every_key,
            likes_of=current.creation_id,
            at=at,
            policy=self.policy,
        )
        return write(deletion, *others, removing=(current.key,), result=deletion)

    def carry_out(
        self, deletion: MediaDeletion, *, like_commits_max: int = LIKE_COMMITS_OF_SWEEP
    ) -> None:
        """Delete the files and likes; keep the entry until none can be written late.

        An entry that waited is marked first: a publication that still needs its copies changes the
        same entry, so that only one of the two can happen. After `MediaUnavailable`, some files
        may be left, and so is the entry; it also stays due while likes are left.
        """
        at = self.clock.now()
        if not (deletion.is_begun or self._begin(deletion, at=at)):
            return
        for key in deletion.keys:
            self.media.delete(key)
        if deletion.likes_of and not self._remove_likes(deletion.likes_of, like_commits_max):
            return

        def decide(found: Found) -> Decision[None]:
            current = found.get(deletion.key)
            if current is None or current.due_at > at:
                return unchanged(None)
            if at < current.until:
                return write(current.postponed(), result=None)
            return write(removing=(current.key,), result=None)

        self.transactions.run([deletion.key], decide)

    def _remove_likes(self, creation_id: CreationId, commits_max: int) -> bool:
        """Remove likes in so many commits at most; return whether none is left."""
        for _ in range(commits_max):
            keys = self.transactions.store.likes_of(creation_id, LIKES_PER_COMMIT)
            self.transactions.run(
                keys, lambda found: write(removing=(*found.documents,), result=None)
            )
            if len(keys) < LIKES_PER_COMMIT:
                return True
        return False

    def _begin(self, deletion: MediaDeletion, *, at: datetime) -> bool:
        """Mark the entry as begun; return False if it is gone or no longer due."""

        def decide(found: Found) -> Decision[bool]:
            current = found.get(deletion.key)
            if current is None or current.due_at > at:
                return unchanged(result=False)
            return write(current.begun(), result=True)

        return self.transactions.run([deletion.key], decide)

    def carry_out_or_defer(self, deletion: MediaDeletion) -> None:
        """Delete the files and some likes; leave the rest to the sweep, and all after a failure."""
        try:
            self.carry_out(deletion, like_commits_max=LIKE_COMMITS_OF_REQUEST)
        except Unavailable as error:
            facts = {"deletion_id": deletion.deletion_id, "reason": repr(error)}
            log.warning("deletion_left", extra=facts)
