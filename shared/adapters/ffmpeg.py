"""Runs the ffmpeg that the imageio-ffmpeg package carries, never the system's."""

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

import imageio_ffmpeg  # type: ignore[import-untyped]  # it has no annotations; this wraps it

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
    program: str = imageio_ffmpeg.get_ffmpeg_exe()
    with tempfile.TemporaryFile() as said:
        try:
            done = subprocess.run(  # noqa: S603 (callers build the arguments themselves)
                [program, *_ALWAYS, *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise FfmpegTimeout from error
        said.seek(0)
        return Finished(done.returncode, said.read(SAID_BYTES_MAX).decode(errors="replace"))
