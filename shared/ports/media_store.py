"""The media store: a private area behind signed links, and a public one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from shared.domain.media import MediaFormat

CHUNK_BYTES = 256 * 1024


def disposition(filename: str) -> str:
    """Return the Content-Disposition of a private link to be shown, or saved by this name."""
    return f"attachment; filename*=UTF-8''{quote(filename, safe='')}" if filename else "inline"


@dataclass(frozen=True)
class StoredFile:
    key: str
    size_bytes: int
    stored_at: datetime


class MediaStore(Protocol):
    """Keys under `public/` are in the public area, all others in the private one.

    Every method raises `MediaUnavailable` if the store is unreachable or its response was lost,
    and its subclass `MediaRefused` if the store refused the request.
    """

    def put(self, path: Path, key: str, *, media_format: MediaFormat) -> None:
        """Stream a file from disk to a key, once: an existing file stays as it is.

        Only one attempt ever writes a key, so an existing file is this one, sent before.
        """

    def size_bytes(self, key: str) -> int | None:
        """Return the size of a stored file, or None if it does not exist."""

    def read(self, key: str) -> Iterator[bytes]:
        """Stream a file in chunks of at most `CHUNK_BYTES`; closing the iterator ends it early.

        `MediaMissing`, before the first chunk: there is no such file. `MediaUnavailable`: the
        chunks so far are not the whole file.
        """

    def private_link(self, key: str, *, expires_at: datetime, filename: str = "") -> str:
        """Return an absolute URL that opens this file until then, without a token.

        With a `filename`, browsers save the file by this name instead of showing it.
        One process returns the same text for the same arguments.
        """

    def public_link(self, key: str) -> str:
        """Return the permanent absolute URL of a file in the public area."""

    def publish(self, key: str, public_key: str) -> None:
        """Copy a private file to a public key; idempotent. `MediaMissing`: there is no such file."""

    def delete(self, key: str) -> None:
        """Remove a file, if it exists."""

    def has_room(self, size_bytes: int) -> bool:
        """Return whether files of this size fit now, if the store has a limit."""

    def everything(self) -> Iterator[StoredFile]:
        """Stream every stored file of both areas, in no order."""
