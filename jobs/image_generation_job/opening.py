"""Opens a generator's picture by its signature, and decodes it whole.

The size is read from the header and checked before anything is decoded. Pictures that lack a few
bytes at their end are completed where enough of them can be decoded.
"""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin

from jobs.image_generation_job import jpeg, png
from shared.domain.errors import BadOutput
from shared.domain.media import MediaFormat
from shared.domain.policy import IMAGE_PIXELS_MAX

DECODED_SHARE_MIN = 9 / 10
"""The share of the rows that a cut picture must have."""
_WEBP_SIZE_AT = {b"VP8X": 24, b"VP8L": 21, b"VP8 ": 26}
"""Where a WebP has width and height, by its first chunk."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A decoded picture, and the bytes to store: none if it must be encoded anew."""

    picture: Image.Image
    stored: bytes | None
    media_format: MediaFormat


def open_picture(download: Path) -> Opened:
    """Return the picture of a file.

    Raises:
        BadOutput: it is none, it is too large, or too much of it is missing.
    """
    content = download.read_bytes()
    for is_one, opening in _OPENINGS:
        if is_one(content):
            try:
                return opening(content)
            except BadOutput:
                raise
            except Exception as error:  # Pillow raises a dozen kinds for what is not a picture
                raise BadOutput(reason=repr(error)) from error
    raise BadOutput(reason="it is not a PNG, JPEG, WebP, AVIF, BMP or TIFF file")


def _open_png(content: bytes) -> Opened:
    essential = png.essential(content)

    def opened() -> Image.Image:
        return PngImagePlugin.PngImageFile(io.BytesIO(essential.content))

    try:
        picture, is_whole = _loaded(opened()), True
    except BadOutput:
        raise
    except Exception as error:
        share = essential.decoded_share()
        if share < DECODED_SHARE_MIN:
            raise BadOutput(reason=f"{share:.0%} of it can be decoded") from error
        picture, is_whole = _loaded_as_far_as_possible(opened()), False
    return Opened(
        picture=picture,
        stored=content if essential.is_plain and is_whole else None,
        media_format=MediaFormat.PNG,
    )


def _open_jpeg(content: bytes) -> Opened:
    jpeg.check_scans(content)
    try:
        picture = _loaded(JpegImagePlugin.JpegImageFile(io.BytesIO(content)))
    except OSError:
        content += jpeg.END
        picture = _loaded(JpegImagePlugin.JpegImageFile(io.BytesIO(content)))
        share = jpeg.decoded_share(picture)
        if share < DECODED_SHARE_MIN:
            raise BadOutput(reason=f"{share:.0%} of its rows can be decoded") from None
    return Opened(
        picture=picture,
        stored=content if jpeg.is_shown(content) else None,
        media_format=MediaFormat.JPEG,
    )


def _open_webp(content: bytes) -> Opened:
    # Pillow allocates the whole canvas when it opens a WebP.
    at = _WEBP_SIZE_AT[content[12:16]]
    if content[12:16] == b"VP8X":
        size = tuple(int.from_bytes(content[at + i : at + i + 3], "little") + 1 for i in (0, 3))
    elif content[12:16] == b"VP8L":
        bits = int.from_bytes(content[at : at + 4], "little")
        size = ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    else:
        size = tuple(side & 0x3FFF for side in struct.unpack_from("<HH", content, at))
    _check_size(*size)
    declared_bytes = int.from_bytes(content[4:8], "little") + 8
    if declared_bytes * DECODED_SHARE_MIN <= len(content) < declared_bytes:
        content = content.ljust(declared_bytes, b"\0")
    return _open_other(content, "WEBP")


def _open_other(content: bytes, pillow_format: str) -> Opened:
    picture = _loaded(Image.open(io.BytesIO(content), formats=(pillow_format,)))
    return Opened(picture=picture, stored=None, media_format=MediaFormat.PNG)


def _loaded(picture: Image.Image) -> Image.Image:
    """Decode a picture whose size is acceptable."""
    _check_size(*picture.size)
    picture.load()
    return picture


def _loaded_as_far_as_possible(picture: Image.Image) -> Image.Image:
    """Decode a picture that is cut; what is missing stays black or transparent."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        return _loaded(picture)
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _check_size(width: int, height: int) -> None:
    if width * height > IMAGE_PIXELS_MAX:
        raise BadOutput(reason=f"{width} x {height} pixels")


def _is_webp(content: bytes) -> bool:
    return content[:4] == b"RIFF" and content[8:12] == b"WEBP" and content[12:16] in _WEBP_SIZE_AT


def _is_avif(content: bytes) -> bool:
    return content[4:12] in {b"ftypavif", b"ftypavis", b"ftypmif1"}


_OPENINGS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], Opened]], ...] = (
    (lambda content: content.startswith(png.SIGNATURE), _open_png),
    (lambda content: content.startswith(jpeg.SIGNATURE), _open_jpeg),
    (_is_webp, _open_webp),
    (_is_avif, lambda content: _open_other(content, "AVIF")),
    (lambda content: content.startswith(b"BM"), lambda content: _open_other(content, "BMP")),
    (
        lambda content: content.startswith((b"II*\0", b"MM\0*")),
        lambda content: _open_other(content, "TIFF"),
    ),
)
