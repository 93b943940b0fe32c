"""The largest accepted media."""

import io
import os
import struct

from PIL import Image

from shared.domain.kind import Kind
from shared.domain.policy import IMAGE_SIZE_BYTES_MAX, VIDEO_SIZE_BYTES_MAX
from tests.servers.google_models_vendor import drawn


def largest_image() -> bytes:
    """Return a PNG with the most pixels and nearly the most bytes: part noise, part flat."""
    side = 4096
    rows = int(0.97 * IMAGE_SIZE_BYTES_MAX / (side * 3))
    pixels = os.urandom(side * 3 * rows) + bytes(side * 3 * (side - rows))
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def largest_video() -> bytes:
    """Return a video padded to the size limit with a free box (ISO/IEC 14496-12)."""
    film = drawn(Kind.VIDEO, "16:9", 8)
    free_bytes = VIDEO_SIZE_BYTES_MAX - len(film)
    return film + struct.pack(">I4s", free_bytes, b"free") + bytes(free_bytes - 8)
