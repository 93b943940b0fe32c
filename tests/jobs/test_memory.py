"""A job's peak memory: with the size of its media, and with many at once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.domain.policy import Policy
from shared.ffmpeg import run_ffmpeg
from tests.containers.media import largest_image
from tests.servers.google_models_server import GoogleModelsServer
from tests.servers.google_models_vendor import Vendor

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
IMAGE_JOB_BYTES = 1024 * MIB
IMAGE_ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "1048576"}
"""As in the job's Dockerfile."""
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

MAKE_AT_ONCE = """
import re, sys, threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from jobs.image_generation_job.pipeline import ImagePipeline
from shared.adapters.google_models import client
from shared.adapters.system.crew import SystemCrew
from shared.domain.brief import Brief
from shared.domain.kind import Kind
from shared.domain.policy import IMAGE_SIZE_BYTES_MAX
from shared.heavy_work import heavy_work
from tests.servers.google_models_variants import IMAGE

url, root, at_once = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
brief, crew, together = Brief.of(Kind.IMAGE, prompt="x"), SystemCrew(), threading.Barrier(at_once)

@contextmanager
def after_all_answers():
    together.wait()
    with heavy_work():
        yield

def make(number):
    generator, folder = IMAGE.open(url, timeout_s=100), root / str(number)
    ready = generator.start(brief, creation_id=f"c{number}", attempt=1)
    folder.mkdir()
    generator.fetch(ready, folder / "file", size_bytes_max=IMAGE_SIZE_BYTES_MAX)
    with crew.turn(lambda: None):
        return ImagePipeline().post_process(folder / "file", folder, brief=brief)

client.heavy_work = after_all_answers
with ThreadPoolExecutor(at_once) as threads:
    made = list(threads.map(make, range(at_once)))
assert {(each.width, each.height) for each in made} == {(4096, 4096)}
print(re.search("VmHWM:[^0-9]+([0-9]+)", Path("/proc/self/status").read_text())[1])
"""
"""The work of as many attempts, none of which parses its answer before all have one."""


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


def test_image_job_holds_its_largest_images_at_once(tmp_path: Path) -> None:
    content, at_once = largest_image(), Policy().images_at_once
    vendor = Vendor(takes_s=0, draw=lambda *_: content)
    with GoogleModelsServer(vendor) as server:
        done = subprocess.run(
            [sys.executable, "-c", MAKE_AT_ONCE, server.url, str(tmp_path), str(at_once)],
            env={**os.environ, **IMAGE_ENVIRONMENT, "PYTHONPATH": str(Path.cwd())},
            capture_output=True,
            check=True,
            timeout=300,
        )
    files_bytes = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())

    assert files_bytes > at_once * len(content)
    assert int(done.stdout) * 1024 + files_bytes < IMAGE_JOB_BYTES
