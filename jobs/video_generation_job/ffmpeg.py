"""What ffmpeg is told and what it says: argument lists and their answers, nothing runs here.

Every input is opened as a plain MP4 file and nothing else, whatever its content claims to be: no
playlists, no other protocols, no frames beyond the pixel limit.
"""

import re
from dataclasses import dataclass
from pathlib import Path

VIDEO_PIXELS_MAX = 4096 * 2304
ALLOCATION_BYTES_MAX = 256 * 1024 * 1024

_DURATION = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d\.\d+)", re.MULTILINE)
_VIDEO = re.compile(
    r"^  Stream #0:\d+.*?: Video: .*?, (\d{2,5})x(\d{2,5})[ ,].*?, ([\d.]+)(k?) fps", re.MULTILINE
)
_GUARDED = (
    *("-protocol_whitelist", "file", "-f", "mov"),
    *("-max_pixels", str(VIDEO_PIXELS_MAX), "-max_alloc", str(ALLOCATION_BYTES_MAX)),
)


@dataclass(frozen=True)
class Picture:
    """One video stream: pixels, and frames per second."""

    width: int
    height: int
    frames_per_s: float


@dataclass(frozen=True)
class Probe:
    """What a file says of itself."""

    duration_s: float
    pictures: tuple[Picture, ...]


def probe(source: Path) -> list[str]:
    """Return the arguments that make ffmpeg describe a file (its exit status is then 1)."""
    return [*_GUARDED, "-i", str(source)]


def parse_probe(said: str) -> Probe | None:
    """Return what ffmpeg said of a file, or None if it could not open it."""
    duration = _DURATION.search(said)
    if duration is None:
        return None
    hours, minutes, seconds = duration.groups()
    return Probe(
        duration_s=int(hours) * 3600 + int(minutes) * 60 + float(seconds),
        pictures=tuple(
            Picture(int(width), int(height), float(rate) * (1000 if thousands else 1))
            for width, height, rate, thousands in _VIDEO.findall(said)
        ),
    )


def decode(source: Path) -> list[str]:
    """Return the arguments that decode every frame and fail at the first error."""
    return ["-v", "error", "-xerror", *_GUARDED, "-i", str(source), "-f", "null", "-"]


def remux(source: Path, target: Path, *, size_bytes_max: int) -> list[str]:
    """Return the arguments that move the index to the front and copy both streams untouched."""
    return [
        *("-v", "error", *_GUARDED, "-i", str(source)),
        *("-map", "0:v:0", "-map", "0:a:0?", "-c", "copy", "-movflags", "+faststart"),
        *("-fs", str(size_bytes_max), "-f", "mp4", str(target)),
    ]


def frame(source: Path, target: Path, *, at_s: float) -> list[str]:
    """Return the arguments that write one frame as BMP; past the last frame, nothing is written."""
    return [
        *("-v", "error", *_GUARDED, "-ss", f"{at_s:.3f}", "-i", str(source)),
        *("-map", "0:v:0", "-frames:v", "1", "-c:v", "bmp", "-f", "image2", str(target)),
    ]
