"""Likes: one document for each person and creation. `likeCount` is derived from them."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.keys import Collection, CreationId, Key, UserId


@dataclass(frozen=True, kw_only=True)
class Like:
    """One person's like of one creation; a withdrawn one stays, with `is_liked` false."""

    like_id: str
    creation_id: CreationId
    user_id: UserId
    is_liked: bool
    changed_at: datetime

    @classmethod
    def of(
        cls, creation_id: CreationId, user_id: UserId, *, is_liked: bool, at: datetime
    ) -> "Like":
        return cls(
            like_id=like_key(creation_id, user_id).id,
            creation_id=creation_id,
            user_id=user_id,
            is_liked=is_liked,
            changed_at=at,
        )

    @property
    def key(self) -> Key["Like"]:
        return Key(Collection.LIKES, self.like_id)


def like_key(creation_id: CreationId, user_id: UserId) -> Key[Like]:
    return Key(Collection.LIKES, f"{creation_id}_{user_id}")


def like_ids(creation_id: CreationId) -> tuple[str, str]:
    """Return the bounds of the ids of a creation's likes: from the first, below the second."""
    return f"{creation_id}_", f"{creation_id}{chr(ord('_') + 1)}"
