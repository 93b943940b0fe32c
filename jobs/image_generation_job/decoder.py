"""Decode a picture by its signature, after checking the size in its header.

A picture that lacks a few bytes at its end is completed if enough of it can be decoded.
"""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from jobs.image_generation_job import jpeg, png
from jobs.pixels import UPRIGHT, orientation_in
from shared.domain.errors import BadOutput
from shared.domain.media import MediaFormat
from shared.domain.policy import IMAGE_PIXELS_MAX

DECODED_FRACTION_MIN = 9 / 10  # the fraction of the rows that a truncated picture must have
TILE_WIDTH, TILE_LENGTH = 322, 323  # TIFF tags: a tile may be larger than the picture
_AVIF_TYPES = frozenset({b"ftypavif", b"ftypavis", b"ftypmif1"})
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*")
_WEBP_SIZE_OFFSET = {b"VP8X": 24, b"VP8L": 21, b"VP8 ": 26}
"""Offsets of width and height in a WebP, by its first chunk."""


@dataclass(frozen=True)
class Decoded:
    """A decoded picture, not rotated yet. `original` is None if it must be re-encoded."""

    picture: Image.Image
    orientation: int
    original: bytes | None
    media_format: MediaFormat


def decode(download: Path) -> Decoded:
    """Decode a file; raise `BadOutput` if it is not a picture, too large, or too incomplete."""
    content = download.read_bytes()
    decode_format = next((each for matches, each in _DECODERS if matches(content)), None)
    if decode_format is None:
        raise BadOutput(reason="it is not a PNG, JPEG, WebP, AVIF, BMP or TIFF file")
    try:
        with warnings.catch_warnings(action="ignore"):  # Pillow warns about metadata
            return decode_format(content)
    except BadOutput:
        raise
    except Exception as error:  # Pillow raises many types for what is not a picture
        raise BadOutput(reason=repr(error)) from error


def _decode_png(content: bytes) -> Decoded:
    essential = png.essential(content)
    is_whole = True
    try:
        picture = _loaded(PngImagePlugin.PngImageFile(io.BytesIO(essential.content)))
    except BadOutput:
        raise
    except Exception as error:
        fraction = essential.decoded_fraction()
        if fraction < DECODED_FRACTION_MIN:
            raise BadOutput(reason=f"{fraction:.0%} of it can be decoded") from error
        picture, is_whole = _load_truncated_png(essential.content), False
    orientation = orientation_in(essential.exif)
    is_kept = is_whole and essential.is_plain and orientation == UPRIGHT  # some viewers ignore it
    return Decoded(picture, orientation, content if is_kept else None, MediaFormat.PNG)


def _decode_jpeg(content: bytes) -> Decoded:
    essential = jpeg.essential(content)
    jpeg.check_scans(essential.content)
    try:
        picture = _loaded(JpegImagePlugin.JpegImageFile(io.BytesIO(essential.content)))
    except OSError:
        content += jpeg.END
        ended = io.BytesIO(essential.content + jpeg.END)
        picture = _loaded(JpegImagePlugin.JpegImageFile(ended))
        fraction = jpeg.decoded_fraction(picture)
        if fraction < DECODED_FRACTION_MIN:
            raise BadOutput(reason=f"{fraction:.0%} of its rows can be decoded") from None
    original = content if essential.is_displayable else None
    return Decoded(picture, orientation_in(essential.exif), original, MediaFormat.JPEG)


def _decode_webp(content: bytes) -> Decoded:
    _check_size(*_webp_size(content))  # Pillow allocates the whole canvas on opening
    return _decode_other(content, "WEBP")


def _webp_size(content: bytes) -> tuple[int, int]:
    """Parse width and height of a WebP (RFC 9649, 2.5 to 2.7)."""
    first, at = content[12:16], _WEBP_SIZE_OFFSET[content[12:16]]
    number = int.from_bytes(content[at : at + 6], "little")
    if first == b"VP8X":
        return (number & 0xFFFFFF) + 1, (number >> 24) + 1
    if first == b"VP8L":
        return (number & 0x3FFF) + 1, (number >> 14 & 0x3FFF) + 1
    return number & 0x3FFF, number >> 16 & 0x3FFF


def _decode_other(content: bytes, pillow_format: str) -> Decoded:
    """Decode a picture that is re-encoded; zeros replace a few missing bytes."""
    try:
        picture = _decode_once(content, pillow_format)
    except BadOutput:
        raise
    except Exception:  # noqa: BLE001 (Pillow raises many types; the second try raises again)
        missing_bytes_max = int(len(content) * (1 / DECODED_FRACTION_MIN - 1))
        picture = _decode_once(content + bytes(missing_bytes_max), pillow_format)
    return Decoded(picture, orientation_in(picture.info.get("exif", b"")), None, MediaFormat.PNG)


def _decode_once(content: bytes, pillow_format: str) -> Image.Image:
    picture = Image.open(io.BytesIO(content), formats=(pillow_format,))
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        tile = [picture.tag_v2.get(side, 1) for side in (TILE_WIDTH, TILE_LENGTH)]
        _check_size(*tile)
    return _loaded(picture)


def _loaded(picture: Image.Image) -> Image.Image:
    _check_size(*picture.size)
    picture.load()
    return picture


def _load_truncated_png(content: bytes) -> Image.Image:
    """Decode as much as possible; missing pixels stay black or transparent."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        return _loaded(PngImagePlugin.PngImageFile(io.BytesIO(content)))
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _check_size(width: int, height: int) -> None:
    if width * height > IMAGE_PIXELS_MAX:
        raise BadOutput(reason=f"{width} x {height} pixels")


def _is_webp(content: bytes) -> bool:
    return (
        content[:4] == b"RIFF" and content[8:12] == b"WEBP" and content[12:16] in _WEBP_SIZE_OFFSET
    )


_DECODERS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], Decoded]], ...] = (
    (lambda file: file.startswith(png.SIGNATURE), _decode_png),
    (lambda file: file.startswith(jpeg.SIGNATURE), _decode_jpeg),
    (_is_webp, _decode_webp),
    (lambda file: file[4:12] in _AVIF_TYPES, lambda file: _decode_other(file, "AVIF")),
    (lambda file: file.startswith(b"BM"), lambda file: _decode_other(file, "BMP")),
    (lambda file: file.startswith(_TIFF_SIGNATURES), lambda file: _decode_other(file, "TIFF")),
)
