"""Media files: their keys, and the outbox of files to delete."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.keys import Collection, CreationId, Key, UserId
from shared.domain.kind import Kind
from shared.domain.policy import Policy

PUBLIC_PREFIX = "public/"
"""Keys under it live in the public area, all others in the private one."""

THUMBNAIL_WIDTH_PX, THUMBNAIL_HEIGHT_PX_MAX = 640, 2048


class MediaFormat(StrEnum):
    """The stored formats, by file name extension."""

    MP4 = "mp4"
    PNG = "png"
    JPEG = "jpg"

    @property
    def content_type(self) -> str:
        return {"mp4": "video/mp4", "png": "image/png", "jpg": "image/jpeg"}[self]


FORMATS = {Kind.VIDEO: (MediaFormat.MP4,), Kind.IMAGE: (MediaFormat.PNG, MediaFormat.JPEG)}


@dataclass(frozen=True, kw_only=True)
class StoredMedia:
    """The media that an attempt stored. Sizes in pixels and bytes."""

    media_key: str
    thumbnail_key: str | None
    width: int
    height: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class MediaDeletion:
    """Files to delete from `due_at` on; until `until`, one may still be written late.

    `is_begun`: the first file may be gone, so the deletion can no longer be withdrawn.
    """

    deletion_id: str
    keys: tuple[str, ...]
    due_at: datetime
    until: datetime
    is_begun: bool = False
    likes_of: CreationId | None = None
    """The deleted creation whose likes are removed, too."""

    @property
    def key(self) -> Key["MediaDeletion"]:
        return media_deletion_key(self.deletion_id)

    @classmethod
    def later(
        cls, deletion_id: str, keys: Iterable[str], *, at: datetime, policy: Policy
    ) -> "MediaDeletion":
        """Return an entry that is due once, when no late write is possible any more."""
        then = at + timedelta(seconds=policy.deletion_delay_s)
        return cls(deletion_id=deletion_id, keys=tuple(keys), due_at=then, until=then)

    @classmethod
    def at_once(
        cls,
        deletion_id: str,
        keys: Iterable[str],
        *,
        likes_of: CreationId | None = None,
        at: datetime,
        policy: Policy,
    ) -> "MediaDeletion":
        """Return an entry that is due now, and again when no late write is possible any more."""
        later = cls.later(deletion_id, keys, at=at, policy=policy)
        return replace(later, due_at=at, is_begun=True, likes_of=likes_of)

    def begun(self) -> "MediaDeletion":
        return replace(self, is_begun=True)

    def postponed(self) -> "MediaDeletion":
        return replace(self, due_at=self.until)


def media_deletion_key(deletion_id: str) -> Key[MediaDeletion]:
    return Key(Collection.MEDIA_DELETIONS, deletion_id)


def media_key(
    kind: Kind, user_id: UserId, creation_id: CreationId, attempt: int, media_format: MediaFormat
) -> str:
    return f"{kind}s/{user_id}/{creation_id}/{attempt}.{media_format}"


def thumbnail_key(kind: Kind, user_id: UserId, creation_id: CreationId, attempt: int) -> str:
    return f"{kind}s/{user_id}/{creation_id}/{attempt}_thumb.{MediaFormat.JPEG}"


def thumbnail_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size of the same shape that fills 640 x 2,048 pixels."""
    width, height = size
    scale = min(THUMBNAIL_WIDTH_PX / width, THUMBNAIL_HEIGHT_PX_MAX / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def public_key(public_id: str, publication: int, private_key: str) -> str:
    """Return the public key of a private file for one publication; it contains no user id."""
    suffix = private_key.rsplit("/", 1)[-1].lstrip("0123456789")
    return f"{PUBLIC_PREFIX}{public_id}/{publication}{suffix}"


def attempt_keys(
    kind: Kind, user_id: UserId, creation_id: CreationId, attempts: Iterable[int]
) -> tuple[str, ...]:
    """Return every key that these attempts may have written."""
    return tuple(
        key
        for attempt in attempts
        for key in (
            *(media_key(kind, user_id, creation_id, attempt, each) for each in FORMATS[kind]),
            thumbnail_key(kind, user_id, creation_id, attempt),
        )
    )
