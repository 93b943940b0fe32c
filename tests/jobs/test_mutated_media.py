"""Damaged files are accepted or refused as bad output; no other error occurs."""

import logging
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from jobs.generation import Pipeline
from jobs.image_generation_job.pipeline import ImagePipeline
from jobs.upload import ProcessedMedia
from jobs.video_generation_job.pipeline import VideoPipeline
from shared.domain.errors import BadOutput
from tests.jobs.clips import H264, QUIET_HEVC, copied, shot
from tests.jobs.pictures import encoded, noise, oriented
from tests.support.builders import a_brief

NUMBERS = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\1")


def mutants(content: bytes, *, header_bytes: int, count: int) -> Iterator[bytes]:
    """Yield damaged copies; half of the damage is in the header."""
    chance = random.Random(len(content))
    for _ in range(count):
        mutant = bytearray(content)
        region = min(len(content), header_bytes) if chance.random() < 0.5 else len(content)
        for _ in range(chance.choice((1, 2, 20))):
            at = chance.randrange(region)
            match chance.randrange(4):
                case 0:
                    mutant[at : at + 1] = chance.randbytes(1)
                case 1:
                    mutant[at : at + 4] = chance.choice(NUMBERS)
                case 2:
                    del mutant[at : at + chance.randrange(1, 50)]
                case _:
                    mutant[at:at] = mutant[chance.randrange(len(mutant)) :][:40]
            region = min(region, len(mutant))
        yield bytes(mutant)


def accepted(pipeline: Pipeline, content: bytes, folder: Path) -> ProcessedMedia | None:
    """Post-process a file; return None if it is refused."""
    folder.mkdir()
    download = folder / "download"
    download.write_bytes(content)
    try:
        return pipeline.post_process(download, folder, brief=a_brief(pipeline.kind))
    except BadOutput:
        return None


def assert_usable(processed: ProcessedMedia) -> None:
    assert processed.path.stat().st_size > 0
    assert min(processed.width, processed.height) >= 1
    if processed.thumbnail is not None:
        with Image.open(processed.thumbnail) as thumbnail:
            assert thumbnail.width <= 640
            assert thumbnail.height <= 2048


PICTURES: dict[str, Callable[[], bytes]] = {
    "PNG": lambda: encoded(noise(96, 64), "PNG"),
    "palette": lambda: encoded(noise(96, 64).quantize(16), "PNG"),
    "JPEG": lambda: oriented("JPEG", 6),
    "progressive": lambda: encoded(noise(96, 64), "JPEG", progressive=True),
    "MPO": lambda: encoded(noise(96, 64), "MPO", save_all=True, append_images=[noise(32, 32)]),
    "WebP": lambda: encoded(noise(96, 64), "WEBP"),
    "AVIF": lambda: encoded(noise(96, 64), "AVIF", speed=10),
    "BMP": lambda: encoded(noise(96, 64), "BMP"),
    "TIFF": lambda: encoded(noise(96, 64), "TIFF", compression="tiff_lzw"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_damaged_picture_is_usable_or_bad_output(tmp_path: Path, name: str) -> None:
    content = PICTURES[name]()
    made = [
        accepted(ImagePipeline(), mutant, tmp_path / str(number))
        for number, mutant in enumerate(mutants(content, header_bytes=400, count=25))
    ]

    assert accepted(ImagePipeline(), content, tmp_path / "whole") is not None
    assert None in made
    for processed in filter(None, made):
        assert_usable(processed)


FILMS = {
    "index first": (H264, ("-movflags", "+faststart")),
    "fragments": (H264, ("-movflags", "frag_keyframe+empty_moov")),
    "HEVC": (QUIET_HEVC, ("-movflags", "+faststart", "-tag:v", "hvc1")),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILMS)
def test_damaged_video_is_usable_or_bad_output(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    coding, layout = FILMS[name]
    pictures = "testsrc2=size=160x90:rate=12"
    whole = shot(tmp_path / "whole.mp4", pictures=pictures, pictures_s=8, sound_s=8, coding=coding)
    content = copied(whole, tmp_path / "film.mp4", *layout).read_bytes()
    made = [
        accepted(VideoPipeline(), mutant, tmp_path / str(number))
        for number, mutant in enumerate(mutants(content, header_bytes=6000, count=20))
    ]

    assert accepted(VideoPipeline(), content, tmp_path / "whole") is not None
    assert None in made
    for processed in filter(None, made):
        assert_usable(processed)
