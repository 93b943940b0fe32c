"""A job's peak memory does not grow with the size of its media."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.ffmpeg import run_ffmpeg

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
PRODUCE_AND_STORE = """
import json, re, resource, sys
from pathlib import Path
from jobs.video_generation_job.pipeline import VideoPipeline
from shared.adapters.local.media_store import FileMediaStore
from shared.domain.brief import Brief
from shared.domain.media import MediaFormat
from shared.domain.kind import Kind

folder = Path(sys.argv[1])
brief = Brief.of(Kind.VIDEO, prompt="x", duration_s=8)
processed = VideoPipeline().post_process(folder / "download", folder, brief=brief)
media = FileMediaStore(folder / "media", base_url="http://localhost", secret=b"s")
media.put(processed.path, "videos/u/c/1.mp4", media_format=MediaFormat.MP4)
peak_kib = re.search("VmHWM:[^0-9]+([0-9]+)", Path("/proc/self/status").read_text())[1]
ffmpegs = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([int(peak_kib) * 1024, ffmpegs * 1024]))
"""


def peaks(folder: Path) -> list[int]:
    """Return the peak memory of the job's process and of its ffmpeg, in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", PRODUCE_AND_STORE, str(folder)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        check=True,
        timeout=300,
    )
    return list(json.loads(done.stdout))


def shoot(folder: Path, *, quality: int) -> int:
    """Write 8 s of noise; a lower `quality` number makes a larger file. Return its size."""
    folder.mkdir()
    noise = "color=gray:size=1280x720:rate=24:duration=8,noise=alls=60:allf=t"
    encode = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", str(quality)]
    arguments = ["-v", "error", "-f", "lavfi", "-i", noise, *encode, "-pix_fmt", "yuv420p"]
    done = run_ffmpeg([*arguments, "-f", "mp4", str(folder / "download")], timeout_s=200)
    assert done.exit_status == 0, done.stderr
    return (folder / "download").stat().st_size


def test_memory_does_not_grow_with_the_size_of_the_media(tmp_path: Path) -> None:
    small = shoot(tmp_path / "small", quality=51)
    large = shoot(tmp_path / "large", quality=8)
    assert large > 100 * MIB > 20 * small

    of_small, of_large = peaks(tmp_path / "small"), peaks(tmp_path / "large")

    for before, after in zip(of_small, of_large, strict=True):
        assert after - before < 32 * MIB
    assert sum(of_large) < 512 * MIB
