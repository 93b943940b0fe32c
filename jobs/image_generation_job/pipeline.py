"""A generator's file becomes an image: decoded once to be sure, stored as it came if viewers show it."""

import logging
from pathlib import Path

from jobs.displaying import displayed, flattened, turned_size, upright
from jobs.image_generation_job.opening import Opened, open_picture
from jobs.thumbnail import write_thumbnail
from jobs.upload import ProcessedMedia
from shared.domain.brief import Brief
from shared.domain.errors import BadOutput
from shared.domain.kind import Kind
from shared.domain.media import MediaFormat
from shared.domain.policy import IMAGE_SIZE_BYTES_MAX

log = logging.getLogger(__name__)

PROFILE_BYTES_MAX = 1024 * 1024
"""A larger colour profile is left out of a re-encoded picture."""
JPEG_QUALITY = 90
PNG_COMPRESS_LEVEL = 3
"""A fifth of the time of the default level for a few percent of size."""
_PROFILED_MODES = frozenset({"L", "LA", "P", "RGB", "RGBA"})
"""What a colour profile for grey or RGB still describes after re-encoding."""


class ImagePipeline:
    """The `Pipeline` of images."""

    kind = Kind.IMAGE

    def post_process(self, download: Path, folder: Path, *, brief: Brief) -> ProcessedMedia:  # noqa: ARG002 (any size is an image)
        """See `Pipeline.produce`."""
        opened = open_picture(download)
        width, height = turned_size(opened.picture.size, orientation=opened.orientation)
        path, media_format = self._stored(opened, download, folder)
        return ProcessedMedia(
            path=path,
            media_format=media_format,
            width=width,
            height=height,
            thumbnail=self._thumbnail(opened, folder),
        )

    def _stored(self, opened: Opened, download: Path, folder: Path) -> tuple[Path, MediaFormat]:
        """Return the file to store: as it came, completed, or re-encoded."""
        if opened.stored is None:
            return _encoded(opened, folder)
        if len(opened.stored) == download.stat().st_size:
            return download, opened.media_format
        completed = folder / "completed"
        completed.write_bytes(opened.stored)
        return completed, opened.media_format

    def _thumbnail(self, opened: Opened, folder: Path) -> Path | None:
        """Return the thumbnail, or None: it never decides over the image."""
        thumbnail = folder / "thumbnail"
        try:
            write_thumbnail(opened.picture, thumbnail, orientation=opened.orientation)
        except Exception as error:  # noqa: BLE001 (Pillow raises a dozen kinds)
            log.warning("no_thumbnail", extra={"reason": repr(error)})
            return None
        return thumbnail


def _encoded(opened: Opened, folder: Path) -> tuple[Path, MediaFormat]:
    """Write a picture as PNG, or as JPEG if the PNG would be larger than an image may be."""
    picture = opened.picture
    profile = picture.info.get("icc_profile") if picture.mode in _PROFILED_MODES else None
    if profile is not None and len(profile) > PROFILE_BYTES_MAX:
        profile = None
    try:
        shown = upright(displayed(picture), orientation=opened.orientation)
    except Exception as error:  # Pillow raises a dozen kinds
        raise BadOutput(reason=f"it cannot be displayed: {error!r}") from error
    shown.info.clear()
    path = folder / "encoded"
    shown.save(path, format="PNG", icc_profile=profile, compress_level=PNG_COMPRESS_LEVEL)
    if path.stat().st_size <= IMAGE_SIZE_BYTES_MAX:
        return path, MediaFormat.PNG
    flattened(shown).save(path, format="JPEG", quality=JPEG_QUALITY, icc_profile=profile)
    return path, MediaFormat.JPEG
