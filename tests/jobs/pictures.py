"""Small real pictures, encoded by Pillow and changed chunk by chunk."""

import io
import random
import struct
import zlib
from functools import cache

from PIL import Image

ORIENTATION = 0x0112
PNG_SIGNATURE_BYTES, PNG_HEADER_BYTES = 8, 25


def encoded(picture: Image.Image, picture_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format=picture_format, **options)
    return file.getvalue()


def noise(width: int = 320, height: int = 240) -> Image.Image:
    """Return the same grey noise in every run."""
    return _grey(width, height).convert("RGB")


@cache
def _grey(width: int, height: int) -> Image.Image:
    chance = random.Random(width * height)
    greys = (round(chance.gauss(128, 60)) for _ in range(width * height))
    return Image.frombytes("L", (width, height), bytes(min(max(each, 0), 255) for each in greys))


def sides(mode: str = "RGB") -> Image.Image:
    """Return a picture whose left third is red, in a row, and the rest blue."""
    picture = Image.new("RGB", (300, 200), "blue")
    picture.paste(Image.new("RGB", (100, 200), "red"), (0, 0))
    return picture.convert(mode)


def chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def png_with(extra: bytes) -> bytes:
    """Return a PNG with these bytes behind its header."""
    content = encoded(noise(), "PNG")
    at = PNG_SIGNATURE_BYTES + PNG_HEADER_BYTES
    return content[:at] + extra + content[at:]


def text_of(size_bytes: int) -> bytes:
    """Return letters that compress to about half their size."""
    return random.Random(1).randbytes(size_bytes // 2).hex().encode()


def oriented(picture_format: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encoded(sides(), picture_format, exif=exif.tobytes())


def scans(repeated: int) -> bytes:
    """Return a progressive JPEG whose last scan is there many times."""
    content = encoded(noise(64, 64), "JPEG", progressive=True)
    at = content.rindex(b"\xff\xda")
    return content[:at] + content[at:-2] * repeated + content[-2:]


def webp_canvas(side: int) -> bytes:
    """Return an animated WebP whose canvas is this large and whose frame is small."""
    frame = encoded(noise(16, 16), "WEBP")[12:]
    measures = (side - 1).to_bytes(3, "little") * 2
    header = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + measures
    animation = b"ANIM" + struct.pack("<I", 6) + bytes(6)
    position = bytes(6) + (15).to_bytes(3, "little") * 2 + bytes(4)
    shown = b"ANMF" + struct.pack("<I", len(position) + len(frame)) + position + frame
    body = b"WEBP" + header + animation + shown
    return b"RIFF" + struct.pack("<I", len(body)) + body
