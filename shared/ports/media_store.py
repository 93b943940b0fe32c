"""The store of media files: a private area behind signed links, and a public one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from shared.domain.media import MediaFormat


@dataclass(frozen=True)
class StoredFile:
    """A file that is there."""

    key: str
    size_bytes: int
    stored_at: datetime


class MediaStore(Protocol):
    """Keys under `public/` are in the public area, all others in the private one.

    Every method raises `MediaUnavailable` when the store is out of reach or its answer was lost,
    and its subclass `MediaRefused` when the store answered that it does not accept the request.
    """

    def put(self, path: Path, key: str, *, media_format: MediaFormat) -> None:
        """Store a file under a key, streamed from disk, once: a key that is there stays as it is.

        Only one attempt ever writes a key, so one that is there is this file, sent before.
        """
        ...

    def size_bytes(self, key: str) -> int | None:
        """Return the size of a stored file, or None if it is not there."""
        ...

    def private_link(self, key: str, *, expires_at: datetime) -> str:
        """Return an absolute address that opens this file, for anyone, until then.

        One process answers the same text for the same key and time.
        """
        ...

    def public_link(self, key: str) -> str:
        """Return the lasting absolute address of a file in the public area."""
        ...

    def publish(self, key: str, public_key: str) -> None:
        """Copy a private file to a key in the public area; idempotent.

        Raises:
            MediaMissing: the private file does not exist.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove a file; one that is not there is fine."""
        ...

    def has_room(self, size_bytes: int) -> bool:
        """Tell whether files of this size can be stored now, as far as the store has a limit."""
        ...

    def everything(self) -> Iterator[StoredFile]:
        """Stream every stored file of both areas, in no order."""
        ...
