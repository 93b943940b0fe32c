"""Likes of published creations: once for each person, withdrawn and given again at will."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.domain.creation import creation_key
from shared.domain.errors import CreationNotFound
from shared.domain.keys import CreationId, UserId
from shared.domain.like import Like, like_key
from shared.domain.status import Status
from shared.lifecycle.like_counting import COMMIT_WITHIN_S
from shared.lifecycle.reading import Reading
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.store import Decision, Found, unchanged, write


@dataclass(frozen=True)
class Liking:
    """The creation is read before and not checked in the commit: no document becomes hot."""

    transactions: Transactions
    reading: Reading
    clock: Clock

    def like(self, creation_id: str, user_id: UserId) -> None:
        """Like a published creation, or raise `CreationNotFound`.

        A repeat writes the like again, and an unlike without one writes a withdrawn like: an opposite
        request whose commit is late finds the document changed.
        """
        self._change(creation_id, user_id, is_liked=True)

    def unlike(self, creation_id: str, user_id: UserId) -> None:
        """Withdraw a like, as `like` gives it."""
        self._change(creation_id, user_id, is_liked=False)

    def liked(self, creation_ids: Sequence[CreationId], user_id: UserId) -> list[CreationId]:
        """Return those of the creations that the user likes, in their order."""
        found = self.transactions.store.found([like_key(each, user_id) for each in creation_ids])
        likes = {each: found.get(like_key(each, user_id)) for each in creation_ids}
        return [id_ for id_, like in likes.items() if like is not None and like.is_liked]

    def _change(self, creation_id: str, user_id: UserId, *, is_liked: bool) -> None:
        creation = self.reading.any_creation(creation_id)
        if creation.status is not Status.PUBLISHED:
            raise CreationNotFound
        began_s = self.clock.monotonic_s()
        self._write(creation.creation_id, user_id, is_liked=is_liked)
        while self.clock.monotonic_s() - began_s > COMMIT_WITHIN_S:
            began_s = self.clock.monotonic_s()
            if not self._write_again(creation.creation_id, user_id):
                return

    def _write(self, creation_id: CreationId, user_id: UserId, *, is_liked: bool) -> None:
        like = Like.of(creation_id, user_id, is_liked=is_liked, at=self.clock.now())

        self.transactions.run(
            [like.key],
            lambda _: write(like, result=None),
            landed=lambda found, _: found.get(like.key) == like,
        )

    def _write_again(self, creation_id: CreationId, user_id: UserId) -> bool:
        """Give a like that a stopped process wrote late the current time, so that it is counted.

        Remove it if its creation was deleted meanwhile. Return whether there is one.
        """
        at, key = self.clock.now(), like_key(creation_id, user_id)
        is_gone = self.transactions.store.get(creation_key(creation_id)) is None

        def decide(found: Found) -> Decision[bool]:
            current = found.get(key)
            if current is None:
                return unchanged(result=False)
            if is_gone:
                return write(removing=(key,), result=False)
            return write(replace(current, changed_at=at), result=True)

        return self.transactions.run([key], decide)
