"""Opens a generator's picture by its signature, and decodes it whole.

The size is read from the header and checked before anything is decoded. A picture that lacks a few
bytes at its end is completed where enough of it can be decoded.
"""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from jobs.displaying import UPRIGHT, orientation_in
from jobs.image_generation_job import jpeg, png
from shared.domain.errors import BadOutput
from shared.domain.media import MediaFormat
from shared.domain.policy import IMAGE_PIXELS_MAX

DECODED_SHARE_MIN = 9 / 10
"""The share of the rows that a cut picture must have."""
TILE_WIDTH, TILE_LENGTH = 322, 323
"""Tags of a TIFF: a tile may be larger than the picture."""
_WEBP_SIZE_AT = {b"VP8X": 24, b"VP8L": 21, b"VP8 ": 26}
"""Where a WebP has width and height, by its first chunk."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A decoded picture, not turned yet, and the bytes to store: none if it must be encoded."""

    picture: Image.Image
    orientation: int
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
            return _opened(opening, content)
    raise BadOutput(reason="it is not a PNG, JPEG, WebP, AVIF, BMP or TIFF file")


def _opened(opening: Callable[[bytes], Opened], content: bytes) -> Opened:
    try:
        with warnings.catch_warnings(action="ignore"):  # Pillow warns of what comes with pixels
            return opening(content)
    except BadOutput:
        raise
    except Exception as error:  # Pillow raises a dozen kinds for what is not a picture
        raise BadOutput(reason=repr(error)) from error


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
    orientation = orientation_in(essential.exif)
    is_shown_alike = essential.is_plain and orientation == UPRIGHT  # not all viewers turn a PNG
    return Opened(
        picture=picture,
        orientation=orientation,
        stored=content if is_whole and is_shown_alike else None,
        media_format=MediaFormat.PNG,
    )


def _open_jpeg(content: bytes) -> Opened:
    essential = jpeg.essential(content)
    jpeg.check_scans(essential.content)
    try:
        picture = _loaded(JpegImagePlugin.JpegImageFile(io.BytesIO(essential.content)))
    except OSError:
        content += jpeg.END
        ended = io.BytesIO(essential.content + jpeg.END)
        picture = _loaded(JpegImagePlugin.JpegImageFile(ended))
        share = jpeg.decoded_share(picture)
        if share < DECODED_SHARE_MIN:
            raise BadOutput(reason=f"{share:.0%} of its rows can be decoded") from None
    return Opened(
        picture=picture,
        orientation=orientation_in(essential.exif),
        stored=content if essential.is_shown else None,
        media_format=MediaFormat.JPEG,
    )


def _open_webp(content: bytes) -> Opened:
    _check_size(*_webp_size(content))  # Pillow allocates the whole canvas when it opens one
    return _open_other(content, "WEBP")


def _webp_size(content: bytes) -> tuple[int, int]:
    """Return width and height of a WebP (RFC 9649, 2.5 to 2.7)."""
    first, at = content[12:16], _WEBP_SIZE_AT[content[12:16]]
    number = int.from_bytes(content[at : at + 6], "little")
    if first == b"VP8X":
        return (number & 0xFFFFFF) + 1, (number >> 24) + 1
    if first == b"VP8L":
        return (number & 0x3FFF) + 1, (number >> 14 & 0x3FFF) + 1
    return number & 0x3FFF, number >> 16 & 0x3FFF


def _open_other(content: bytes, pillow_format: str) -> Opened:
    """Open a re-encoded picture; zeros replace a few bytes that are missing."""
    try:
        picture = _decoded_other(content, pillow_format)
    except BadOutput:
        raise
    except Exception:  # noqa: BLE001 (Pillow raises a dozen kinds, and raises one again)
        missing_bytes_max = int(len(content) * (1 / DECODED_SHARE_MIN - 1))
        picture = _decoded_other(content + bytes(missing_bytes_max), pillow_format)
    return Opened(
        picture=picture,
        orientation=orientation_in(picture.info.get("exif", b"")),
        stored=None,
        media_format=MediaFormat.PNG,
    )


def _decoded_other(content: bytes, pillow_format: str) -> Image.Image:
    picture = Image.open(io.BytesIO(content), formats=(pillow_format,))
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        tile = [picture.tag_v2.get(side, 1) for side in (TILE_WIDTH, TILE_LENGTH)]
        _check_size(*tile)
    return _loaded(picture)


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
