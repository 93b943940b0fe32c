"""Reads the structure of MP4 files."""

import struct
from pathlib import Path


def top_boxes(path: Path) -> list[str]:
    """Return the types of a file's top-level boxes (ISO/IEC 14496-12)."""
    found, content, at = [], path.read_bytes(), 0
    while at < len(content):
        size, name = struct.unpack(">I4s", content[at : at + 8])
        found.append(name.decode())
        at += size
    return found
