"""Argument lists for ffmpeg, and a parser for its `framecrc` output, one line a packet or frame.

Inputs are opened as plain MP4 files, regardless of their content: no playlists, no other protocols,
no frames beyond the pixel limit. Only fatal errors are logged: a damaged file can cause millions.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

VIDEO_PIXELS_MAX = 4096 * 2304
ALLOCATION_BYTES_MAX = 256 * 1024 * 1024
LISTED_FRAMES_MAX = 6000  # more than the longest video has at the highest frame rate
LIST_BYTES_MAX = 1024 * 1024
THREADS = "2"  # fixed, so that every machine judges a damaged file alike

_GUARDED = (
    *("-v", "fatal", "-threads", THREADS, "-protocol_whitelist", "file", "-f", "mov"),
    *("-max_pixels", str(VIDEO_PIXELS_MAX), "-max_alloc", str(ALLOCATION_BYTES_MAX)),
)
_LISTED = (
    *("-frames:v", str(LISTED_FRAMES_MAX), "-fs", str(LIST_BYTES_MAX), "-fps_mode", "passthrough"),
    *("-f", "framecrc"),
)
_TONE_MAPPED = "scale=out_primaries=bt709:out_transfer=bt709"
"""Maps PQ and HLG to standard dynamic range and leaves other pictures unchanged."""
_DISCARD_FLAG = 0x4
_PACKET_FIELDS = 5
_FLAGS = "F="


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The displayed packets or frames of the one stream in a `framecrc` file."""

    codec: str
    width: int
    height: int
    sample_aspect_ratio: Fraction
    count: int
    start_s: float
    length_s: float


def list_packets(source: Path, listing: Path, *, track_id: int) -> list[str]:
    """List a track's packets without decoding them."""
    return [*_input(source), *_track(track_id), "-c", "copy", *_LISTED, str(listing)]


def list_frames(
    source: Path, listing: Path, *, track_id: int, accept_damage: bool = False
) -> list[str]:
    """Decode a picture track and list its frames, damaged ones only with `accept_damage`."""
    strict = [] if accept_damage else ["-err_detect:v", "explode"]
    return [*strict, *_input(source), *_track(track_id), *_LISTED, str(listing)]


def decode_sound(source: Path, *, track_id: int) -> list[str]:
    """Decode a sound track and fail at the first error."""
    return ["-xerror", *_input(source), *_track(track_id), "-f", "null", "-"]


def remux(
    source: Path, target: Path, *, picture_track_id: int, codec_tag: str, sound: list[str],
    size_bytes_max: int,
) -> list[str]:  # fmt: skip
    """Copy the pictures and put the index first."""
    return [
        *(*_input(source), *_track(picture_track_id), "-c:v", "copy", "-tag:v", codec_tag, *sound),
        *("-movflags", "+faststart", "-fs", str(size_bytes_max), "-f", "mp4", str(target)),
    ]


def remuxed_sound(track_id: int, *, is_copied: bool) -> list[str]:
    """Copy a sound track, or encode it as AAC."""
    coding = ("copy",) if is_copied else ("aac", "-b:a", "192k", "-ac", "2")
    return [*_track(track_id), "-c:a", *coding]


def frame(source: Path, target: Path, *, track_id: int, at_s: float) -> list[str]:
    """Write one frame as BMP; past the last frame, nothing is written."""
    return [
        *("-ss", f"{at_s:.3f}", *_input(source), *_track(track_id)),
        *("-frames:v", "1", "-vf", _TONE_MAPPED, "-c:v", "bmp", "-f", "image2", str(target)),
    ]


def parse_listing(text: str) -> Listing:
    """Parse a `framecrc` file; damaged lines do not count."""
    header: dict[str, str] = {}
    times: list[tuple[int, int]] = []
    for line in text.splitlines():
        if line.startswith("#"):
            name, _, value = line[1:].partition(": ")
            header[name.partition(" ")[0]] = value
        else:
            times += _displayed(line)
    width, _, height = header.get("dimensions", "").partition("x")
    tick_s = _fraction(header.get("tb", ""))
    start = min((pts for pts, _ in times), default=0)
    end = max((pts + duration for pts, duration in times), default=0)
    return Listing(
        codec=header.get("codec_id", ""),
        width=int(width or 0),
        height=int(height or 0),
        sample_aspect_ratio=_fraction(header.get("sar", "")),
        count=len(times),
        start_s=float(start * tick_s),
        length_s=float((end - start) * tick_s),
    )


def _input(source: Path) -> tuple[str, ...]:
    return (*_GUARDED, "-i", str(source))


def _track(track_id: int) -> tuple[str, ...]:
    return ("-map", f"0:i:{track_id}")


def _displayed(line: str) -> list[tuple[int, int]]:
    """Return a line's presentation time and duration, or none if an edit list hides the packet."""
    fields = [field.strip() for field in line.split(",")]
    flags = [field.removeprefix(_FLAGS) for field in fields if field.startswith(_FLAGS)]
    if len(fields) <= _PACKET_FIELDS or any(int(each, 16) & _DISCARD_FLAG for each in flags):
        return []
    return [(int(fields[2]), int(fields[3]))]


def _fraction(text: str) -> Fraction:
    """Parse `a/b`; undefined is zero."""
    over, _, under = text.partition("/")
    return Fraction(int(over), int(under)) if over and under and int(under) else Fraction(0)
