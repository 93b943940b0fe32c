"""A generator's file becomes an image: decoded once to be sure, stored as it came."""

from pathlib import Path

from PIL import Image

from jobs.making import Produced
from jobs.thumbnail import write_thumbnail
from shared.domain.brief import Brief
from shared.domain.errors import BadOutput
from shared.domain.media import MediaFormat
from shared.domain.policy import IMAGE_PIXELS_MAX, Kind

_FORMATS = {"PNG": MediaFormat.PNG, "JPEG": MediaFormat.JPEG}


class ImagePipeline:
    """The `Pipeline` of images."""

    kind = Kind.IMAGE

    def produce(self, download: Path, folder: Path, *, brief: Brief) -> Produced:  # noqa: ARG002 (any size is an image)
        """See `Pipeline.produce`."""
        thumbnail = folder / "thumbnail"
        try:
            with Image.open(download, formats=tuple(_FORMATS)) as picture:
                media_format = _FORMATS[picture.format or ""]
                width, height = _checked_size(picture)
                picture.load()
                write_thumbnail(picture, thumbnail)
        except BadOutput:
            raise
        except Exception as error:  # Pillow raises a dozen kinds for what is not a picture
            raise BadOutput(reason=repr(error)) from error
        return Produced(
            path=download,
            media_format=media_format,
            width=width,
            height=height,
            thumbnail=thumbnail,
        )


def _checked_size(picture: Image.Image) -> tuple[int, int]:
    """Return width and height, read from the header: nothing is decoded yet."""
    width, height = picture.size
    if width * height > IMAGE_PIXELS_MAX:
        raise BadOutput(reason=f"{width} x {height} pixels")
    return width, height
