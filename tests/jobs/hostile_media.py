"""Unusable files that a generator may send."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from shared.adapters.sample.drawings import draw_image
from shared.domain.kind import Kind
from shared.ffmpeg import run_ffmpeg
from tests.support.builders import a_brief


def cut(film: Path, target: Path) -> None:
    target.write_bytes(film.read_bytes()[: film.stat().st_size // 2])


def empty(_: Path, target: Path) -> None:
    target.write_bytes(b"")


def playlist(film: Path, target: Path) -> None:
    target.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile://{film}\n")


def playlist_behind_a_file_type_box(film: Path, target: Path) -> None:
    target.write_bytes(b"\0\0\0\x08ftyp" + f"#EXTM3U\nfile://{film}\n".encode())


def concat_script(film: Path, target: Path) -> None:
    target.write_text(f"ffconcat version 1.0\nfile {film}\n")


def only_sound(_: Path, target: Path) -> None:
    make(target, "-f", "lavfi", "-i", "sine=duration=4", "-c:a", "aac")


def two_pictures(film: Path, target: Path) -> None:
    make(target, "-i", str(film), "-map", "0:v", "-map", "0:v", "-c", "copy")


def too_long(_: Path, target: Path) -> None:
    make(target, "-f", "lavfi", "-i", "color=d=20:s=64x64:r=1", "-c:v", "libx264")


def too_short(_: Path, target: Path) -> None:
    make(target, "-f", "lavfi", "-i", "color=d=1:s=64x64:r=10", "-c:v", "libx264")


def damaged(film: Path, target: Path) -> None:
    content = bytearray(film.read_bytes())
    for at in range(len(content) // 4, len(content) // 2, 97):
        content[at] ^= 0xFF
    target.write_bytes(content)


def an_image(_: Path, target: Path) -> None:
    draw_image(a_brief(Kind.IMAGE), target)


def make(target: Path, *arguments: str) -> None:
    done = run_ffmpeg(["-v", "error", *arguments, "-f", "mp4", str(target)], timeout_s=60)
    assert done.exit_status == 0, done.stderr


def a_giant_frame(_: Path, target: Path) -> None:
    size = "size=5000x3000:duration=4:rate=1"
    make(target, "-f", "lavfi", "-i", f"color={size}", "-preset", "ultrafast")


def lasting_for_days(film: Path, target: Path) -> None:
    """Write a film whose frames last hours each according to its `stts` box."""
    content = bytearray(film.read_bytes())
    delta_at = content.index(b"stts") + 4 + 4 + 4 + 4
    content[delta_at : delta_at + 4] = struct.pack(">I", 2**26)
    target.write_bytes(content)


def without_its_key_frame(film: Path, target: Path) -> None:
    make(target, "-i", str(film), "-c", "copy", "-bsf:v", "noise=drop='eq(n,0)'")


def of_a_codec_that_phones_do_not_play(_: Path, target: Path) -> None:
    make(target, "-f", "lavfi", "-i", "color=d=4:s=64x64:r=10", "-c:v", "mpeg4")


def two_pictures_and_then_sound(_: Path, target: Path) -> None:
    pictures = ("-f", "lavfi", "-i", "color=d=0.2:s=64x64:r=10")
    make(target, *pictures, "-f", "lavfi", "-i", "sine=duration=4", "-c:v", "libx264")


HOSTILE_VIDEOS = [
    cut,
    empty,
    playlist,
    playlist_behind_a_file_type_box,
    concat_script,
    only_sound,
    two_pictures,
    too_long,
    too_short,
    lasting_for_days,
    damaged,
    an_image,
    a_giant_frame,
    without_its_key_frame,
    of_a_codec_that_phones_do_not_play,
    two_pictures_and_then_sound,
]


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def _zeros() -> bytes:
    """Return 200 MB as 200 KB."""
    return zlib.compress(b"\0" * 200_000_000, 9)


def a_bomb(width: int, height: int, *, text: bytes = b"") -> bytes:
    """Return a PNG (ISO/IEC 15948) of a few hundred KB that inflates to far more."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + (_chunk(b"zTXt", b"Comment\0\0" + text) if text else b"")
        + _chunk(b"IDAT", _zeros())
        + _chunk(b"IEND", b"")
    )


def a_gif() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, format="GIF")
    return file.getvalue()


def a_cut_png() -> bytes:
    file = io.BytesIO()
    Image.effect_noise((300, 300), 60).save(file, format="PNG")
    return file.getvalue()[:20_000]


def a_cut_jpeg() -> bytes:
    file = io.BytesIO()
    Image.effect_noise((300, 300), 60).save(file, format="JPEG")
    return file.getvalue()[: len(file.getvalue()) // 2]


HOSTILE_IMAGES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "only magic": lambda: b"\x89PNG\r\n\x1a\n",
    "text": lambda: b"text",
    "gif": a_gif,
    "cut": a_cut_png,
    "cut JPEG": a_cut_jpeg,
    "bomb": lambda: a_bomb(5_000, 4_000),
    "giant bomb": lambda: a_bomb(30_000, 30_000),
    "bomb in its text": lambda: a_bomb(64, 64, text=_zeros()),
}
