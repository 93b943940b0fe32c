"""Hostile files through the whole attempt: refunded as bad output, within the job's memory."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from jobs.image_generation_job.pipeline import ImagePipeline
from jobs.video_generation_job.pipeline import VideoPipeline
from jobs.worker import SETTLED
from shared.adapters.sample.drawings import render_video
from shared.domain.errors import BadOutput
from shared.domain.kind import Kind
from shared.domain.policy import IMAGE_PIXELS_MAX
from shared.domain.status import Status
from tests.jobs.hostile_media import HOSTILE_IMAGES, HOSTILE_VIDEOS
from tests.jobs.pictures import ORIENTATION, encoded
from tests.support.builders import a_brief
from tests.support.jobs import run_job
from tests.support.world import World

GIB = 1024**3
PRODUCE_EACH = """
import json, re, resource, sys, tempfile
from pathlib import Path
from jobs.image_generation_job.pipeline import ImagePipeline
from jobs.video_generation_job.pipeline import VideoPipeline
from shared.domain.brief import Brief
from shared.domain.errors import BadOutput
from shared.domain.kind import Kind
from shared.domain.policy import IMAGE_PIXELS_MAX

pipeline = {"image": ImagePipeline, "video": VideoPipeline}[sys.argv[1]]()
brief = Brief.of(Kind(sys.argv[1]), prompt="x")
for download in sys.argv[2:]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            pipeline.post_process(Path(download), Path(folder), brief=brief)
        except BadOutput:
            pass
peak_kib = re.search("VmHWM:[^0-9]+([0-9]+)", Path("/proc/self/status").read_text())[1]
ffmpegs = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([int(peak_kib) * 1024, ffmpegs * 1024]))
"""


def peaks_of(kind: Kind, files: list[Path]) -> list[int]:
    """Return the peak memory of a job's process and of its ffmpeg, in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", PRODUCE_EACH, kind, *map(str, files)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        check=True,
        timeout=300,
    )
    return list(json.loads(done.stdout))


@pytest.fixture(scope="module")
def hostile_files(tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, list[Path]]:
    folder = tmp_path_factory.mktemp("hostile")
    film = folder / "film.mp4"
    render_video(a_brief(Kind.VIDEO, duration_s=4), film)
    files: dict[Kind, list[Path]] = {kind: [] for kind in Kind}
    for spoil in HOSTILE_VIDEOS:
        path = folder / f"{spoil.__name__}.mp4"
        spoil(film, path)
        files[Kind.VIDEO].append(path)
    for name, make in HOSTILE_IMAGES.items():
        path = folder / f"{name}.png"
        path.write_bytes(make())
        files[Kind.IMAGE].append(path)
    return files


@pytest.mark.parametrize("kind", Kind)
def test_hostile_files_are_bad_output_and_refunded(
    world: World, hostile_files: dict[Kind, list[Path]], kind: Kind
) -> None:
    for path in hostile_files[kind]:
        creation = world.open(kind=kind).creation
        world.generator.fetches = [path.read_bytes()]
        world.clock.sleep(120)
        pipeline = VideoPipeline() if kind is Kind.VIDEO else ImagePipeline()

        assert run_job(world.phoenix, pipeline, creation.creation_id) == SETTLED

        failed = world.now(creation)
        assert failed.error is not None, path.name
        assert (failed.status, failed.error.code) == (Status.FAILED, "generator_bad_output")
    assert world.account().balance_tokens == 100
    assert world.stored_keys() == set()


def test_file_over_the_size_limit_is_bad_output(world: World) -> None:
    creation = world.open(kind=Kind.IMAGE).creation
    world.generator.fetches = [BadOutput(reason="it is larger than 26214400 bytes")]

    run_job(world.phoenix, ImagePipeline(), creation.creation_id)

    failed = world.now(creation)
    assert failed.error is not None
    assert failed.error.code == "generator_bad_output"


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "memory_bytes_max"), [(Kind.IMAGE, GIB), (Kind.VIDEO, 4 * GIB)])
def test_hostile_files_stay_within_half_of_the_jobs_memory(
    hostile_files: dict[Kind, list[Path]], kind: Kind, memory_bytes_max: int
) -> None:
    assert sum(peaks_of(kind, hostile_files[kind])) < memory_bytes_max / 2


def largest_pictures(folder: Path) -> list[Path]:
    """Write acceptable pictures of the most pixels, in the modes that take the most memory."""
    side = math.isqrt(IMAGE_PIXELS_MAX)
    detail = Image.effect_noise((512, 512), 20).convert("RGB").resize((side, side))
    clear = detail.copy()
    clear.putalpha(detail.getchannel(0))
    made = {
        "alpha.webp": encoded(clear, "WEBP", method=0),
        "turned.png": encoded(clear, "PNG", compress_level=1, exif=sideways()),
        "progressive.jpg": encoded(detail, "JPEG", progressive=True),
        "inks.jpg": encoded(detail.convert("CMYK"), "JPEG"),
        "grey.png": encoded(Image.new("I;16", (side, side), 999), "PNG", compress_level=1),
        "palette.png": encoded(clear.quantize(16), "PNG", compress_level=1),
    }
    for name, content in made.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in made]


def sideways() -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return exif.tobytes()


@pytest.mark.slow
def test_largest_pictures_stay_within_half_of_the_jobs_memory(tmp_path: Path) -> None:
    for path in largest_pictures(tmp_path):
        assert sum(peaks_of(Kind.IMAGE, [path])) < GIB / 2, path.name
