"""Upload an attempt's media and its thumbnail."""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jobs.retries import Retries
from shared.domain.creation import Creation
from shared.domain.errors import MediaRefused, MediaUnavailable
from shared.domain.media import MediaFormat, StoredMedia, media_key, thumbnail_key
from shared.ports.media_store import MediaStore

log = logging.getLogger(__name__)

THUMBNAIL_WITHIN_S = 10  # by then the media is uploaded, which is enough for a draft


@dataclass(frozen=True, kw_only=True)
class ProcessedMedia:
    """Checked media, ready for upload. Sizes in pixels."""

    path: Path
    media_format: MediaFormat
    width: int
    height: int
    thumbnail: Path | None


@dataclass(frozen=True)
class Uploader:
    retries: Retries
    media: MediaStore

    def upload(self, processed: ProcessedMedia, creation: Creation) -> StoredMedia:
        """Upload the media and its thumbnail under the keys of the creation's last attempt."""
        address = (creation.kind, creation.user_id, creation.creation_id, creation.attempt)
        path, media_format = processed.path, processed.media_format
        key = media_key(*address, media_format)
        self.retries.retry_upload(lambda: self._put(path, key, media_format), key=key)
        return StoredMedia(
            media_key=key,
            thumbnail_key=self._thumbnail(processed.thumbnail, thumbnail_key(*address)),
            width=processed.width,
            height=processed.height,
            size_bytes=path.stat().st_size,
        )

    def _thumbnail(self, thumbnail: Path | None, key: str) -> str | None:
        """Upload the thumbnail and return its key, or None if that fails: a draft needs none."""
        if thumbnail is None:
            return None
        try:
            put = partial(self._put, thumbnail, key, MediaFormat.JPEG)
            self.retries.retry_upload(put, key=key, within_s=THUMBNAIL_WITHIN_S)
        except MediaUnavailable as error:
            log.warning("no_thumbnail", extra={"reason": error.reason})
            return None
        return key

    def _put(self, path: Path, key: str, media_format: MediaFormat) -> str | None:
        """Put a file and check its stored size; return why it is not stored, or None if it is."""
        try:
            self.media.put(path, key, media_format=media_format)
            stored_bytes = self.media.size_bytes(key)
        except MediaRefused:
            raise
        except MediaUnavailable as error:
            return error.reason
        size_bytes = path.stat().st_size
        if stored_bytes is not None and stored_bytes != size_bytes:  # retrying cannot overwrite it
            raise MediaRefused(reason=f"{key} holds {stored_bytes} bytes instead of {size_bytes}")
        return None if stored_bytes == size_bytes else "it is missing after the upload"
