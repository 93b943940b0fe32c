"""Media as files in the folders `private` and `public`, behind signed links.

A file is written to a temporary name, synced, and linked: it appears complete, and an existing key
is never overwritten.
"""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from shared.adapters.local.signing_keys import SigningKeys, is_signed, keys_of, signature_of
from shared.adapters.local.sqlite import translated
from shared.domain.errors import MediaMissing, MediaUnavailable, Unauthenticated
from shared.domain.media import PUBLIC_PREFIX, MediaFormat
from shared.ports.media_store import CHUNK_BYTES, StoredFile

PRIVATE_PREFIX = "private/"
LINK_PATH = "/media/"
_SECONDS = re.compile(r"[0-9]{1,12}")
PROBE_BYTES = 4096


class FileMediaStore:
    """The `MediaStore` on one machine; links lead to the API's `/media/` route."""

    def __init__(self, folder: Path, *, base_url: str, secret: bytes | SigningKeys) -> None:
        """Create the folder; raise `MediaUnavailable` if that fails."""
        self._folder, self._incoming = folder, folder / "incoming"
        self._base_url = base_url
        self._keys = keys_of(secret)
        with translated(MediaUnavailable):
            for path in (folder / PRIVATE_PREFIX, folder / PUBLIC_PREFIX, self._incoming):
                path.mkdir(parents=True, exist_ok=True)

    def put(self, path: Path, key: str, *, media_format: MediaFormat) -> None:  # noqa: ARG002 (the key has the extension)
        with translated(MediaUnavailable):
            self._store(path, self.path_of(key))

    def _store(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._incoming) as incoming:
            with source.open("rb") as file:
                shutil.copyfileobj(file, incoming)
            incoming.flush()
            os.fsync(incoming.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(incoming.name, target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def size_bytes(self, key: str) -> int | None:
        with translated(MediaUnavailable), contextlib.suppress(FileNotFoundError):
            return self.path_of(key).stat().st_size
        return None

    def read(self, key: str) -> Iterator[bytes]:
        path = self.path_of(key)
        with translated(MediaUnavailable):
            try:
                file = path.open("rb", buffering=0)
            except FileNotFoundError as error:
                if not self._has_folder():
                    raise
                raise MediaMissing(reason=f"{path} does not exist") from error
            with file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk

    def private_link(self, key: str, *, expires_at: datetime, filename: str = "") -> str:
        expires_s = int(expires_at.timestamp())
        signed = signature_of(self._keys.current(), _message(key, expires_s, filename))
        query = f"expires={expires_s}&signature={signed}"
        if filename:
            query += f"&filename={quote(filename, safe='')}"
        return f"{self._base_url}{LINK_PATH}{PRIVATE_PREFIX}{quote(key)}?{query}"

    def public_link(self, key: str) -> str:
        return f"{self._base_url}{LINK_PATH}{quote(key)}"

    def publish(self, key: str, public_key: str) -> None:
        source = self.path_of(key)
        with translated(MediaUnavailable):
            if not source.exists() and self._has_folder():
                raise MediaMissing(reason=f"{source} does not exist")
            self._store(source, self.path_of(public_key))

    def _has_folder(self) -> bool:
        """Return whether the folder is there: without it, no file is known to be missing."""
        return (self._folder / PRIVATE_PREFIX).is_dir()

    def delete(self, key: str) -> None:
        with translated(MediaUnavailable):
            self.path_of(key).unlink(missing_ok=True)

    def has_room(self, size_bytes: int) -> bool:
        with translated(MediaUnavailable):
            return shutil.disk_usage(self._incoming).free >= size_bytes

    def check_writable(self) -> None:
        """Write and remove a small file; raise `MediaUnavailable` on failure."""
        with (
            translated(MediaUnavailable),
            tempfile.TemporaryFile(dir=self._incoming, buffering=0) as probe,
        ):
            probe.write(bytes(PROBE_BYTES))
            os.fsync(probe.fileno())

    def everything(self) -> Iterator[StoredFile]:
        with translated(MediaUnavailable):
            for area in (PRIVATE_PREFIX, PUBLIC_PREFIX):
                for path in (self._folder / area).rglob("*.*"):
                    key = str(path.relative_to(self._folder)).removeprefix(PRIVATE_PREFIX)
                    with contextlib.suppress(FileNotFoundError):
                        stat = path.stat()
                        stored_at = datetime.fromtimestamp(stat.st_mtime, tz=UTC)
                        yield StoredFile(key=key, size_bytes=stat.st_size, stored_at=stored_at)

    def opened_by_link(
        self, key: str, *, expires: str, signature: str, now: datetime, filename: str = ""
    ) -> Path:
        """Return the file of a private link; raise `Unauthenticated` if it is forged or expired."""
        is_live = bool(_SECONDS.fullmatch(expires)) and int(expires) > now.timestamp()
        if not is_live:
            raise Unauthenticated(reason="media link")
        if not is_signed(self._keys, _message(key, int(expires), filename), signature):
            raise Unauthenticated(reason="media link")
        return self.path_of(key)

    def path_of(self, key: str) -> Path:
        """Return the path of a key; raise `MediaUnavailable` for a path traversal."""
        is_public = key.startswith(PUBLIC_PREFIX)
        area = self._folder / (PUBLIC_PREFIX if is_public else PRIVATE_PREFIX)
        path = (self._folder if is_public else area) / key
        try:
            if path.resolve().is_relative_to(area.resolve()):
                return path
        except ValueError as error:  # a NUL character
            raise MediaUnavailable(reason=str(error)) from error
        raise MediaUnavailable(reason="the key leads out of the folder")


def _message(key: str, expires_s: int, filename: str) -> bytes:
    lines = ("media", key, str(expires_s), *([filename] if filename else []))
    return "\n".join(lines).encode()
