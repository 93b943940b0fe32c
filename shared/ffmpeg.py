"""The ffmpeg of the imageio-ffmpeg package, never the system's.

It reads untrusted files, so its environment is empty: no secrets, no loader variables.
"""

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imageio_ffmpeg import binaries  # type: ignore[import-untyped]  # without annotations

STDERR_BYTES_MAX = 64 * 1024


@dataclass(frozen=True)
class Completed:
    """Exit status and the start of the standard error output."""

    exit_status: int
    stderr: str


class FfmpegTimeout(Exception):
    """ffmpeg did not end in time and was killed."""


def run_ffmpeg(arguments: Sequence[str], *, timeout_s: float) -> Completed:
    """Run ffmpeg; the caller checks the exit status. Raise `FfmpegTimeout`."""
    with tempfile.TemporaryFile() as stderr:
        try:
            done = subprocess.run(  # noqa: S603 (callers build the arguments themselves)
                [program(), "-nostdin", "-hide_banner", "-y", *arguments],
                check=False,
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise FfmpegTimeout from error
        stderr.seek(0)
        return Completed(done.returncode, stderr.read(STDERR_BYTES_MAX).decode(errors="replace"))


def program() -> Path:
    """Return the packaged program; the package's own lookup prefers IMAGEIO_FFMPEG_EXE."""
    [program] = Path(binaries.__file__).parent.glob("ffmpeg-*")
    return program
