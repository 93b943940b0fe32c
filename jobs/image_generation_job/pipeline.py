"""Post-process an image: decode it to verify it, re-encode it only if viewers need that."""

import logging
from pathlib import Path

from jobs.image_generation_job.decoder import Decoded, decode
from jobs.pixels import displayed, flattened, turned_size, upright
from jobs.thumbnail import write_thumbnail
from jobs.upload import ProcessedMedia
from shared.domain.brief import Brief
from shared.domain.errors import BadOutput
from shared.domain.kind import Kind
from shared.domain.media import MediaFormat
from shared.domain.policy import IMAGE_SIZE_BYTES_MAX

log = logging.getLogger(__name__)

PROFILE_BYTES_MAX = 1024 * 1024  # larger colour profiles are dropped when a picture is re-encoded
JPEG_QUALITY = 90
PNG_COMPRESS_LEVEL = 3  # a fifth of the default level's time for a few percent of size
_PROFILED_MODES = frozenset({"L", "LA", "P", "RGB", "RGBA"})
"""Modes whose grey or RGB colour profile is still valid after re-encoding."""


class ImagePipeline:
    kind = Kind.IMAGE

    def post_process(self, download: Path, folder: Path, *, brief: Brief) -> ProcessedMedia:  # noqa: ARG002 (any size is an image)
        decoded = decode(download)
        width, height = turned_size(decoded.picture.size, orientation=decoded.orientation)
        path, media_format = _file(decoded, download, folder)
        return ProcessedMedia(
            path=path,
            media_format=media_format,
            width=width,
            height=height,
            thumbnail=_thumbnail(decoded, folder),
        )


def _file(decoded: Decoded, download: Path, folder: Path) -> tuple[Path, MediaFormat]:
    """Return the file to upload: unchanged, completed, or re-encoded."""
    if decoded.original is None:
        return _encoded(decoded, folder)
    if len(decoded.original) == download.stat().st_size:
        return download, decoded.media_format
    completed = folder / "completed"
    completed.write_bytes(decoded.original)
    return completed, decoded.media_format


def _thumbnail(decoded: Decoded, folder: Path) -> Path | None:
    """Write the thumbnail; the image is valid without one."""
    thumbnail = folder / "thumbnail"
    try:
        write_thumbnail(decoded.picture, thumbnail, orientation=decoded.orientation)
    except Exception as error:  # noqa: BLE001 (Pillow raises many types)
        log.warning("no_thumbnail", extra={"reason": repr(error)})
        return None
    return thumbnail


def _encoded(decoded: Decoded, folder: Path) -> tuple[Path, MediaFormat]:
    """Write a picture as PNG, or as JPEG if the PNG would exceed the size limit."""
    picture = decoded.picture
    profile = picture.info.get("icc_profile") if picture.mode in _PROFILED_MODES else None
    if profile is not None and len(profile) > PROFILE_BYTES_MAX:
        profile = None
    try:
        shown = upright(displayed(picture), orientation=decoded.orientation)
    except Exception as error:  # Pillow raises many types
        raise BadOutput(reason=f"it cannot be displayed: {error!r}") from error
    shown.info.clear()
    path = folder / "encoded"
    shown.save(path, format="PNG", icc_profile=profile, compress_level=PNG_COMPRESS_LEVEL)
    if path.stat().st_size <= IMAGE_SIZE_BYTES_MAX:
        return path, MediaFormat.PNG
    flattened(shown).save(path, format="JPEG", quality=JPEG_QUALITY, icc_profile=profile)
    return path, MediaFormat.JPEG
