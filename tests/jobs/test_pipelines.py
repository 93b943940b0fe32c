"""The pipelines on real files, good and bad."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from jobs.image_generation_job.pipeline import ImagePipeline
from jobs.making import Produced
from jobs.thumbnail import SIZE_BYTES_MAX, write_thumbnail
from jobs.video_generation_job import ffmpeg
from jobs.video_generation_job.pipeline import VideoPipeline
from shared.adapters.ffmpeg import run_ffmpeg
from shared.adapters.sample_drawings import draw_picture, shoot_film
from shared.domain.brief import Brief
from shared.domain.errors import BadOutput
from shared.domain.policy import Kind
from tests.builders import a_brief
from tests.mp4 import top_boxes

VIDEO = a_brief(Kind.VIDEO, duration_s=4)
IMAGE = a_brief(Kind.IMAGE)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    shoot_film(VIDEO, path)
    return path


def produce_video(download: Path, folder: Path, brief: Brief = VIDEO) -> Produced:
    return VideoPipeline().produce(download, folder, brief=brief)


@pytest.mark.parametrize(
    ("orientation", "size"), [("landscape", (1280, 720)), ("portrait", (720, 1280))]
)
def test_a_video_plays_with_its_index_in_front_and_a_thumbnail(
    tmp_path: Path, orientation: str, size: tuple[int, int]
) -> None:
    brief = a_brief(Kind.VIDEO, orientation=orientation, duration_s=4)
    shoot_film(brief, tmp_path / "download")
    assert top_boxes(tmp_path / "download")[-1] == "moov"

    produced = produce_video(tmp_path / "download", tmp_path, brief)

    assert top_boxes(produced.path)[:2] == ["ftyp", "moov"]
    assert (produced.width, produced.height) == size
    assert run_ffmpeg(ffmpeg.decode(produced.path), timeout_s=60).exit_status == 0
    assert produced.thumbnail is not None
    with Image.open(produced.thumbnail) as thumbnail:
        assert (thumbnail.format, thumbnail.width) == ("JPEG", 640)
    assert 10 * 1024 <= produced.thumbnail.stat().st_size <= 50 * 1024


def test_a_video_without_a_frame_in_its_middle_has_no_thumbnail(tmp_path: Path) -> None:
    shoot_film(VIDEO, tmp_path / "download", picture_share=0.25)

    produced = produce_video(tmp_path / "download", tmp_path)

    assert produced.thumbnail is None


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
    make(target, "-f", "lavfi", "-i", "color=d=9:s=64x64:r=1", "-c:v", "libx264")


def too_short(_: Path, target: Path) -> None:
    make(target, "-f", "lavfi", "-i", "color=d=1:s=64x64:r=10", "-c:v", "libx264")


def damaged(film: Path, target: Path) -> None:
    content = bytearray(film.read_bytes())
    for at in range(len(content) // 4, len(content) // 2, 97):
        content[at] ^= 0xFF
    target.write_bytes(content)


def an_image(_: Path, target: Path) -> None:
    draw_picture(IMAGE, target)


def make(target: Path, *arguments: str) -> None:
    done = run_ffmpeg(["-v", "error", *arguments, "-f", "mp4", str(target)], timeout_s=60)
    assert done.exit_status == 0, done.said


@pytest.mark.parametrize(
    "spoil",
    [
        cut,
        empty,
        playlist,
        playlist_behind_a_file_type_box,
        concat_script,
        only_sound,
        two_pictures,
        too_long,
        too_short,
        damaged,
        an_image,
    ],
)
def test_what_is_no_playable_video_is_bad_output(
    film: Path, tmp_path: Path, spoil: Callable[[Path, Path], None]
) -> None:
    spoil(film, tmp_path / "download")

    with pytest.raises(BadOutput):
        produce_video(tmp_path / "download", tmp_path)


def test_a_frame_over_the_pixel_limit_is_not_decoded(tmp_path: Path) -> None:
    size = "size=5000x3000:duration=4:rate=1"
    make(tmp_path / "download", "-f", "lavfi", "-i", f"color={size}", "-preset", "ultrafast")

    with pytest.raises(BadOutput):
        produce_video(tmp_path / "download", tmp_path)


@pytest.mark.parametrize("ratio", ["1:1", "3:4", "4:3", "9:16", "16:9"])
def test_an_image_is_stored_as_it_came_with_a_thumbnail(tmp_path: Path, ratio: str) -> None:
    download = tmp_path / "download"
    draw_picture(a_brief(Kind.IMAGE, aspect_ratio=ratio), download)
    before = download.read_bytes()

    produced = ImagePipeline().produce(download, tmp_path, brief=IMAGE)

    assert produced.path.read_bytes() == before
    assert produced.media_format == "png"
    assert produced.thumbnail is not None
    with Image.open(produced.thumbnail) as thumbnail:
        assert (thumbnail.format, thumbnail.width) == ("JPEG", 640)
    assert 10 * 1024 <= produced.thumbnail.stat().st_size <= 50 * 1024


def test_a_jpeg_is_an_image_too(tmp_path: Path) -> None:
    Image.effect_noise((700, 500), 60).save(tmp_path / "download", format="JPEG")

    produced = ImagePipeline().produce(tmp_path / "download", tmp_path, brief=IMAGE)

    assert (produced.media_format, produced.width, produced.height) == ("jpg", 700, 500)


def a_bomb(width: int, height: int) -> bytes:
    """Return a PNG of a few hundred KB whose pixels would take gigabytes."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + name
            + content
            + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 200_000_000, 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def a_gif() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, format="GIF")
    return file.getvalue()


def a_cut_png() -> bytes:
    file = io.BytesIO()
    Image.effect_noise((300, 300), 60).save(file, format="PNG")
    return file.getvalue()[:20_000]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"text",
        a_gif(),
        a_cut_png(),
        a_bomb(5000, 4000),
        a_bomb(30000, 30000),
    ],
    ids=["empty", "only magic", "text", "gif", "cut", "bomb", "giant bomb"],
)
def test_what_is_no_acceptable_image_is_bad_output(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "download").write_bytes(content)

    with pytest.raises(BadOutput):
        ImagePipeline().produce(tmp_path / "download", tmp_path, brief=IMAGE)


def test_a_thumbnail_of_noise_is_made_smaller_by_quality(tmp_path: Path) -> None:
    write_thumbnail(Image.effect_noise((640, 1138), 40), tmp_path / "thumbnail")

    assert (tmp_path / "thumbnail").stat().st_size <= SIZE_BYTES_MAX


def test_a_probe_reads_what_ffmpeg_says() -> None:
    said = (
        "Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'x':\n"
        "  Duration: 00:01:04.02, start: 0.000000, bitrate: 3000 kb/s\n"
        "  Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(tv), "
        "1280x720 [SAR 1:1 DAR 16:9], 24 fps\n"
        "  Stream #0:1[0x2](und): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz\n"
    )

    assert ffmpeg.parse_probe(said) == ffmpeg.Probe(64.02, ((1280, 720),))
    assert ffmpeg.parse_probe("Invalid data found") is None
