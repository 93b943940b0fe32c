"""Convert pictures to their displayed form: eight bits a channel, upright, on white."""

import math

from PIL import Image

UPRIGHT = 1
_TRANSPOSED = {  # by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset({5, 6, 7, 8})
EXIF_ORIENTATION = 0x0112
_DISPLAYED_MODES = frozenset({"L", "LA", "RGB", "RGBA"})
_WHITE = "#ffffff"
_8_BIT_MAX, _16_BIT_MAX = 255, 65_535


def orientation_in(exif: bytes) -> int:
    """Parse the orientation in EXIF data; damaged data has none."""
    parsed = Image.Exif()
    try:
        parsed.load(exif)
        orientation = parsed.get(EXIF_ORIENTATION)
    except Exception:  # noqa: BLE001 (Pillow raises many types)
        return UPRIGHT
    return orientation if orientation in _TRANSPOSED else UPRIGHT


def turned_size(size: tuple[int, int], *, orientation: int) -> tuple[int, int]:
    """Swap width and height if the orientation is sideways."""
    width, height = size
    return (height, width) if orientation in _SIDEWAYS else (width, height)


def upright(picture: Image.Image, *, orientation: int) -> Image.Image:
    return picture if orientation == UPRIGHT else picture.transpose(_TRANSPOSED[orientation])


def displayed(picture: Image.Image) -> Image.Image:
    """Return the picture with eight bits a channel, grey or RGB, with or without alpha."""
    if picture.mode in _DISPLAYED_MODES and "transparency" not in picture.info:
        return picture
    if picture.mode.startswith("I;16"):
        return _scaled(picture.convert("I"), 0, _16_BIT_MAX)
    if picture.mode in {"I", "F"}:
        return _scaled(picture, *_range(picture))
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def flattened(picture: Image.Image) -> Image.Image:
    """Return a displayed picture as RGB; transparent pixels become white."""
    if not picture.mode.endswith("A"):
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    ground = Image.new("RGB", picture.size, _WHITE)
    ground.paste(picture, mask=picture.getchannel("A"))
    return ground


def _range(picture: Image.Image) -> tuple[float, float]:
    low, high = picture.getextrema()
    if isinstance(low, tuple) or isinstance(high, tuple):
        raise TypeError("a picture of one channel has one range")
    if math.isfinite(low) and math.isfinite(high) and low < high:
        return low, high
    return 0, _8_BIT_MAX


def _scaled(picture: Image.Image, low: float, high: float) -> Image.Image:
    """Return an eight-bit grey picture; values are scaled, never clipped."""
    scale = _8_BIT_MAX / (high - low)
    offset = 0.5 - low * scale  # half a step, because the conversion truncates
    return picture.point(lambda value: value * scale + offset).convert("L")
