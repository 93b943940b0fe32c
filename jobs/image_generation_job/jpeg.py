"""Reduce a JPEG to the segments that its pixels need (ITU-T T.81), and measure its completeness.

Profiles, comments, previews and indexes of further pictures never reach the decoder.
"""

import re
import struct
from dataclasses import dataclass

from PIL import Image, ImageStat

from shared.domain.errors import BadOutput

SIGNATURE = b"\xff\xd8\xff"
END = b"\xff\xd9"
SCANS_MAX = 100  # encoders write up to a dozen; the decoder passes over the whole picture for each
SEGMENTS_MAX = 10_000  # more than 25 MiB of segments of the largest size
_MARKER = 0xFF
_FILL_BYTES = re.compile(rb"\xff+")
_NEXT_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""In scan data, a zero escapes 0xFF, and the eight restart markers do not end the scan."""
_WITHOUT_SIZE = (b"\x01", b"\xd8")
_SCAN = b"\xff\xda"
_EXIF = b"Exif\0\0"
_METADATA = frozenset({*range(0xE0, 0xF0), 0xFE} - {0xEE})
"""Application data and comments, except the segment that names the colour model."""
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers that start a frame; the other three of that range define tables."""
_DISPLAYABLE_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended and progressive with Huffman codes: what browsers decode."""
_MISSING = 128  # the grey level of blocks without data
_ROUNDING = 1


@dataclass(frozen=True, kw_only=True)
class Essential:
    """A JPEG of the pixels alone. `is_displayable`: browsers decode the original file."""

    content: bytes
    exif: bytes
    is_displayable: bool


def check_scans(content: bytes) -> None:
    """Raise `BadOutput` for a picture that takes minutes to decode."""
    at, segments, scans = len(SIGNATURE) - 1, 0, 0
    while found := _NEXT_MARKER.search(content, at):
        marker = found[1]
        if marker == END[1:]:
            return
        segments += 1
        scans += marker == _SCAN[1:]
        if scans > SCANS_MAX or segments > SEGMENTS_MAX:
            raise BadOutput(reason=f"it has more than {SCANS_MAX} scans or {SEGMENTS_MAX} segments")
        at = found.end()
        at += 0 if marker in _WITHOUT_SIZE else int.from_bytes(content[at : at + 2])


def essential(content: bytes) -> Essential:
    """Remove the metadata, or raise `BadOutput` for more segments than any encoder writes."""
    kept, exif, is_displayable = [SIGNATURE[:2]], b"", False
    at, segments = len(kept[0]), 0
    while at + 4 <= len(content):
        start, marker, size_bytes = struct.unpack_from(">BBH", content, at)
        if start != _MARKER or marker == _SCAN[1]:
            break
        segments += 1
        if segments > SEGMENTS_MAX:
            raise BadOutput(reason=f"it has more than {SEGMENTS_MAX} segments")
        if marker == _MARKER:
            run = _FILL_BYTES.match(content, at)
            at = run.end() - 1 if run else at + 1
            continue
        segment = content[at : at + 2 + size_bytes]
        at += len(segment)
        if marker in _FRAMES:
            is_displayable = marker in _DISPLAYABLE_FRAMES
        if marker not in _METADATA:
            kept.append(segment)
        elif segment[4:].startswith(_EXIF) and not exif:
            exif = segment[4:].removeprefix(_EXIF)
    pixels = b"".join((*kept, content[at:]))
    return Essential(content=pixels, exif=exif, is_displayable=is_displayable)


def decoded_fraction(picture: Image.Image) -> float:
    """Return the fraction of rows with data: the decoder fills the others with grey."""
    low, high = 0, picture.height
    while low < high:  # the first row from which on everything is grey
        middle = (low + high) // 2
        part = picture.crop((0, middle, picture.width, picture.height))
        low, high = (low, middle) if _is_grey(part) else (middle + 1, high)
    return low / picture.height


def _is_grey(picture: Image.Image) -> bool:
    ranges = ImageStat.Stat(picture).extrema
    return all(abs(level - _MISSING) <= _ROUNDING for levels in ranges for level in levels)
