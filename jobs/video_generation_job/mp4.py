"""A bounded reader of the MP4 boxes that decide how a video is handled (ISO/IEC 14496-12).

It reads box headers and a few small payloads, never media or metadata. A box that is damaged or
out of bounds ends its list; the boxes before it count.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from shared.domain.errors import BadOutput

BOXES_MAX = 100_000
TRACKS_MAX = 100
SAMPLE_DESCRIPTION_BYTES_MAX = 64 * 1024
CHAPTER_REFERENCES_BYTES_MAX = 4 * 100
PICTURE, SOUND = "vide", "soun"

_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""The user type of the box that carries Content Credentials (C2PA 2.2, A.5)."""
_HEADER_BYTES, _LONG_HEADER_BYTES = 8, 16
_VISUAL_ENTRY_BYTES = 86  # a visual sample entry before its child boxes, header included
_CONFIGURATIONS = ("avcC", "hvcC")


@dataclass(frozen=True, kw_only=True)
class Track:
    """`configuration` is the decoder configuration record, if there is one."""

    track_id: int
    handler: str
    codec_tag: str
    configuration: bytes
    chapter_track_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The structure of a file.

    `is_index_first`: `moov` precedes the media. `is_complete`: no box ends after the file's end.
    `is_signed`: it carries Content Credentials, which any change invalidates.
    """

    brand: str
    tracks: tuple[Track, ...]
    is_index_first: bool
    is_fragmented: bool
    is_complete: bool
    is_signed: bool


@dataclass(frozen=True)
class _Box:
    """A box's type and the range of its payload."""

    name: str
    start: int
    end: int
    is_complete: bool


def read_layout(path: Path) -> Layout:
    """Read the structure of a file; raise `BadOutput` if it is not an MP4 file with an index."""
    with path.open("rb") as file:
        return _Reader(file, size_bytes=path.stat().st_size).layout()


class _Reader:
    def __init__(self, file: BinaryIO, *, size_bytes: int) -> None:
        self._file = file
        self._size_bytes = size_bytes
        self._boxes_left = BOXES_MAX

    def layout(self) -> Layout:
        boxes = list(self._boxes(0, self._size_bytes))
        names = [box.name for box in boxes]
        if "ftyp" not in names:
            raise BadOutput(reason="it is not an MP4 file")
        if "moov" not in names:
            raise BadOutput(reason="it has no index")
        signatures = (self._payload(box, len(_C2PA)) for box in boxes if box.name == "uuid")
        return Layout(
            brand=self._payload(boxes[names.index("ftyp")], 4).decode("latin-1"),
            tracks=self._tracks(boxes[names.index("moov")]),
            is_index_first="mdat" in names and names.index("moov") < names.index("mdat"),
            is_fragmented="moof" in names,
            is_complete=boxes[-1].is_complete and boxes[-1].end == self._size_bytes,
            is_signed=_C2PA in signatures,
        )

    def _tracks(self, index: _Box) -> tuple[Track, ...]:
        tracks: list[Track] = []
        for box in self._boxes(index.start, index.end):
            if box.name == "trak":
                if len(tracks) == TRACKS_MAX:
                    raise BadOutput(reason=f"it has more than {TRACKS_MAX} tracks")
                tracks.append(self._track(box))
        return tuple(tracks)

    def _track(self, box: _Box) -> Track:
        codec_tag, configuration = self._codec(self._find(box, "mdia", "minf", "stbl", "stsd"))
        header = self._payload(self._find(box, "tkhd"), 24)
        id_at = 20 if header[:1] == b"\1" else 12  # version 1 has 64-bit times before the id
        handler = self._payload(self._find(box, "mdia", "hdlr"), 12)[8:].decode("latin-1")
        chapters = self._payload(self._find(box, "tref", "chap"), CHAPTER_REFERENCES_BYTES_MAX)
        whole = chapters[: len(chapters) // 4 * 4]
        return Track(
            track_id=int.from_bytes(header[id_at : id_at + 4]),
            handler=handler,
            codec_tag=codec_tag,
            configuration=configuration,
            chapter_track_ids=tuple(each for (each,) in struct.iter_unpack(">I", whole)),
        )

    def _codec(self, descriptions: _Box | None) -> tuple[str, bytes]:
        """Return the first sample entry's type and its decoder configuration record."""
        if descriptions is None:
            return "", b""
        entry = next(self._boxes(descriptions.start + 8, descriptions.end), None)
        if entry is None:
            return "", b""
        children = entry.start - _HEADER_BYTES + _VISUAL_ENTRY_BYTES
        for box in self._boxes(children, entry.end):
            if box.name in _CONFIGURATIONS:
                return entry.name, self._payload(box, SAMPLE_DESCRIPTION_BYTES_MAX)
        return entry.name, b""

    def _find(self, box: _Box, *names: str) -> _Box | None:
        found: _Box | None = box
        for name in names:
            inside = self._boxes(found.start, found.end) if found else ()
            found = next((each for each in inside if each.name == name), None)
        return found

    def _payload(self, box: _Box | None, bytes_max: int) -> bytes:
        """Return the start of a payload; a missing box has none."""
        if box is None:
            return b""
        self._file.seek(box.start)
        return self._file.read(min(bytes_max, box.end - box.start))

    def _boxes(self, start: int, end: int) -> Iterator[_Box]:
        """Yield the boxes of a range, until one is damaged or the file has had `BOXES_MAX`."""
        while start + _HEADER_BYTES <= end and self._boxes_left:
            self._boxes_left -= 1
            self._file.seek(start)
            header = self._file.read(_LONG_HEADER_BYTES)
            if len(header) < _HEADER_BYTES:
                return
            size_bytes, name = struct.unpack_from(">I4s", header)
            header_bytes = _HEADER_BYTES
            if size_bytes == 1 and len(header) == _LONG_HEADER_BYTES:
                header_bytes, size_bytes = _LONG_HEADER_BYTES, int.from_bytes(header[8:])
            elif size_bytes == 0:
                size_bytes = end - start
            if size_bytes < header_bytes:
                return
            after = start + size_bytes
            yield _Box(name.decode("latin-1"), start + header_bytes, min(after, end), after <= end)
            start = after
