"""Media files: their keys, and the outbox of files that must go."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.keys import Collection, CreationId, Key, UserId
from shared.domain.kind import Kind
from shared.domain.policy import Policy

PUBLIC_PREFIX = "public/"
"""Keys under it live in the public area, all others in the private one."""


class MediaFormat(StrEnum):
    """The formats that are stored, by their file name extension."""

    MP4 = "mp4"
    PNG = "png"
    JPEG = "jpg"

    @property
    def content_type(self) -> str:
        """Return the media type for HTTP."""
        return {"mp4": "video/mp4", "png": "image/png", "jpg": "image/jpeg"}[self]


FORMATS = {Kind.VIDEO: (MediaFormat.MP4,), Kind.IMAGE: (MediaFormat.PNG, MediaFormat.JPEG)}


@dataclass(frozen=True, kw_only=True)
class StoredMedia:
    """What an attempt has made and stored. Sizes in pixels and bytes."""

    media_key: str
    thumbnail_key: str | None
    width: int
    height: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class MediaDeletion:
    """Files to delete from `due_at` on; until `until`, one may still be written late.

    `is_begun`: the first file may be gone, so that nobody can change their mind any more.
    """

    deletion_id: str
    keys: tuple[str, ...]
    due_at: datetime
    until: datetime
    is_begun: bool = False

    @property
    def key(self) -> Key["MediaDeletion"]:
        """Return where this entry lives."""
        return media_deletion_key(self.deletion_id)

    @classmethod
    def later(
        cls, deletion_id: str, keys: Iterable[str], *, at: datetime, policy: Policy
    ) -> "MediaDeletion":
        """Return an entry that becomes due, and final, when nothing can land any more."""
        then = at + timedelta(seconds=policy.deletion_delay_s)
        return cls(deletion_id=deletion_id, keys=tuple(keys), due_at=then, until=then)

    @classmethod
    def at_once(
        cls, deletion_id: str, keys: Iterable[str], *, at: datetime, policy: Policy
    ) -> "MediaDeletion":
        """Return an entry that is due at once and once more when nothing can land any more."""
        until = at + timedelta(seconds=policy.deletion_delay_s)
        return cls(deletion_id=deletion_id, keys=tuple(keys), due_at=at, until=until, is_begun=True)

    def begun(self) -> "MediaDeletion":
        """Return the entry whose files are about to go."""
        return replace(self, is_begun=True)

    def postponed(self) -> "MediaDeletion":
        """Return the entry waiting for its last round."""
        return replace(self, due_at=self.until)


def media_deletion_key(deletion_id: str) -> Key[MediaDeletion]:
    """Return where an entry of the outbox lives."""
    return Key(Collection.MEDIA_DELETIONS, deletion_id)


def attempts_deletion_id(creation_id: CreationId, debit: int) -> str:
    """Return the id of the entry that names the left-over files of one debit's attempts."""
    return f"{creation_id}_attempts_{debit}"


def media_key(
    kind: Kind, user_id: UserId, creation_id: CreationId, attempt: int, media_format: MediaFormat
) -> str:
    """Return the private key of the media that one attempt makes."""
    return f"{kind}s/{user_id}/{creation_id}/{attempt}.{media_format}"


def thumbnail_key(kind: Kind, user_id: UserId, creation_id: CreationId, attempt: int) -> str:
    """Return the private key of the thumbnail that one attempt makes."""
    return f"{kind}s/{user_id}/{creation_id}/{attempt}_thumb.{MediaFormat.JPEG}"


def public_key(public_id: str, publication: int, private_key: str) -> str:
    """Return the public key for one publication of a private file: no user id is in it."""
    suffix = private_key.rsplit("/", 1)[-1].lstrip("0123456789")
    return f"{PUBLIC_PREFIX}{public_id}/{publication}{suffix}"


def attempt_keys(
    kind: Kind, user_id: UserId, creation_id: CreationId, attempts: Iterable[int]
) -> tuple[str, ...]:
    """Return every key that these attempts may have written, whether they did or not."""
    keys: list[str] = []
    for attempt in attempts:
        keys += [
            media_key(kind, user_id, creation_id, attempt, media_format)
            for media_format in FORMATS[kind]
        ]
        keys.append(thumbnail_key(kind, user_id, creation_id, attempt))
    return tuple(keys)
