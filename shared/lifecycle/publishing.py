"""Publishing and unpublishing: a public copy of the files, always accounted for by a document.

reserve  a publication number never used before, and an outbox entry that deletes its copy later
copy     the files, to that number's keys
commit   published; the outbox entry is removed
unpublish  a draft again; an outbox entry deletes the copy now, and once more for a late write
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.creation import Creation
from shared.domain.errors import MediaMissing, MediaUnavailable, StoreContention
from shared.domain.keys import UserId
from shared.domain.media import MediaDeletion, media_deletion_key
from shared.domain.operating import ACT_ID_LENGTH, OperatorAct, Reason, Verb
from shared.domain.policy import Policy
from shared.domain.retention import fenced, unscheduled, without_begun_publication
from shared.domain.schedule import Schedule
from shared.domain.sharing import Sharing
from shared.domain.status import Status
from shared.lifecycle.media_cleanup import MediaCleanup
from shared.lifecycle.reading import Reading, owned
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock, Ids
from shared.ports.media_store import MediaStore
from shared.ports.store import Decision, Found, unchanged, write

log = logging.getLogger(__name__)

PUBLIC_ID_LENGTH = 26


class ScheduleChanged(Exception):
    """The schedule was withdrawn, replaced or carried out: nothing was published."""


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

        A published one is changed, too: an unpublication whose commit is late finds it changed.
        `MediaMissing`: the draft's media file no longer exists.
        """
        return self._publish(self.reading.own_creation(creation_id, owner=owner), caption)

    def publish_scheduled(self, draft: Creation) -> Creation:
        """Publish a draft by the schedule that it was read with.

        `MediaMissing`, `MediaUnavailable`: its next try is already set. Raises `ScheduleChanged`,
        or `CreationNotFound` if it was deleted.
        """
        if draft.schedule is None:
            raise ScheduleChanged
        return self._publish(draft, None, draft.schedule)

    def _publish(
        self, draft: Creation, caption: str | None, schedule: Schedule | None = None
    ) -> Creation:
        max_copy_s = self.policy.deletion_delay_s - self.policy.publication_margin_s
        copied_by = self.clock.now() + timedelta(seconds=max_copy_s)
        draft = self._reserve(draft, caption, schedule)
        if draft.status is Status.PUBLISHED:
            return draft
        copied = self._copied(draft, by=copied_by)
        if self.clock.now() > copied_by:
            self._delete_late_copy(draft)
            raise MediaUnavailable(reason="the copies took too long")
        return self._commit(copied, caption, schedule)

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

    def _reserve(
        self, draft: Creation, caption: str | None, schedule: Schedule | None = None
    ) -> Creation:
        """Return the draft with its next publication's number, or the published creation."""
        at, public_id = self.clock.now(), self.ids.random_id(PUBLIC_ID_LENGTH)

        def decide(found: Found) -> Decision[Creation]:
            current = owned(found.get(draft.key), draft.user_id)
            if current.status is Status.PUBLISHED:
                if schedule is not None:
                    return unchanged(current)
                captioned = current.captioned(caption, at=at)
                return write(captioned, result=captioned)
            if schedule is not None and current.schedule != schedule:
                raise ScheduleChanged
            prepared = current.prepared_for_publication(public_id, at=at)
            if schedule is not None:
                prepared = replace(prepared, schedule=schedule.tried(at))
            undo = MediaDeletion.later(
                _undo_id(prepared), prepared.public_keys.values(), at=at, policy=self.policy
            )
            return write(prepared, undo, result=prepared)

        def landed(found: Found, sent: Creation) -> bool:
            if schedule is not None:
                return found.get(draft.key) == sent
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

    def _commit(
        self, draft: Creation, caption: str | None, schedule: Schedule | None = None
    ) -> Creation:
        at = self.clock.now()
        margin = timedelta(seconds=self.policy.publication_margin_s)
        undo_key = media_deletion_key(_undo_id(draft))

        def decide(found: Found) -> Decision[Creation]:
            undo = found.get(undo_key)
            current = owned(found.get(draft.key), draft.user_id)
            if current.status is Status.PUBLISHED:
                if schedule is not None:
                    return unchanged(current)
                overtaken = fenced(current, at=at)
                return write(overtaken, *([undo] if undo else []), result=overtaken)
            if schedule is not None and not schedule.is_still(current.schedule):
                raise ScheduleChanged
            if current.publication_count != draft.publication_count:
                raise StoreContention(reason="it was unpublished, or published again, meanwhile")
            if undo is None or undo.is_begun or undo.due_at <= at + margin:
                raise MediaUnavailable(reason="the copies took too long")
            published = current.published(caption, is_scheduled=schedule is not None, at=at)
            if draft.thumbnail_key is None:
                published = published.without_thumbnail()
            return write(published, removing=(undo_key,), result=published)

        published = self.transactions.run(
            [draft.key, undo_key], decide, landed=lambda found, _: found.get(undo_key) is None
        )
        facts = {"creation_id": draft.creation_id, "kind": draft.kind}
        log.info("creation_published", extra=facts)
        return published

    def unpublish(
        self, creation_id: str, *, owner: UserId, reason: Reason | None = None
    ) -> Creation:
        """Make a published creation a draft again and delete its public copy at once.

        A draft loses its schedule, which would publish it. A publication in progress, or one whose
        commit is late, finds the draft changed.
        With a `reason` it is an operator's act, which is recorded and also ends all sharing.
        """
        published, at = self.reading.own_creation(creation_id, owner=owner), self.clock.now()
        random_id = "" if reason is None else self.ids.random_id(ACT_ID_LENGTH)

        def decide(found: Found) -> Decision[tuple[Creation, MediaDeletion | None]]:
            current = owned(found.get(published.key), owner)
            closed = current if reason is None else replace(current, sharing=Sharing())
            is_private = current.schedule is None and closed.sharing == current.sharing
            if current.status is Status.DRAFT:
                private = without_begun_publication(closed, at=at)
                if is_private:
                    return write(private, result=(private, None))
                private = unscheduled(private, policy=self.policy, at=at)
                acts = OperatorAct.because_of_draft(reason, current, random_id=random_id, at=at)
                return write(private, *acts, result=(private, None))
            draft = closed.unpublished(policy=self.policy, at=at)
            deletion = MediaDeletion.at_once(
                f"{current.creation_id}_unpub_{current.publication_count}",
                current.public_keys.values(),
                at=at,
                policy=self.policy,
            )
            acts = OperatorAct.because(reason, Verb.UNPUBLISH, current, at=at)
            return write(draft, deletion, *acts, result=(draft, deletion))

        def landed(found: Found, sent: tuple[Creation, MediaDeletion | None]) -> bool:
            current = found.get(published.key)
            is_open = reason is not None and current is not None and current.sharing.is_shared
            return sent[1] is not None and not is_open and _has_ended(sent[0], found)

        draft, deletion = self.transactions.run([published.key], decide, landed=landed)
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
