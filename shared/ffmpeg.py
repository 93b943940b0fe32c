"""Runs the ffmpeg that the imageio-ffmpeg package carries, never the system's.

It reads what a vendor sent, so it gets no environment: no secret, and no variable that could
choose another program or library.
"""

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imageio_ffmpeg import binaries  # type: ignore[import-untyped]  # without annotations

SAID_BYTES_MAX = 64 * 1024
_ALWAYS = ("-nostdin", "-hide_banner", "-y")


@dataclass(frozen=True)
class Finished:
    """How a run ended, and the beginning of what it said."""

    exit_status: int
    said: str


class FfmpegTimeout(Exception):
    """ffmpeg did not end in time and was killed."""


def run_ffmpeg(arguments: Sequence[str], *, timeout_s: float) -> Finished:
    """Run ffmpeg with these arguments; its exit status is the caller's to judge.

    Raises:
        FfmpegTimeout
    """
    with tempfile.TemporaryFile() as said:
        try:
            done = subprocess.run(  # noqa: S603 (callers build the arguments themselves)
                [program(), *_ALWAYS, *arguments],
                check=False,
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise FfmpegTimeout from error
        said.seek(0)
        return Finished(done.returncode, said.read(SAID_BYTES_MAX).decode(errors="replace"))


def program() -> Path:
    """Return the packaged program; the package's own look-up prefers IMAGEIO_FFMPEG_EXE."""
    [program] = Path(binaries.__file__).parent.glob("ffmpeg-*")
    return program
