"""Storing what an attempt made, with as much patience as the paid result is worth."""

import logging
from dataclasses import dataclass
from pathlib import Path

from jobs.lease import Lease
from shared.domain.errors import MediaRefused, MediaUnavailable
from shared.domain.media import MediaFormat, StoredMedia, media_key, thumbnail_key
from shared.ports.media_store import MediaStore

log = logging.getLogger(__name__)

PUT_AGAIN_FIRST_S = 1
PUT_AGAIN_MAX_S = 30
THUMBNAIL_PATIENCE_S = 10
"""The media is stored by then, and is a draft without a thumbnail, too."""


@dataclass(frozen=True, kw_only=True)
class Produced:
    """Checked media, ready to be stored. Sizes in pixels."""

    path: Path
    media_format: MediaFormat
    width: int
    height: int
    thumbnail: Path | None


@dataclass(frozen=True)
class Storing:
    """The last step of one attempt's work."""

    lease: Lease
    media: MediaStore

    def store(self, produced: Produced) -> StoredMedia:
        """Store the media and its thumbnail under this attempt's keys.

        Raises:
            MediaRefused: the store does not accept the media.
            MediaUnavailable: it was not stored before the deadline or the job's end.
            LeaseLost
        """
        mine = self.lease.mine
        address = (mine.kind, mine.user_id, mine.creation_id, mine.attempt)
        key = media_key(*address, produced.media_format)
        self._put(produced.path, key, produced.media_format)
        thumbnail = self._with_thumbnail(produced, thumbnail_key(*address))
        self.lease.hold()
        return StoredMedia(
            media_key=key,
            thumbnail_key=thumbnail,
            width=produced.width,
            height=produced.height,
            size_bytes=produced.path.stat().st_size,
        )

    def _with_thumbnail(self, produced: Produced, key: str) -> str | None:
        """Store the thumbnail and return its key; without one the media is still a draft."""
        if produced.thumbnail is None:
            return None
        try:
            self._put(
                produced.thumbnail, key, MediaFormat.JPEG, patience_s_max=THUMBNAIL_PATIENCE_S
            )
        except MediaUnavailable as error:
            log.warning("no_thumbnail", extra={"reason": error.reason})
            return None
        return key

    def _put(
        self,
        path: Path,
        key: str,
        media_format: MediaFormat,
        *,
        patience_s_max: float | None = None,
    ) -> None:
        """Store a file until it is there in its full size, with growing pauses."""
        clock, pause_s = self.lease.clock, PUT_AGAIN_FIRST_S
        began_s = clock.monotonic_s()
        while (reason := self._failure_of_put(path, key, media_format)) is not None:
            left_s = self.lease.patience_s()
            if patience_s_max is not None:
                left_s = min(left_s, began_s + patience_s_max - clock.monotonic_s())
            if left_s <= 0:
                raise MediaUnavailable(reason=f"{key}: {reason}")
            log.info("stored_in_vain", extra={"reason": reason})
            clock.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 2, PUT_AGAIN_MAX_S)

    def _failure_of_put(self, path: Path, key: str, media_format: MediaFormat) -> str | None:
        """Try to store a file once; return why it is not there, or None if it is."""
        self.lease.hold()
        try:
            self.media.put(path, key, media_format=media_format)
            stored_bytes = self.media.size_bytes(key)
        except MediaRefused:
            raise
        except MediaUnavailable as error:
            return error.reason
        size_bytes = path.stat().st_size
        if stored_bytes is not None and stored_bytes != size_bytes:  # and a key is written once
            raise MediaRefused(reason=f"{key} holds {stored_bytes} bytes instead of {size_bytes}")
        return None if stored_bytes == size_bytes else "it is not there"
