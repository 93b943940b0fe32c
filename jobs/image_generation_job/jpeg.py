"""A JPEG reduced to the segments that its pixels need (ITU-T T.81), and how much of it is there.

Metadata never decides over a picture: profiles, comments, previews and the index of further
pictures do not reach the decoder.
"""

import re
import struct
from dataclasses import dataclass

from PIL import Image, ImageStat

from shared.domain.errors import BadOutput

SIGNATURE = b"\xff\xd8\xff"
END = b"\xff\xd9"
SCANS_MAX = 100
"""Encoders write up to a dozen; each takes the decoder once through the whole picture."""
SEGMENTS_MAX = 10_000
"""More than 25 MiB have if each is of the largest size."""
_MARKER = 0xFF
_FILL_BYTES = re.compile(rb"\xff+")
_NEXT_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""In the data of a scan, zeros follow what is no marker, and eight markers restart the decoder."""
_WITHOUT_SIZE = (b"\x01", b"\xd8")
_SCAN = b"\xff\xda"
_EXIF = b"Exif\0\0"
_METADATA = frozenset({*range(0xE0, 0xF0), 0xFE} - {0xEE})
"""Application data and comments, without the one that names the colour model."""
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""The markers that start a frame; the other three of that range define tables."""
_SHOWN_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended and progressive with Huffman codes: what browsers decode."""
_MISSING = 128
"""The grey level of blocks for which there was no data."""
_ROUNDING = 1


@dataclass(frozen=True, kw_only=True)
class Essential:
    """The pixels of a JPEG.

    `content`: a JPEG of them alone. `is_shown`: browsers decode the original file.
    """

    content: bytes
    exif: bytes
    is_shown: bool


def check_scans(content: bytes) -> None:
    """Refuse a picture that takes minutes to decode; what follows its end does not count.

    Raises:
        BadOutput
    """
    at, segments, scans = len(SIGNATURE) - 1, 0, 0
    while found := _NEXT_MARKER.search(content, at):
        marker = found[1]
        if marker == END[1:]:
            return
        segments += 1
        scans += marker == _SCAN[1:]
        if scans > SCANS_MAX or segments > SEGMENTS_MAX:
            raise BadOutput(reason=f"it has more than {SCANS_MAX} scans or {SEGMENTS_MAX} segments")
        size_bytes = (
            0 if marker in _WITHOUT_SIZE else int.from_bytes(content[found.end() : found.end() + 2])
        )
        at = found.end() + size_bytes


def essential(content: bytes) -> Essential:
    """Return the pixels of a JPEG without its metadata.

    Raises:
        BadOutput: it has more segments than any encoder writes.
    """
    kept, exif, is_shown = [SIGNATURE[:2]], b"", False
    at, segments = len(kept[0]), 0
    while at + 4 <= len(content):
        start, marker, size_bytes = struct.unpack_from(">BBH", content, at)
        if start != _MARKER or marker == _SCAN[1]:
            break
        segments += 1
        if segments > SEGMENTS_MAX:
            raise BadOutput(reason=f"it has more than {SEGMENTS_MAX} segments")
        if marker == _MARKER:
            at = _after_fill_bytes(content, at)
            continue
        segment = content[at : at + 2 + size_bytes]
        at += len(segment)
        if marker in _FRAMES:
            is_shown = marker in _SHOWN_FRAMES
        if marker not in _METADATA:
            kept.append(segment)
        elif segment[4:].startswith(_EXIF) and not exif:
            exif = segment[4:].removeprefix(_EXIF)
    return Essential(content=b"".join((*kept, content[at:])), exif=exif, is_shown=is_shown)


def _after_fill_bytes(content: bytes, at: int) -> int:
    """Return where the marker is that this run of fill bytes precedes."""
    run = _FILL_BYTES.match(content, at)
    return run.end() - 1 if run else at + 1


def decoded_share(picture: Image.Image) -> float:
    """Return how many rows have data, from 0 to 1: the decoder fills the others with grey."""
    low, high = 0, picture.height
    while low < high:  # the first row from which on everything is grey
        middle = (low + high) // 2
        part = picture.crop((0, middle, picture.width, picture.height))
        low, high = (low, middle) if _is_grey(part) else (middle + 1, high)
    return low / picture.height


def _is_grey(picture: Image.Image) -> bool:
    """Return whether every channel of every pixel has the level of missing data."""
    ranges = ImageStat.Stat(picture).extrema
    return all(abs(level - _MISSING) <= _ROUNDING for levels in ranges for level in levels)
