"""Videos are judged by the pictures that decode, not by their headers or metadata."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from jobs.upload import ProcessedMedia
from jobs.video_generation_job.mp4 import PICTURE, read_layout
from jobs.video_generation_job.pipeline import VideoPipeline
from shared.domain.errors import BadOutput
from shared.domain.kind import Kind
from shared.ffmpeg import run_ffmpeg
from tests.jobs import clips
from tests.jobs.clips import NO_KEY_FRAME, QUIET_HEVC, copied, shot, signed, silent
from tests.support.builders import a_brief
from tests.support.mp4 import top_boxes

Make = Callable[[Path, Path], Path]
"""Writes a variant of the first video to the second path."""


def post_process(download: Path, *, wanted_s: int = 4) -> ProcessedMedia:
    folder = download.parent / "processed"
    folder.mkdir()
    brief = a_brief(Kind.VIDEO, duration_s=wanted_s)
    return VideoPipeline().post_process(download, folder, brief=brief)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shot(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture(scope="session")
def fast_clip(clip: Path) -> Path:
    """The same with its index first."""
    return copied(clip, clip.with_name("fast.mp4"), "-movflags", "+faststart")


@pytest.fixture(scope="session")
def hevc_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hevc")
    return shot(folder / "hevc.mp4", "-tag:v", "hev1", coding=QUIET_HEVC)


def two_pictures_and_then_sound(_: Path, target: Path) -> Path:
    return shot(target, pictures_s=2 / 24)


def two_pictures_held(_: Path, target: Path) -> Path:
    hold = "setts=duration=if(eq(N\\,1)\\,4/TB\\,DURATION)"
    return silent(target, "-bsf:v", hold, pictures_s=2 / 24)


def no_key_frame(clip: Path, target: Path) -> Path:
    return copied(clip, target, *NO_KEY_FRAME)


def no_key_frame_but_many_others(_: Path, target: Path) -> Path:
    """Write a video of which only the last quarter decodes."""
    whole = shot(target.with_name("whole.mp4"), "-g", "24")
    return copied(whole, target, "-bsf:v", "noise=drop='lt(n,72)*not(mod(n,24))'")


UNPLAYABLE: list[Make] = [
    two_pictures_and_then_sound,
    two_pictures_held,
    no_key_frame,
    no_key_frame_but_many_others,
]


@pytest.mark.parametrize("make", UNPLAYABLE)
def test_video_whose_pictures_do_not_decode_is_bad_output(
    clip: Path, tmp_path: Path, make: Make
) -> None:
    with pytest.raises(BadOutput):
        post_process(make(clip, tmp_path / "download"))


def test_hevc_without_its_key_frame_is_bad_output(hevc_clip: Path, tmp_path: Path) -> None:
    with pytest.raises(BadOutput, match=r"0 of its \d+ frames decode"):
        post_process(copied(hevc_clip, tmp_path / "download", *NO_KEY_FRAME, "-tag:v", "hvc1"))


def timecode(clip: Path, target: Path) -> Path:
    return copied(clip, target, "-timecode", "00:00:00:00")


def long_comment(clip: Path, target: Path) -> Path:
    text = target.with_name("metadata")
    text.write_text(";FFMETADATA1\ncomment=" + "a line of text\\\n" * 3000 + "\n")
    return copied(clip, target, "-i", str(text), "-map_metadata", "1")


def chapters(clip: Path, target: Path) -> Path:
    text = target.with_name("metadata")
    text.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=2\ntitle=one\n")
    return copied(clip, target, "-i", str(text), "-map_metadata", "1")


def cover(clip: Path, target: Path) -> Path:
    picture = target.with_name("cover.png")
    Image.new("RGB", (64, 64), "red").save(picture)
    attach = ("-map", "0", "-map", "1", "-disposition:v:1", "attached_pic")
    return copied(clip, target, "-i", str(picture), *attach)


def cover_as_a_stream(clip: Path, target: Path) -> Path:
    picture = target.with_name("cover.jpg")
    Image.new("RGB", (64, 64), "red").save(picture)
    return copied(clip, target, "-i", str(picture), "-map", "0", "-map", "1")


def cover_as_the_first_stream(clip: Path, target: Path) -> Path:
    picture = target.with_name("cover.png")
    Image.new("RGB", (64, 64), "red").save(picture)
    fast = ("-movflags", "+faststart")
    return copied(clip, target, "-i", str(picture), "-map", "1", "-map", "0", *fast)


def fragments(clip: Path, target: Path) -> Path:
    return copied(clip, target, "-movflags", "frag_keyframe+empty_moov")


def lying_durations(clip: Path, target: Path) -> Path:
    return clips.with_lying_durations(clip, target, duration=2**30)


def edit_list(_: Path, target: Path) -> Path:
    whole = shot(target.with_name("whole.mp4"), "-g", "48", "-bf", "2", pictures_s=6, sound_s=6)
    return copied(whole, target, "-t", "4", before=("-ss", "1.3"))


def frames_of_many_lengths(_: Path, target: Path) -> Path:
    uneven = f"{clips.PICTURES},select='not(mod(n,7))+lt(n,24)'"
    return shot(target, "-fps_mode", "vfr", "-video_track_timescale", "1000000", pictures=uneven)


def few_frames_per_second(_: Path, target: Path) -> Path:
    return shot(target, pictures="testsrc2=size=320x180:rate=2")


def one_damaged_frame(clip: Path, target: Path) -> Path:
    return copied(clip, target, "-bsf:v", "noise=amount='if(eq(n,40),5,0)'")


def one_missing_key_frame_of_four(_: Path, target: Path) -> Path:
    whole = shot(target.with_name("whole.mp4"), "-g", "24")
    return copied(whole, target, *NO_KEY_FRAME)


def a_few_bytes_missing(clip: Path, target: Path) -> Path:
    fast = copied(clip, target.with_name("fast.mp4"), "-movflags", "+faststart")
    target.write_bytes(fast.read_bytes()[:-100])
    return target


def pictures_last_8_03_s(_: Path, target: Path) -> Path:
    return shot(target, pictures_s=193 / 24, sound_s=193 / 24)


def sound_is_longer_than_the_pictures(_: Path, target: Path) -> Path:
    return shot(target, sound_s=12)


def pictures_last_half_the_time(_: Path, target: Path) -> Path:
    return shot(target, pictures_s=2)


def quicktime(clip: Path, target: Path) -> Path:
    return copied(clip, target, "-movflags", "+faststart", "-brand", "qt  ")


def two_sounds(clip: Path, target: Path) -> Path:
    both = ("-map", "0:v", "-map", "0:a", "-map", "0:a")
    return copied(clip, target, *both, "-movflags", "+faststart")


def bursts_of_frames(_: Path, target: Path) -> Path:
    times = "setpts='if(lt(mod(N,8),7),floor(N/8)*8/24+mod(N,8)/1000,N/24)/TB'"
    timing = ("-fps_mode", "passthrough", "-enc_time_base", "1:90000")
    return shot(target, *timing, pictures=f"{clips.PICTURES},{times}")


PLAYABLE: list[Make] = [
    timecode,
    long_comment,
    chapters,
    cover,
    cover_as_a_stream,
    cover_as_the_first_stream,
    fragments,
    lying_durations,
    edit_list,
    frames_of_many_lengths,
    few_frames_per_second,
    one_damaged_frame,
    one_missing_key_frame_of_four,
    a_few_bytes_missing,
    pictures_last_8_03_s,
    sound_is_longer_than_the_pictures,
    pictures_last_half_the_time,
    quicktime,
    two_sounds,
    bursts_of_frames,
]


@pytest.mark.parametrize("make", PLAYABLE)
def test_video_that_players_display_is_accepted(clip: Path, tmp_path: Path, make: Make) -> None:
    processed = post_process(make(clip, tmp_path / "download"))

    assert (processed.width, processed.height) == (320, 180)
    assert processed.thumbnail is not None
    layout = read_layout(processed.path)
    assert [track.handler for track in layout.tracks].count(PICTURE) == 1
    boxes = top_boxes(processed.path)
    assert boxes.index("moov") < boxes.index("mdat")
    assert "moof" not in boxes


@pytest.mark.parametrize("pictures_s", [1.9, 9.2])
def test_pictures_too_short_or_too_long_are_bad_output(tmp_path: Path, pictures_s: float) -> None:
    with pytest.raises(BadOutput, match="pictures last"):
        post_process(shot(tmp_path / "download", pictures_s=pictures_s))


def is_red(picture: Image.Image, position: tuple[int, int]) -> bool:
    pixel = picture.getpixel(position)
    assert isinstance(pixel, tuple)
    return pixel[0] > 150 and pixel[2] < 100


@pytest.mark.parametrize(
    ("turn", "size", "red_at"),
    [
        (0, (320, 180), (0.25, 0.5)),
        (90, (180, 320), (0.5, 0.75)),
        (180, (320, 180), (0.75, 0.5)),
        (270, (180, 320), (0.5, 0.25)),
    ],
)
def test_rotated_video_has_its_displayed_size_and_thumbnail(
    tmp_path: Path, turn: int, size: tuple[int, int], red_at: tuple[float, float]
) -> None:
    whole = silent(tmp_path / "whole.mp4", pictures=clips.SIDES)
    turned = copied(whole, tmp_path / "download", before=("-display_rotation", str(turn)))

    processed = post_process(turned)

    assert (processed.width, processed.height) == size
    assert processed.thumbnail is not None
    with Image.open(processed.thumbnail) as thumbnail:
        assert (thumbnail.width > thumbnail.height) == (size[0] > size[1])
        position = (int(thumbnail.width * red_at[0]), int(thumbnail.height * red_at[1]))
        assert is_red(thumbnail, position)


def test_size_and_thumbnail_have_square_pixels(clip: Path, tmp_path: Path) -> None:
    processed = post_process(copied(clip, tmp_path / "download", "-aspect", "1:1"))

    assert (processed.width, processed.height) == (180, 180)
    assert processed.thumbnail is not None
    with Image.open(processed.thumbnail) as thumbnail:
        assert thumbnail.size == (640, 640)


@pytest.mark.parametrize(
    ("size", "thumbnail_size"), [("16x2160", (15, 2048)), ("2160x16", (640, 5))]
)
def test_thumbnail_of_a_narrow_video_is_bounded(
    tmp_path: Path, size: str, thumbnail_size: tuple[int, int]
) -> None:
    processed = post_process(silent(tmp_path / "download", pictures=f"testsrc2=size={size}:rate=4"))

    assert processed.thumbnail is not None
    with Image.open(processed.thumbnail) as thumbnail:
        assert thumbnail.size == thumbnail_size


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_thumbnail_of_a_high_dynamic_range_video_is_tone_mapped(
    tmp_path: Path, transfer: str
) -> None:
    white = (
        "color=white:size=320x180:rate=4,format=gbrpf32le,"
        "zscale=pin=709:tin=iec61966-2-1:rin=full:min=gbr:npl=203"
        f":p=2020:t={transfer}:m=2020_ncl:r=limited,format=yuv420p10le"
    )
    colours = ("-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc")
    coding = (*QUIET_HEVC, "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1", *colours)

    processed = post_process(silent(tmp_path / "download", pictures=white, coding=coding))

    assert processed.thumbnail is not None
    with Image.open(processed.thumbnail) as thumbnail:
        pixel = thumbnail.getpixel((320, 180))
    assert isinstance(pixel, tuple)
    assert min(pixel) > 240


def test_video_of_ten_bits_has_a_thumbnail_in_its_colours(tmp_path: Path) -> None:
    coding = (*QUIET_HEVC, "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1")

    processed = post_process(silent(tmp_path / "download", pictures=clips.SIDES, coding=coding))

    assert processed.thumbnail is not None
    with Image.open(processed.thumbnail) as thumbnail:
        assert is_red(thumbnail, (160, 180))


@pytest.mark.parametrize("tag", ["hev1", "hvc1"])
def test_hevc_is_stored_with_the_tag_that_iphones_play(
    hevc_clip: Path, tmp_path: Path, tag: str
) -> None:
    processed = post_process(copied(hevc_clip, tmp_path / "download", "-tag:v", tag))

    content = processed.path.read_bytes()
    assert b"hvc1" in content
    assert b"hev1" not in content


def test_h264_with_parameters_among_its_frames_is_stored_as_avc1(
    fast_clip: Path, tmp_path: Path
) -> None:
    download = copied(fast_clip, tmp_path / "download", "-tag:v", "avc3", "-movflags", "+faststart")

    content = post_process(download).path.read_bytes()

    assert b"avc1" in content
    assert b"avc3" not in content


def test_quicktime_file_is_stored_as_mp4(clip: Path, tmp_path: Path) -> None:
    processed = post_process(quicktime(clip, tmp_path / "download"))

    assert processed.path.read_bytes()[4:12] == b"ftypisom"


@pytest.mark.parametrize(
    ("coding", "named"),
    [
        (("-c:v", "mpeg4"), "mp4v"),
        (("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"), "vp09"),
        (("-c:v", "libsvtav1", "-preset", "12"), "av01"),
        ((*clips.H264, "-pix_fmt", "yuv444p"), "H.264 of profile 244"),
        ((*clips.H264, "-pix_fmt", "yuv422p"), "H.264 of profile 122"),
        ((*clips.H264, "-pix_fmt", "yuv420p10le"), "H.264 of profile 110"),
        ((*QUIET_HEVC, "-pix_fmt", "yuv444p"), "HEVC of profile 4"),
    ],
)
def test_codec_that_phones_do_not_play_is_bad_output_with_its_name(
    tmp_path: Path, coding: tuple[str, ...], named: str
) -> None:
    download = silent(tmp_path / "download", pictures="testsrc2=size=320x180:rate=4", coding=coding)

    with pytest.raises(BadOutput, match=named):
        post_process(download)


def test_damaged_sound_is_a_warning(
    clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damage = "noise=amount='if(eq(n,40),3,0)'"
    download = copied(clip, tmp_path / "download", "-bsf:a", damage)

    processed = post_process(download)

    assert processed.thumbnail is not None
    assert "sound_damaged" in caplog.messages
    assert b"mp4a" in processed.path.read_bytes()


def test_sound_that_phones_may_not_play_is_encoded_as_aac(clip: Path, tmp_path: Path) -> None:
    opus = write_opus(clip, tmp_path / "download")

    processed = post_process(opus)

    content = processed.path.read_bytes()
    assert b"mp4a" in content
    assert b"Opus" not in content


def write_opus(clip: Path, target: Path) -> Path:
    arguments = ("-i", str(clip), "-c:v", "copy", "-c:a", "libopus", "-movflags", "+faststart")
    return clips.write_clip(target, *arguments)


def test_sound_that_cannot_be_decoded_is_left_out(clip: Path, tmp_path: Path) -> None:
    download = write_opus(clip, tmp_path / "download")
    content = download.read_bytes().replace(b"Opus", b"oops")
    download.write_bytes(content)

    processed = post_process(download)

    assert processed.thumbnail is not None
    assert b"soun" not in processed.path.read_bytes()


def test_signed_video_with_its_index_first_is_stored_unchanged(
    fast_clip: Path, tmp_path: Path
) -> None:
    download = signed(fast_clip, tmp_path / "download")
    before = download.read_bytes()

    processed = post_process(download)

    assert processed.path.read_bytes() == before


def test_signed_video_with_its_index_last_is_remuxed_with_a_warning(
    clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        processed = post_process(signed(clip, tmp_path / "download"))

    assert top_boxes(processed.path)[:2] == ["ftyp", "moov"]
    assert "content_credentials_lost" in caplog.messages


def test_remuxed_video_keeps_its_rotation_pictures_and_sound(clip: Path, tmp_path: Path) -> None:
    download = copied(clip, tmp_path / "download", before=("-display_rotation", "90"))

    processed = post_process(download)

    assert processed.path != download
    again = tmp_path / "again"
    again.mkdir()
    second = VideoPipeline().post_process(
        processed.path, again, brief=a_brief(Kind.VIDEO, duration_s=4)
    )
    assert second.path == processed.path
    assert (second.width, second.height) == (180, 320)
    decoded = run_ffmpeg(
        ["-v", "error", "-xerror", "-i", str(processed.path), "-map", "0:a:0", "-f", "null", "-"],
        timeout_s=60,
    )
    assert decoded.exit_status == 0
