"""Reduce a PNG to the chunks that its pixels need (ISO/IEC 15948).

Text, profiles and animations never reach the decoder.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from shared.domain.errors import BadOutput

SIGNATURE = b"\x89PNG\r\n\x1a\n"
METADATA_BYTES_MAX = 64 * 1024 * 1024  # in total, after inflation: viewers get the original file
CHUNKS_MAX = 200_000  # more than 25 MiB in chunks of 256 bytes
EXIF_BYTES_MAX = 64 * 1024
_INFLATED_AT_ONCE_BYTES = 1024 * 1024
_DECODED = frozenset({b"IHDR", b"PLTE", b"tRNS"})
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_COMPRESSED = frozenset({b"zTXt", b"iTXt", b"iCCP"})
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # samples per pixel, by colour type


@dataclass(frozen=True, kw_only=True)
class Essential:
    """A PNG of the pixels alone. `is_plain`: all viewers display the original file alike."""

    content: bytes
    exif: bytes
    pixel_data: bytes
    header: bytes
    is_plain: bool

    def decoded_fraction(self) -> float:
        """Return the fraction of the pixel data that can be inflated."""
        try:
            width, height, depth, colour = struct.unpack_from(">IIBB", self.header)
            row_bytes = 1 + -(-width * depth * _CHANNELS[colour] // 8)
        except (struct.error, KeyError):
            return 0
        expected_bytes = height * row_bytes
        decoded_bytes = inflated_bytes(self.pixel_data, bytes_max=expected_bytes)
        return float(decoded_bytes / max(1, expected_bytes))


@dataclass(frozen=True)
class _Chunk:
    name: bytes
    data: memoryview
    is_whole: bool

    @property
    def is_unusual(self) -> bool:
        """Whether it animates the picture, or is critical and rarely supported."""
        is_critical = self.name[:1].isupper() and self.name not in _CRITICAL
        return is_critical or self.name == b"acTL"


def essential(content: bytes) -> Essential:
    """Remove the metadata, or raise `BadOutput` for too many chunks or inflated bytes."""
    kept, pixel_data, header, exif, last = [], bytearray(), b"", b"", b""
    is_plain, metadata_bytes = True, 0
    for chunk in _chunks(content):
        last = chunk.name
        is_plain = is_plain and chunk.is_whole and not chunk.is_unusual
        if chunk.name == b"IDAT":
            pixel_data += chunk.data
        elif chunk.name == b"eXIf":
            exif = bytes(chunk.data[:EXIF_BYTES_MAX])
        elif chunk.name in _DECODED:
            kept.append(_written(chunk.name, chunk.data))
            header = bytes(chunk.data) if chunk.name == b"IHDR" else header
        elif chunk.name in _COMPRESSED:
            compressed = _compressed_part(chunk)
            metadata_bytes += inflated_bytes(compressed, bytes_max=METADATA_BYTES_MAX + 1)
            if metadata_bytes > METADATA_BYTES_MAX:
                raise BadOutput(reason="its metadata inflate to too many bytes")
    ending = (_written(b"IDAT", pixel_data), _written(b"IEND", b""))
    return Essential(
        content=b"".join((SIGNATURE, *kept, *ending)),
        exif=exif,
        pixel_data=bytes(pixel_data),
        header=header,
        is_plain=is_plain and last == b"IEND",
    )


def inflated_bytes(compressed: bytes | memoryview, *, bytes_max: int) -> int:
    """Count the inflated bytes up to a limit; damage ends the count."""
    inflater, total_bytes = zlib.decompressobj(), 0
    while compressed and total_bytes < bytes_max:
        try:
            total_bytes += len(inflater.decompress(compressed, _INFLATED_AT_ONCE_BYTES))
        except zlib.error:
            break
        compressed = inflater.unconsumed_tail
    return min(total_bytes, bytes_max)


def _chunks(content: bytes) -> Iterator[_Chunk]:
    """Yield the chunks up to the end; the last one may be truncated."""
    view, at, chunks = memoryview(content), len(SIGNATURE), 0
    while at + 8 <= len(view):
        chunks += 1
        if chunks > CHUNKS_MAX:
            raise BadOutput(reason=f"it has more than {CHUNKS_MAX} chunks")
        size_bytes, name = struct.unpack_from(">I4s", view, at)
        data = view[at + 8 : at + 8 + size_bytes]
        checksum = bytes(view[at + 8 + size_bytes : at + 12 + size_bytes])
        is_whole = checksum == struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
        yield _Chunk(name, data, is_whole)
        if name == b"IEND":
            return
        at += 12 + size_bytes


def _written(name: bytes, data: bytes | bytearray | memoryview) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(name))
    return b"".join((struct.pack(">I4s", len(data), name), data, struct.pack(">I", checksum)))


def _compressed_part(chunk: _Chunk) -> bytes:
    """Return the zlib stream of a metadata chunk, empty if it has none."""
    rest = bytes(chunk.data).partition(b"\0")[2]
    if chunk.name != b"iTXt":
        return rest[1:]
    if rest[:1] != b"\1":
        return b""
    return rest[2:].partition(b"\0")[2].partition(b"\0")[2]
