"""What Pillow does not say of a JPEG (ITU-T T.81): its process, its scans, its missing end."""

import struct

from PIL import Image, ImageStat

from shared.domain.errors import BadOutput

SIGNATURE = b"\xff\xd8\xff"
END = b"\xff\xd9"
SCANS_MAX = 100
"""Encoders write up to a dozen; each takes the decoder once through the whole picture."""
_SCAN = b"\xff\xda"
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""The markers that start a frame; the other three of that range define tables."""
_SHOWN_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended and progressive with Huffman codes: what browsers decode."""
_MISSING = 128
"""The grey level of blocks for which there was no data."""
_ROUNDING = 1


def check_scans(content: bytes) -> None:
    """Refuse a picture that takes minutes to decode.

    Raises:
        BadOutput
    """
    scans = content.count(_SCAN)
    if scans > SCANS_MAX:
        raise BadOutput(reason=f"it has {scans} scans")


def is_shown(content: bytes) -> bool:
    """Return whether browsers decode this kind of JPEG."""
    at = len(SIGNATURE) - 1
    while at + 4 <= len(content):
        start, marker, size_bytes = struct.unpack_from(">BBH", content, at)
        if start != SIGNATURE[0]:
            return False
        if marker in _FRAMES:
            return marker in _SHOWN_FRAMES
        at += 1 if marker == SIGNATURE[0] else 2 + size_bytes
    return False


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
