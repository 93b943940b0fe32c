"""Small real videos, made by the bundled ffmpeg and changed box by box."""

import struct
from pathlib import Path

from shared.ffmpeg import run_ffmpeg

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
QUIET_HEVC = (*HEVC, "-x265-params", "log-level=none")
PICTURES = "testsrc2=size=320x180:rate=24"
SIDES = "color=red:size=160x180:rate=24,pad=320:180:0:0:blue"
"""The left half is red, the right half is blue."""
C2PA_USER_TYPE = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
NO_KEY_FRAME = ("-bsf:v", "noise=drop='eq(n,0)'")


def write_clip(target: Path, *arguments: str) -> Path:
    done = run_ffmpeg(["-v", "error", *arguments, "-f", "mp4", str(target)], timeout_s=60)
    assert done.exit_status == 0, done.stderr
    return target


def shot(
    target: Path,
    *arguments: str,
    pictures: str = PICTURES,
    pictures_s: float = 4,
    sound_s: float = 4,
    coding: tuple[str, ...] = H264,
) -> Path:
    """Write pictures and sound of these lengths."""
    return write_clip(
        target,
        *("-f", "lavfi", "-t", str(pictures_s), "-i", pictures),
        *("-f", "lavfi", "-i", f"sine=duration={sound_s}"),
        *(*coding, "-c:a", "aac", *arguments),
    )


def silent(
    target: Path,
    *arguments: str,
    pictures: str = PICTURES,
    pictures_s: float = 4,
    coding: tuple[str, ...] = H264,
) -> Path:
    source = ("-f", "lavfi", "-t", str(pictures_s), "-i", pictures)
    return write_clip(target, *source, *coding, *arguments)


def copied(source: Path, target: Path, *arguments: str, before: tuple[str, ...] = ()) -> Path:
    return write_clip(target, *before, "-i", str(source), *arguments, "-c", "copy")


def signed(source: Path, target: Path) -> Path:
    """Write the video with Content Credentials as its last box, where no offset moves."""
    payload = C2PA_USER_TYPE + b"\0\0\0\0manifest\0" + bytes(64)
    target.write_bytes(
        source.read_bytes() + struct.pack(">I4s", 8 + len(payload), b"uuid") + payload
    )
    return target


def with_lying_durations(source: Path, target: Path, *, duration: int) -> Path:
    """Write the video with another duration in every header that has one."""
    content = bytearray(source.read_bytes())
    for name, before in ((b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)):
        at = content.find(name)
        while at >= 0:
            struct.pack_into(">I", content, at + 4 + before, duration)
            at = content.find(name, at + 4)
    target.write_bytes(content)
    return target
