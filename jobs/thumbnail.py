"""The small JPEG that stands for a creation in lists."""

from pathlib import Path

from PIL import Image

WIDTH_PX = 640
SIZE_BYTES_MAX = 50 * 1024
QUALITIES = (85, 75, 65, 50, 35, 20, 10)


def write_thumbnail(picture: Image.Image, path: Path) -> None:
    """Write a JPEG 640 px wide, of quality 85 or the best below it that stays within 50 KB."""
    height_px = max(1, round(picture.height * WIDTH_PX / picture.width))
    small = picture.convert("RGB").resize((WIDTH_PX, height_px), Image.Resampling.LANCZOS)
    for quality in QUALITIES:
        small.save(path, format="JPEG", quality=quality, optimize=True, progressive=True)
        if path.stat().st_size <= SIZE_BYTES_MAX:
            return
