"""Publishing and unpublishing: a public copy of the files, always accounted for by a document.

reserve  a publication number never used before, and an outbox entry that deletes its copy later
copy     the files, to that number's keys
commit   published; the outbox entry is removed
unpublish  a draft again; an outbox entry deletes the copy now, and once more for a late write
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.creation import Creation
from shared.domain.errors import MediaMissing, MediaUnavailable, StoreContention
from shared.domain.keys import UserId
from shared.domain.media import MediaDeletion, media_deletion_key
from shared.domain.operating import OperatorAct, Verb
from shared.domain.policy import Policy
from shared.domain.status import Status
from shared.lifecycle.media_cleanup import MediaCleanup
from shared.lifecycle.reading import Reading, owned
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock, Ids
from shared.ports.media_store import MediaStore
from shared.ports.store import Decision, Found, unchanged, write

log = logging.getLogger(__name__)

PUBLIC_ID_LENGTH = 26


@dataclass(frozen=True)
class Publishing:
    transactions: Transactions
    reading: Reading
    cleanup: MediaCleanup
    media: MediaStore
    clock: Clock
    ids: Ids
    policy: Policy

    def publish(self, creation_id: str, *, owner: UserId, caption: str | None = None) -> Creation:
        """Publish a draft, or replace the caption of a published creation if one is given.

        `MediaMissing`: the draft's media file no longer exists.
        """
        max_copy_s = self.policy.deletion_delay_s - self.policy.publication_margin_s
        copied_by = self.clock.now() + timedelta(seconds=max_copy_s)
        draft = self._reserve(self.reading.own_creation(creation_id, owner=owner), caption)
        if draft.status is Status.PUBLISHED:
            return draft
        copied = self._copied(draft, by=copied_by)
        if self.clock.now() > copied_by:
            self._delete_late_copy(draft)
            raise MediaUnavailable(reason="the copies took too long")
        return self._commit(copied, caption)

    def _copied(self, draft: Creation, *, by: datetime) -> Creation:
        """Copy the files; return the draft, without its thumbnail if only that is missing."""
        copied = draft
        for private_key, public_key in draft.public_keys.items():
            if self.clock.now() > by:
                break
            try:
                self.media.publish(private_key, public_key)
            except MediaMissing as error:
                # If it was deleted meanwhile, this raises CreationNotFound.
                self.reading.own_creation(draft.creation_id, owner=draft.user_id)
                facts = {"creation_id": draft.creation_id, "reason": error.reason}
                log.warning("media_missing", extra=facts)
                if private_key != draft.thumbnail_key:
                    raise
                copied = draft.without_thumbnail()
        return copied

    def _reserve(self, draft: Creation, caption: str | None) -> Creation:
        """Return the draft with its next publication's number, or the published creation."""
        at, public_id = self.clock.now(), self.ids.random_id(PUBLIC_ID_LENGTH)

        def decide(found: Found) -> Decision[Creation]:
            current = owned(found.get(draft.key), draft.user_id)
            if current.status is Status.PUBLISHED:
                if caption in (None, current.caption):
                    return unchanged(current)
                captioned = current.captioned(caption or "", at=at)
                return write(captioned, result=captioned)
            prepared = current.prepared_for_publication(public_id, at=at)
            undo = MediaDeletion.later(
                _undo_id(prepared), prepared.public_keys.values(), at=at, policy=self.policy
            )
            return write(prepared, undo, result=prepared)

        def landed(found: Found, sent: Creation) -> bool:
            return sent.status is Status.PUBLISHED and _has_ended(sent, found)

        return self.transactions.run([draft.key], decide, landed=landed)

    def _delete_late_copy(self, draft: Creation) -> None:
        """Delete copies that may have been written after their undo entry was carried out.

        A frozen API process can send a copy hours after its request was abandoned.
        """
        deletion = MediaDeletion.at_once(
            f"{draft.creation_id}_late_{draft.publication_count}",
            draft.public_keys.values(),
            at=self.clock.now(),
            policy=self.policy,
        )

        def decide(found: Found) -> Decision[None]:
            known = found.get(deletion.key)
            return write(deletion, result=None) if known is None else unchanged(None)

        self.transactions.run([deletion.key], decide)

    def _commit(self, draft: Creation, caption: str | None) -> Creation:
        at = self.clock.now()
        margin = timedelta(seconds=self.policy.publication_margin_s)
        undo_key = media_deletion_key(_undo_id(draft))

        def decide(found: Found) -> Decision[Creation]:
            undo = found.get(undo_key)
            current = owned(found.get(draft.key), draft.user_id)
            if current.status is Status.PUBLISHED:
                return unchanged(current)
            if current.publication_count != draft.publication_count:
                raise StoreContention(reason="another publication has begun")
            if undo is None or undo.is_begun or undo.due_at <= at + margin:
                raise MediaUnavailable(reason="the copies took too long")
            published = current.published(caption, at=at)
            if draft.thumbnail_key is None:
                published = published.without_thumbnail()
            return write(published, removing=(undo_key,), result=published)

        published = self.transactions.run(
            [draft.key, undo_key], decide, landed=lambda found, _: found.get(undo_key) is None
        )
        facts = {"creation_id": draft.creation_id, "kind": draft.kind}
        log.info("creation_published", extra=facts)
        return published

    def unpublish(self, creation_id: str, *, owner: UserId, reason: str | None = None) -> Creation:
        """Make a published creation a draft again and delete its public copy at once.

        With a `reason` it is an operator's act, which is recorded.
        """
        published, at = self.reading.own_creation(creation_id, owner=owner), self.clock.now()

        def decide(found: Found) -> Decision[tuple[Creation, MediaDeletion | None]]:
            current = owned(found.get(published.key), owner)
            if current.status is Status.DRAFT:
                return unchanged((current, None))
            draft = current.unpublished(at=at)
            deletion = MediaDeletion.at_once(
                f"{current.creation_id}_unpub_{current.publication_count}",
                current.public_keys.values(),
                at=at,
                policy=self.policy,
            )
            acts = OperatorAct.because(reason, Verb.UNPUBLISH, current, at=at)
            return write(draft, deletion, *acts, result=(draft, deletion))

        draft, deletion = self.transactions.run(
            [published.key], decide, landed=lambda found, sent: _has_ended(sent[0], found)
        )
        if deletion is not None:
            self.cleanup.carry_out_or_defer(deletion)
            log.info("creation_unpublished", extra={"creation_id": creation_id})
        return draft


def _has_ended(sent: Creation, found: Found) -> bool:
    """Return whether the publication that `sent` belongs to is no longer public."""
    current = found.get(sent.key)
    if current is None or current.status is not Status.PUBLISHED:
        return True
    return current.publication_count != sent.publication_count


def _undo_id(creation: Creation) -> str:
    return f"{creation.creation_id}_pub_{creation.publication_count}"
