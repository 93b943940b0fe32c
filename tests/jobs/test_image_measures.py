"""Images are judged by the pixels that decode, not by their metadata."""

import io
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from jobs.image_generation_job import jpeg
from jobs.image_generation_job.pipeline import ImagePipeline
from jobs.upload import ProcessedMedia
from shared.domain.errors import BadOutput
from shared.domain.kind import Kind
from shared.domain.policy import IMAGE_SIZE_BYTES_MAX
from tests.jobs.pictures import (
    ORIENTATION,
    chunk,
    encoded,
    noise,
    oriented,
    png_with,
    scans,
    sides,
    text_of,
    webp_canvas,
)
from tests.support.builders import a_brief

MB = 1_000_000
START_OF_SCAN = b"\xff\xda"


def post_process(folder: Path, content: bytes) -> ProcessedMedia:
    download = folder / "download"
    download.write_bytes(content)
    return ImagePipeline().post_process(download, folder, brief=a_brief(Kind.IMAGE))


def thumbnail_of(processed: ProcessedMedia) -> Image.Image:
    assert processed.thumbnail is not None
    return Image.open(io.BytesIO(processed.thumbnail.read_bytes()))


def colour(picture: Image.Image, x: float, y: float) -> tuple[int, int, int]:
    position = (int(picture.width * x), int(picture.height * y))
    pixel = picture.convert("RGB").getpixel(position)
    assert isinstance(pixel, tuple)
    return pixel[0], pixel[1], pixel[2]


def is_red(picture: Image.Image, x: float, y: float) -> bool:
    red, _, blue = colour(picture, x, y)
    return red > 200 and blue < 60


def two_pictures() -> bytes:
    return encoded(noise(), "MPO", save_all=True, append_images=[noise(64, 64)])


def pictures(number: int) -> bytes:
    others = [noise(64, 64) for _ in range(number - 1)]
    return encoded(noise(), "MPO", save_all=True, append_images=others, progressive=True)


def two_pictures_one_cut() -> bytes:
    return two_pictures()[:-200]


def damaged_exif() -> bytes:
    exif = (
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0\xff\xff\xff\xff\xff\xff\xff\xff" * 9
    )
    return encoded(noise(), "JPEG", exif=exif)


def interlaced() -> bytes:
    """Return 1 x 1 pixel, interlaced: its only pass has one row."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 1)
    pixels = chunk(b"IDAT", zlib.compress(b"\0\x7f"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def jpeg_with(extra: bytes) -> bytes:
    content = encoded(noise(), "JPEG")
    return content[:2] + extra + content[2:]


AS_IT_CAME: dict[str, tuple[Callable[[], bytes], str]] = {
    "second picture": (two_pictures, "jpg"),
    "second picture that is cut": (two_pictures_one_cut, "jpg"),
    "damaged EXIF": (damaged_exif, "jpg"),
    "short JFIF header": (lambda: jpeg_with(b"\xff\xe0\0\x06JFIF"), "jpg"),
    "short colour profile": (lambda: jpeg_with(b"\xff\xe2\0\x0eICC_PROFILE\0"), "jpg"),
    "fill bytes": (lambda: jpeg_with(b"\xff" * 5 * MB), "jpg"),
    "fill bytes in its scan": (
        lambda: encoded(noise(), "JPEG")[:-2] + b"\xff" * MB + b"\0" + jpeg.END,
        "jpg",
    ),
    "progressive": (lambda: encoded(noise(), "JPEG", progressive=True), "jpg"),
    "film behind the picture": (lambda: encoded(noise(), "JPEG") + START_OF_SCAN * 200, "jpg"),
    "metadata like scans": (
        lambda: jpeg_with(b"\xff\xe1\x01\x92" + START_OF_SCAN * 200),
        "jpg",
    ),
    "fifteen further pictures": (lambda: pictures(16), "jpg"),
    "grey JPEG": (lambda: encoded(noise().convert("L"), "JPEG"), "jpg"),
    "CMYK JPEG": (lambda: encoded(noise().convert("CMYK"), "JPEG"), "jpg"),
    "compressed text": (
        lambda: png_with(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(text_of(2 * MB)))),
        "png",
    ),
    "compressed XMP": (
        lambda: png_with(
            chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(text_of(4 * MB)))
        ),
        "png",
    ),
    "text in many chunks": (
        lambda: png_with(chunk(b"zTXt", b"a\0\0" + zlib.compress(text_of(MB))) * 9),
        "png",
    ),
    "large profile": (
        lambda: png_with(chunk(b"iCCP", b"icc\0\0" + zlib.compress(text_of(3 * MB // 2)))),
        "png",
    ),
    "damaged text": (lambda: png_with(chunk(b"zTXt", b"Comment\0\0damaged")), "png"),
    "damaged profile": (lambda: png_with(chunk(b"iCCP", b"icc")), "png"),
    "interlaced": (interlaced, "png"),
    "sixteen bits": (lambda: encoded(grey_of_16_bits(), "PNG"), "png"),
    "unknown chunk": (lambda: png_with(chunk(b"caBX", b"manifest")), "png"),
}


def grey_of_16_bits(value: int = 20_000) -> Image.Image:
    return Image.new("I;16", (320, 240), value)


@pytest.mark.parametrize("name", AS_IT_CAME)
def test_image_is_stored_unchanged_with_any_metadata(tmp_path: Path, name: str) -> None:
    make, media_format = AS_IT_CAME[name]
    content = make()

    processed = post_process(tmp_path, content)

    assert processed.media_format == media_format
    assert processed.path.read_bytes() == content
    assert processed.thumbnail is not None


def animation() -> bytes:
    return encoded(sides(), "PNG", save_all=True, append_images=[noise(300, 200)])


def text_with_a_wrong_checksum() -> bytes:
    return png_with(chunk(b"tEXt", b"Comment\0text")[:-1] + b"?")


def png_of_sides(extra: bytes) -> bytes:
    content = encoded(sides(), "PNG")
    return content[:-12] + extra + content[-12:]


REENCODED: dict[str, Callable[[], bytes]] = {
    "WebP": lambda: encoded(sides(), "WEBP", quality=90),
    "WebP without loss": lambda: encoded(sides(), "WEBP", lossless=True),
    "WebP with alpha": lambda: encoded(sides("RGBA"), "WEBP", quality=90),
    "WebP that moves": lambda: encoded(
        sides(), "WEBP", save_all=True, append_images=[noise(300, 200)]
    ),
    "AVIF": lambda: encoded(sides(), "AVIF", speed=10),
    "BMP": lambda: encoded(sides(), "BMP"),
    "TIFF": lambda: encoded(sides(), "TIFF", compression="tiff_lzw"),
    "PNG that moves": animation,
    "PNG with a chunk that must be understood": lambda: png_of_sides(chunk(b"CgBI", bytes(4))),
    "WebP with EXIF": lambda: oriented("WEBP", 1),
}


@pytest.mark.parametrize("name", REENCODED)
def test_picture_that_some_viewers_cannot_display_is_encoded_as_png(
    tmp_path: Path, name: str
) -> None:
    processed = post_process(tmp_path, REENCODED[name]())

    assert (processed.media_format, processed.width, processed.height) == ("png", 300, 200)
    with Image.open(processed.path) as picture:
        assert (picture.format, picture.size) == ("PNG", (300, 200))
        assert getattr(picture, "n_frames", 1) == 1
        assert is_red(picture, 0.15, 0.5)
        assert not is_red(picture, 0.6, 0.5)
    assert is_red(thumbnail_of(processed), 0.15, 0.5)


def test_png_with_a_wrong_checksum_is_reencoded(tmp_path: Path) -> None:
    processed = post_process(tmp_path, text_with_a_wrong_checksum())

    with Image.open(processed.path, formats=("PNG",)) as picture:
        picture.load()
        assert picture.size == (320, 240)


def test_picture_that_would_be_too_large_as_png_is_encoded_as_jpeg(tmp_path: Path) -> None:
    pixels = Image.frombytes("RGB", (3100, 3100), random.Random(1).randbytes(3 * 3100**2))

    processed = post_process(tmp_path, encoded(pixels, "WEBP", quality=60, method=0))

    assert processed.media_format == "jpg"
    assert processed.path.stat().st_size <= IMAGE_SIZE_BYTES_MAX


def tiff_of(*, compression: int, tile: tuple[int, int] = (320, 240)) -> bytes:
    """Return a grey TIFF of 320 x 240 pixels, in one tile, its pixels at the end."""
    tags = [(256, 320), (257, 240), (258, 8), (259, compression), (262, 1), (277, 1)]
    tags += [(322, tile[0]), (323, tile[1]), (324, 200), (325, 320 * 240)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    index = struct.pack("<H", len(tags)) + entries + bytes(4)
    return (b"II*\0\x08\0\0\0" + index).ljust(200, b"\0") + noise().convert("L").tobytes()


CUT: dict[str, Callable[[], bytes]] = {
    "PNG without its end": lambda: encoded(noise(), "PNG")[:-12],
    "PNG cut in its pixels": lambda: encoded(noise(), "PNG")[:-100],
    "JPEG without its end": lambda: encoded(noise(), "JPEG")[:-2],
    "JPEG cut in its pixels": lambda: encoded(noise(), "JPEG")[:-60],
    "progressive JPEG": lambda: encoded(noise(), "JPEG", progressive=True)[:-60],
    "grey JPEG": lambda: encoded(noise().convert("L"), "JPEG")[:-30],
    "WebP": lambda: encoded(noise(), "WEBP", quality=90)[:-60],
    "AVIF": lambda: encoded(noise(), "AVIF", speed=10)[:-60],
    "BMP": lambda: encoded(noise(), "BMP")[:-60],
    "TIFF": lambda: tiff_of(compression=1)[:-60],
}


@pytest.mark.parametrize("name", CUT)
def test_picture_that_lacks_a_few_bytes_is_completed(tmp_path: Path, name: str) -> None:
    processed = post_process(tmp_path, CUT[name]())

    assert (processed.width, processed.height) == (320, 240)
    assert processed.thumbnail is not None
    with Image.open(processed.path) as picture:
        picture.load()
        assert picture.size == (320, 240)


@pytest.mark.parametrize("picture_format", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "AVIF"])
def test_picture_that_lacks_a_quarter_is_bad_output(tmp_path: Path, picture_format: str) -> None:
    content = encoded(noise(), picture_format)

    with pytest.raises(BadOutput):
        post_process(tmp_path, content[: len(content) * 3 // 4])


def bitmap(side: int) -> bytes:
    content = bytearray(encoded(noise(16, 16), "BMP"))
    struct.pack_into("<ii", content, 18, side, side)
    return bytes(content)


def tiff(side: int) -> bytes:
    content = encoded(noise(16, 16), "TIFF")
    for tag in (256, 257):
        for kind, form in ((3, "<HHIHH"), (4, "<HHII")):
            values = (tag, kind, 1, 16, 0) if kind == 3 else (tag, kind, 1, 16)
            before = struct.pack(form, *values)
            content = content.replace(before, struct.pack("<HHII", tag, 4, 1, side))
    return content


def webp_header(side: int) -> bytes:
    """Return a lossless WebP that declares this many pixels."""
    bits = (side - 1) | (side - 1) << 14
    body = b"WEBPVP8L" + struct.pack("<IBI", 60, 0x2F, bits) + bytes(55)
    return b"RIFF" + struct.pack("<I", len(body)) + body


BOMBS: dict[str, Callable[[], bytes]] = {
    "BMP": lambda: bitmap(12_000),
    "TIFF": lambda: tiff(12_000),
    "WebP": lambda: webp_header(12_000),
    "WebP that moves": lambda: webp_canvas(12_000),
    "JPEG": lambda: jpeg_of(12_000),
    "tile": lambda: tiff_of(compression=8, tile=(12_000, 12_000)),
}


def jpeg_of(side: int) -> bytes:
    content = bytearray(encoded(noise(16, 16), "JPEG"))
    struct.pack_into(">HH", content, content.index(b"\xff\xc0") + 5, side, side)
    return bytes(content)


@pytest.mark.parametrize("name", BOMBS)
def test_picture_of_too_many_pixels_is_bad_output(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadOutput, match="12000 x 12000 pixels"):
        post_process(tmp_path, BOMBS[name]())


def test_jpeg_of_too_many_scans_is_bad_output(tmp_path: Path) -> None:
    assert post_process(tmp_path, scans(20)).width == 64
    with pytest.raises(BadOutput, match="scans"):
        post_process(tmp_path, scans(200))


def test_jpeg_scans_after_a_false_end_marker_are_counted(tmp_path: Path) -> None:
    content = scans(200)
    at = content.rindex(START_OF_SCAN)
    remark = b"\xff\xfe\0\4" + jpeg.END

    with pytest.raises(BadOutput, match="scans"):
        post_process(tmp_path, content.replace(content[at:-2], remark + content[at:-2]))


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n" + chunk(b"tRNS", b"") * 300_000,
        b"\xff\xd8" + b"\xff\xdd\0\2" * 300_000,
    ],
    ids=["PNG", "JPEG"],
)
def test_picture_of_too_many_parts_is_bad_output(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadOutput, match="it has more than"):
        post_process(tmp_path, content)


@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA])
def test_jpeg_is_stored_unchanged_only_if_browsers_decode_its_process(marker: int) -> None:
    content = encoded(noise(), "JPEG").replace(b"\xff\xc0", bytes((0xFF, marker)))

    assert jpeg.essential(content).is_displayable is (marker <= 0xC2)


@pytest.mark.parametrize(
    ("size", "thumbnail_size"),
    [
        ((8, 40_000), (1, 2048)),
        ((40_000, 8), (640, 1)),
        ((1, 1), (640, 640)),
        ((1000, 3200), (640, 2048)),
        ((1000, 4000), (512, 2048)),
        ((320, 180), (640, 360)),
    ],
)
def test_thumbnail_fits_640_by_2048_pixels(
    tmp_path: Path, size: tuple[int, int], thumbnail_size: tuple[int, int]
) -> None:
    processed = post_process(tmp_path, encoded(Image.new("L", size, 99), "PNG"))

    assert (processed.width, processed.height) == size
    assert thumbnail_of(processed).size == thumbnail_size


def test_thumbnail_of_much_noise_is_at_most_50_kb(tmp_path: Path) -> None:
    processed = post_process(tmp_path, encoded(Image.effect_noise((640, 2048), 200), "PNG"))

    assert processed.thumbnail is not None
    assert processed.thumbnail.stat().st_size <= 50 * 1024


def test_image_whose_thumbnail_cannot_be_written_is_stored_without_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "thumbnail").mkdir()
    content = encoded(noise(), "PNG")

    processed = post_process(tmp_path, content)

    assert processed.thumbnail is None
    assert processed.path.read_bytes() == content
    assert "no_thumbnail" in caplog.messages


RED_AT = {
    1: (0.15, 0.5),
    2: (0.85, 0.5),
    3: (0.85, 0.5),
    4: (0.15, 0.5),
    5: (0.5, 0.15),
    6: (0.5, 0.15),
    7: (0.5, 0.85),
    8: (0.5, 0.85),
}
"""Where the left third of a picture is displayed, by its orientation."""


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("orientation", RED_AT)
def test_size_and_thumbnail_are_of_the_upright_picture(
    tmp_path: Path, picture_format: str, orientation: int
) -> None:
    processed = post_process(tmp_path, oriented(picture_format, orientation))

    size = (200, 300) if orientation > 4 else (300, 200)
    assert (processed.width, processed.height) == size
    thumbnail = thumbnail_of(processed)
    assert (thumbnail.width > thumbnail.height) == (orientation <= 4)
    assert is_red(thumbnail, *RED_AT[orientation])
    if picture_format != "JPEG":
        with Image.open(processed.path) as picture:
            assert picture.size == size
            assert is_red(picture, *RED_AT[orientation])
            assert picture.getexif().get(ORIENTATION, 1) == 1


def test_orientation_in_xmp_alone_is_ignored_as_in_browsers(tmp_path: Path) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'

    processed = post_process(tmp_path, encoded(sides(), "JPEG", xmp=xmp))

    assert (processed.width, processed.height) == (300, 200)


def transparent(mode: str) -> Image.Image:
    """Return a picture of which only the left third is opaque; the hidden rest is black."""
    picture = Image.new("RGBA", (300, 200), (0, 0, 0, 0))
    picture.paste(Image.new("RGBA", (100, 200), (200, 30, 30, 255)), (0, 0))
    return picture.convert(mode)


TRANSPARENT: dict[str, Callable[[], bytes]] = {
    "RGBA": lambda: encoded(transparent("RGBA"), "PNG"),
    "LA": lambda: encoded(transparent("LA"), "PNG"),
    "palette": lambda: encoded(transparent("RGBA").quantize(8), "PNG"),
    "colour key": lambda: encoded(transparent("RGB"), "PNG", transparency=(0, 0, 0)),
    "WebP": lambda: encoded(transparent("RGBA"), "WEBP", lossless=True),
}


@pytest.mark.parametrize("name", TRANSPARENT)
def test_thumbnail_shows_transparent_pixels_white(tmp_path: Path, name: str) -> None:
    thumbnail = thumbnail_of(post_process(tmp_path, TRANSPARENT[name]()))

    assert min(colour(thumbnail, 0.7, 0.5)) > 240
    assert max(colour(thumbnail, 0.15, 0.5)[1:]) < 120


def floats() -> Image.Image:
    """Return values far above 255, rising from left to right."""
    return Image.linear_gradient("L").rotate(90).convert("F").point(lambda value: value * 99 + 5)


@pytest.mark.parametrize(
    ("content", "left", "right"),
    [
        (encoded(grey_of_16_bits(32_768), "PNG"), 128, 128),
        (encoded(grey_of_16_bits(1_000), "PNG"), 4, 4),
        (encoded(Image.new("1", (300, 200), 1), "PNG"), 255, 255),
        (encoded(Image.new("CMYK", (300, 200), (0, 0, 0, 127)), "JPEG"), 128, 128),
        (encoded(floats(), "TIFF"), 13, 242),
        (encoded(floats().convert("I"), "TIFF"), 13, 242),
        (encoded(grey_of_16_bits(32_768), "TIFF"), 128, 128),
    ],
)
def test_thumbnail_has_the_displayed_brightness(
    tmp_path: Path, content: bytes, left: int, right: int
) -> None:
    thumbnail = thumbnail_of(post_process(tmp_path, content))

    assert colour(thumbnail, 0.05, 0.5)[0] == pytest.approx(left, abs=3)
    assert colour(thumbnail, 0.95, 0.5)[0] == pytest.approx(right, abs=3)
