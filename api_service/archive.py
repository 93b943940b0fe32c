"""Streamed zip archives of uncompressed files, in constant memory.

A block is read in one of the request threads, which is free while the client receives the block.
"""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial

import anyio
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from zipstream import ZIP_STORED, ZipStream

from api_service.errors import TooManyDownloads, TooManyOwnDownloads, problem_response
from api_service.threads import THREADS
from shared.domain.errors import MediaMissing, MediaUnavailable
from shared.domain.keys import UserId
from shared.lifecycle.downloads import ArchiveEntry
from shared.ports.media_store import CHUNK_BYTES, MediaStore

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/zip"
HEADERS = {"Cache-Control": "private, no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, kw_only=True)
class DownloadLimits:
    """The number of downloads in a process, and the times of one in seconds."""

    downloads_max: int = 16
    downloads_of_user_max: int = 3
    block_s: float = 30  # until the client has received a block of `CHUNK_BYTES`
    life_s: float = 3500  # Cloud Run ends a request after 3600 s


class DownloadSlots:
    """Every download that one process is sending."""

    def __init__(self, limits: DownloadLimits | None = None) -> None:
        self.limits = limits or DownloadLimits()
        self._running: Counter[UserId] = Counter()

    @contextmanager
    def occupied(self, user_id: UserId) -> Iterator[None]:
        """Occupy a slot; raise `TooManyDownloads`."""
        if self._running.total() >= self.limits.downloads_max:
            raise TooManyDownloads(limit=self.limits.downloads_max)
        if self._running[user_id] >= self.limits.downloads_of_user_max:
            raise TooManyOwnDownloads(limit=self.limits.downloads_of_user_max)
        self._running[user_id] += 1
        try:
            yield
        finally:
            self._running[user_id] -= 1
            self._running += Counter()  # without users who have none


class ArchiveResponse(StreamingResponse):
    """A zip archive. If a file breaks off, the connection is closed without the archive's end."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        slots: DownloadSlots,
        user_id: UserId,
        blocks: Generator[bytes, None, None],
        *,
        filename: str,
    ) -> None:
        disposition = {"Content-Disposition": f'attachment; filename="{filename}"'}
        super().__init__((), headers={**HEADERS, **disposition})
        self._slots, self._user_id, self._blocks = slots, user_id, blocks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the end, or until the client leaves or is too slow; respond 503 or 429 first."""
        try:
            with self._slots.occupied(self._user_id):
                await self._serve(scope, receive, send)
        except (TooManyDownloads, MediaUnavailable) as error:
            await problem_response(error)(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        life_s = self._slots.limits.life_s
        try:
            self.body_iterator = self._from(await self._next())
            with anyio.move_on_after(life_s) as life:
                await super().__call__(scope, receive, partial(self._send, send))
            if life.cancelled_caught:
                log.warning("download_too_slow", extra={"limit_s": life_s})
        finally:
            with anyio.CancelScope(shield=True):
                await THREADS.run(self._blocks.close)

    async def stream_response(self, send: Send) -> None:
        """Send as the base class does; without the last message, the server closes the connection."""
        try:
            await super().stream_response(send)
        except MediaUnavailable as error:
            log.warning("download_broken_off", extra={"reason": repr(error)})
        except TimeoutError:
            log.warning("download_stalled", extra={"limit_s": self._slots.limits.block_s})

    async def _send(self, send: Send, message: Message) -> None:
        with anyio.fail_after(self._slots.limits.block_s):
            await send(message)

    async def _from(self, block: bytes) -> AsyncIterator[bytes]:
        while block:
            yield block
            block = await self._next()

    async def _next(self) -> bytes:
        """Return the next block, or nothing at the end; closing must wait for the thread."""
        with anyio.CancelScope(shield=True):
            block: bytes = await THREADS.run(partial(next, self._blocks, b""))
        return block


def archive_of(entries: Sequence[ArchiveEntry], media: MediaStore) -> Generator[bytes, None, None]:
    """Yield an archive in blocks of about `CHUNK_BYTES`; raise `MediaUnavailable` if a file breaks."""
    block = bytearray()
    with closing(_parts(entries, media)) as parts:
        for part in parts:
            block += part
            if len(block) >= CHUNK_BYTES:
                yield bytes(block)
                block.clear()
    yield bytes(block)


def _parts(entries: Sequence[ArchiveEntry], media: MediaStore) -> Generator[bytes, None, None]:
    archive = ZipStream(compress_type=ZIP_STORED)
    for entry in entries:
        _add(archive, entry, media)
        yield from archive.all_files()
    yield from archive.footer()


def _add(archive: ZipStream, entry: ArchiveEntry, media: MediaStore) -> None:
    """Add a file, or a note that says it no longer exists."""
    if entry.key is not None:
        chunks = media.read(entry.key)
        try:
            first = next(chunks, b"")
        except MediaMissing as error:
            facts = {"creation_id": entry.creation_id, "reason": error.reason}
            log.warning("media_missing", extra=facts)
        else:
            archive.add(_whole(first, chunks), entry.filename, size=entry.size_bytes)
            return
    note = f"The file of creation {entry.creation_id} no longer exists.\n"
    archive.add(note.encode(), f"{entry.stem}_missing.txt")


def _whole(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from chunks
