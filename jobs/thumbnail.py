"""Write the small JPEG that represents a creation in lists."""

from pathlib import Path

from PIL import Image

from jobs.pixels import UPRIGHT, displayed, flattened, turned_size, upright
from shared.domain.media import thumbnail_size

SIZE_BYTES_MAX = 50 * 1024
QUALITIES = (85, 75, 65, 50, 35, 20, 10)
_REDUCING_GAP = 3.0  # the first, cheap reduction leaves a picture this much larger than the result


def write_thumbnail(
    picture: Image.Image, path: Path, *, displayed_size: tuple[int, int] | None = None,
    orientation: int = UPRIGHT,
) -> None:  # fmt: skip
    """Write a JPEG of at most 640 x 2,048 pixels and 50 KB, of quality 85 if possible.

    Give `displayed_size` where pixels are not square.
    """
    displayed_size = displayed_size or turned_size(picture.size, orientation=orientation)
    size = turned_size(thumbnail_size(displayed_size), orientation=orientation)
    small = displayed(picture).resize(size, Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)
    small = flattened(upright(small, orientation=orientation))
    while not _saved(small, path):
        small = small.resize((max(1, small.width // 2), max(1, small.height // 2)))


def _saved(small: Image.Image, path: Path) -> bool:
    """Write the picture in the best quality that is small enough, and return whether one is."""
    for quality in QUALITIES:
        small.save(path, format="JPEG", quality=quality, optimize=True, progressive=True)
        if path.stat().st_size <= SIZE_BYTES_MAX:
            return True
    return False
