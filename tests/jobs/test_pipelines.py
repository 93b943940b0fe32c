"""The pipelines on real files, good and bad."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from jobs.image_generation_job.pipeline import ImagePipeline
from jobs.thumbnail import SIZE_BYTES_MAX, write_thumbnail
from jobs.upload import ProcessedMedia
from jobs.video_generation_job.pipeline import VideoPipeline
from shared.adapters.sample.drawings import draw_image, render_video
from shared.domain.brief import Brief
from shared.domain.errors import BadOutput
from shared.domain.kind import Kind
from shared.ffmpeg import run_ffmpeg
from tests.jobs.hostile_media import HOSTILE_IMAGES, HOSTILE_VIDEOS
from tests.support.builders import a_brief
from tests.support.mp4 import top_boxes

VIDEO = a_brief(Kind.VIDEO, duration_s=4)
IMAGE = a_brief(Kind.IMAGE)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    render_video(VIDEO, path)
    return path


def assert_decodes(video: Path) -> None:
    decode = ["-v", "error", "-xerror", "-i", str(video), "-f", "null", "-"]
    assert run_ffmpeg(decode, timeout_s=60).exit_status == 0


def post_process_video(download: Path, folder: Path, brief: Brief = VIDEO) -> ProcessedMedia:
    return VideoPipeline().post_process(download, folder, brief=brief)


@pytest.mark.parametrize(
    ("orientation", "size"), [("landscape", (1280, 720)), ("portrait", (720, 1280))]
)
def test_video_plays_with_its_index_first_and_a_thumbnail(
    tmp_path: Path, orientation: str, size: tuple[int, int]
) -> None:
    brief = a_brief(Kind.VIDEO, orientation=orientation, duration_s=4)
    render_video(brief, tmp_path / "download")
    assert top_boxes(tmp_path / "download")[-1] == "moov"

    processed = post_process_video(tmp_path / "download", tmp_path, brief)

    assert top_boxes(processed.path)[:2] == ["ftyp", "moov"]
    assert (processed.width, processed.height) == size
    assert_decodes(processed.path)
    assert processed.thumbnail is not None
    with Image.open(processed.thumbnail) as thumbnail:
        assert (thumbnail.format, thumbnail.width) == ("JPEG", 640)
    assert 10 * 1024 <= processed.thumbnail.stat().st_size <= 50 * 1024


def test_video_without_a_middle_frame_has_no_thumbnail(tmp_path: Path) -> None:
    render_video(VIDEO, tmp_path / "download", motion_share=0.25)

    processed = post_process_video(tmp_path / "download", tmp_path)

    assert processed.thumbnail is None


@pytest.mark.parametrize("spoil", HOSTILE_VIDEOS)
def test_unplayable_video_is_bad_output(
    film: Path, tmp_path: Path, spoil: Callable[[Path, Path], None]
) -> None:
    spoil(film, tmp_path / "download")

    with pytest.raises(BadOutput):
        post_process_video(tmp_path / "download", tmp_path)


@pytest.mark.parametrize("ratio", ["1:1", "3:4", "4:3", "9:16", "16:9"])
def test_image_is_stored_unchanged_with_a_thumbnail(tmp_path: Path, ratio: str) -> None:
    download = tmp_path / "download"
    draw_image(a_brief(Kind.IMAGE, aspect_ratio=ratio), download)
    before = download.read_bytes()

    processed = ImagePipeline().post_process(download, tmp_path, brief=IMAGE)

    assert processed.path.read_bytes() == before
    assert processed.media_format == "png"
    assert processed.thumbnail is not None
    with Image.open(processed.thumbnail) as thumbnail:
        assert (thumbnail.format, thumbnail.width) == ("JPEG", 640)
    assert 10 * 1024 <= processed.thumbnail.stat().st_size <= 50 * 1024


def test_jpeg_is_an_image(tmp_path: Path) -> None:
    Image.effect_noise((700, 500), 60).save(tmp_path / "download", format="JPEG")

    processed = ImagePipeline().post_process(tmp_path / "download", tmp_path, brief=IMAGE)

    assert (processed.media_format, processed.width, processed.height) == ("jpg", 700, 500)


@pytest.mark.parametrize("name", HOSTILE_IMAGES)
def test_unacceptable_image_is_bad_output(tmp_path: Path, name: str) -> None:
    (tmp_path / "download").write_bytes(HOSTILE_IMAGES[name]())

    with pytest.raises(BadOutput):
        ImagePipeline().post_process(tmp_path / "download", tmp_path, brief=IMAGE)


def test_thumbnail_of_noise_has_a_lower_quality(tmp_path: Path) -> None:
    write_thumbnail(Image.effect_noise((640, 1138), 40), tmp_path / "thumbnail")

    assert (tmp_path / "thumbnail").stat().st_size <= SIZE_BYTES_MAX
