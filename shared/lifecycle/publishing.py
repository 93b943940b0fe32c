"""Publishing and unpublishing: a public copy of the files, and never one that nobody accounts for.

12a  a number that was never used, and an entry in the outbox that removes its copy in an hour
-> copy the files to that number's keys
12b  published; the entry goes
12c  a draft again; an entry that removes the copy now, and once more when none can land late
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeGuard

from shared.domain.creation import Creation
from shared.domain.errors import MediaMissing, MediaUnavailable, StoreContention
from shared.domain.keys import UserId
from shared.domain.media import MediaDeletion, media_deletion_key
from shared.domain.operating import OperatorAct, Verb
from shared.domain.policy import Policy
from shared.domain.status import Status
from shared.lifecycle.deleting import Deleting
from shared.lifecycle.reading import Reading, owned
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock, Ids
from shared.ports.media_store import MediaStore
from shared.ports.store import Decision, Found, unchanged, write

log = logging.getLogger(__name__)

PUBLIC_ID_LETTERS = 26


@dataclass(frozen=True)
class Publishing:
    """A draft's way into the feed and back."""

    transactions: Transactions
    reading: Reading
    deleting: Deleting
    media: MediaStore
    clock: Clock
    ids: Ids
    policy: Policy

    def publish(self, creation_id: str, *, owner: UserId, caption: str | None = None) -> Creation:
        """Publish a draft; of a published one, a given caption replaces the old.

        Raises:
            CreationNotFound, IllegalTransition: nothing was written.
            MediaMissing: the draft's media file no longer exists.
            MediaUnavailable, StoreUnavailable, StoreContention, OutcomeUnknown: try again.
        """
        copied_by = self.clock.now() + self._copies_within
        draft = self._prepare(self.reading.own_creation(creation_id, owner=owner), caption)
        if draft.status is Status.PUBLISHED:
            return draft
        copied = self._copied(draft, by=copied_by)
        if self.clock.now() > copied_by:
            self._withdraw(draft)
            raise MediaUnavailable(reason="the copies took too long to be kept")
        return self._finish(copied, caption)

    def _copied(self, draft: Creation, *, by: datetime) -> Creation:
        """Copy the files; return the draft, without its thumbnail where only that is missing."""
        copied = draft
        for private_key, public_key in draft.public_keys.items():
            if self.clock.now() > by:
                break
            try:
                self.media.publish(private_key, public_key)
            except MediaMissing as error:
                self.reading.own_creation(
                    draft.creation_id, owner=draft.user_id
                )  # deleted meanwhile: 404
                facts = {"creation_id": draft.creation_id, "reason": error.reason}
                log.warning("media_missing", extra=facts)
                if private_key != draft.thumbnail_key:
                    raise
                copied = draft.without_thumbnail()
        return copied

    @property
    def _copies_within(self) -> timedelta:
        """Return how long the copies may take: their undo entry then still has its margin."""
        policy = self.policy
        return timedelta(seconds=policy.deletion_delay_s - policy.publication_margin_s)

    def _prepare(self, draft: Creation, caption: str | None) -> Creation:
        """Row 12a: return the draft with its next publication's number, or the published one."""
        at, public_id = self.clock.now(), self.ids.random_id(PUBLIC_ID_LETTERS)
        captioned: Creation | None = None

        def decide(found: Found) -> Decision[Creation]:
            nonlocal captioned
            if found.may_have_landed and _is_over(captioned, found):
                return unchanged(captioned)
            now = owned(found.get(draft.key), draft.user_id)
            if now.status is Status.PUBLISHED:
                if caption in (None, now.caption):
                    return unchanged(now)
                captioned = now.captioned(caption or "", at=at)
                return write(captioned, result=captioned)
            prepared = now.prepared_for_publication(public_id, at=at)
            undo = MediaDeletion.later(
                _undo_id(prepared), prepared.public_keys.values(), at=at, policy=self.policy
            )
            return write(prepared, undo, result=prepared)

        return self.transactions.run([draft.key], decide)

    def _withdraw(self, draft: Creation) -> None:
        """Have copies removed that came so late that they may have outlived their undo entry.

        A frozen instance of the API can send a copy hours after its request was given up.
        """
        deletion = MediaDeletion.now(
            f"{draft.creation_id}_late_{draft.publication_count}",
            draft.public_keys.values(),
            at=self.clock.now(),
            policy=self.policy,
        )

        def decide(found: Found) -> Decision[None]:
            if found.get(deletion.key) is not None:
                return unchanged(None)
            return write(deletion, result=None)

        self.transactions.run([deletion.key], decide)

    def _finish(self, draft: Creation, caption: str | None) -> Creation:
        """Row 12b: return the published creation."""
        at = self.clock.now()
        margin = timedelta(seconds=self.policy.publication_margin_s)
        undo_at = media_deletion_key(_undo_id(draft))
        decided: Creation | None = None

        def decide(found: Found) -> Decision[Creation]:
            nonlocal decided
            undo = found.get(undo_at)
            if found.may_have_landed and decided is not None and undo is None:
                return unchanged(found.get(draft.key) or decided)
            now = owned(found.get(draft.key), draft.user_id)
            if now.status is Status.PUBLISHED:
                return unchanged(now)
            if now.publication_count != draft.publication_count:
                raise StoreContention(reason="another publication has begun")
            if undo is None or undo.is_begun or undo.due_at <= at + margin:
                raise MediaUnavailable(reason="the copy took too long to be kept")
            decided = now.published(caption, at=at)
            if draft.thumbnail_key is None:
                decided = decided.without_thumbnail()
            return write(decided, removing=(undo_at,), result=decided)

        published = self.transactions.run([draft.key, undo_at], decide)
        facts = {"creation_id": draft.creation_id, "kind": draft.kind}
        log.info("creation_published", extra=facts)
        return published

    def unpublish(self, creation_id: str, *, owner: UserId, reason: str | None = None) -> Creation:
        """Row 12c: make a published creation a draft again; its public copy is closed at once.

        With a `reason` it is an operator's act, which is recorded.

        Raises:
            CreationNotFound, IllegalTransition: nothing was written.
        """
        published = self.reading.own_creation(creation_id, owner=owner)
        at = self.clock.now()
        draft: Creation | None = None
        deletion: MediaDeletion | None = None

        def decide(found: Found) -> Decision[Creation]:
            nonlocal draft, deletion
            if found.may_have_landed and _is_over(draft, found):
                return unchanged(draft)
            now = owned(found.get(published.key), owner)
            if now.status is Status.DRAFT:
                return unchanged(now)
            draft = now.unpublished(at=at)
            deletion = MediaDeletion.now(
                f"{now.creation_id}_unpub_{now.publication_count}",
                now.public_keys.values(),
                at=at,
                policy=self.policy,
            )
            acts = OperatorAct.because(reason, Verb.UNPUBLISH, now, at=at)
            return write(draft, deletion, *acts, result=draft)

        unpublished = self.transactions.run([published.key], decide)
        if deletion is not None:
            self.deleting.carry_out_or_leave(deletion)
            log.info("creation_unpublished", extra={"creation_id": creation_id})
        return unpublished


def _is_over(decided: Creation | None, found: Found) -> TypeGuard[Creation]:
    """Tell whether the publication that was decided about is over: nothing is done to it twice."""
    if decided is None:
        return False
    now = found.get(decided.key)
    if now is None or now.status is not Status.PUBLISHED:
        return True
    return now.publication_count != decided.publication_count


def _undo_id(creation: Creation) -> str:
    return f"{creation.creation_id}_pub_{creation.publication_count}"
