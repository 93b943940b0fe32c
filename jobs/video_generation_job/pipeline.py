"""A generator's file becomes a video: proven to play, its index in front, with a thumbnail."""

import logging
from pathlib import Path

from PIL import Image

from jobs.making import Produced
from jobs.thumbnail import write_thumbnail
from jobs.video_generation_job import ffmpeg
from shared.adapters.ffmpeg import FfmpegTimeout, run_ffmpeg
from shared.domain.brief import Brief
from shared.domain.errors import BadOutput
from shared.domain.media import MediaFormat
from shared.domain.policy import VIDEO_SIZE_BYTES_MAX, Kind

log = logging.getLogger(__name__)

PROBE_TIMEOUT_S = 20
DECODE_TIMEOUT_S = 120
REMUX_TIMEOUT_S = 60
FRAME_TIMEOUT_S = 30
DURATION_FACTOR_MAX = 2
"""A video may last from half to twice the time that was asked for."""
FRAMES_PER_S_MIN, FRAMES_PER_S_MAX = 1, 240
_BOX_TYPE = slice(4, 8)
_FILE_TYPE_BOX = b"ftyp"


class VideoPipeline:
    """The `Pipeline` of videos."""

    kind = Kind.VIDEO

    def produce(self, download: Path, folder: Path, *, brief: Brief) -> Produced:
        """See `Pipeline.produce`."""
        try:
            probe = self._checked(download, wanted_s=brief.duration_s or 0)
            video = self._remuxed(download, folder / "video.mp4")
        except FfmpegTimeout as error:
            raise BadOutput(reason="ffmpeg did not come to an end with it") from error
        [picture] = probe.pictures
        return Produced(
            path=video,
            media_format=MediaFormat.MP4,
            width=picture.width,
            height=picture.height,
            thumbnail=self._thumbnail(video, folder, at_s=probe.duration_s / 2),
        )

    def _checked(self, download: Path, *, wanted_s: int) -> ffmpeg.Probe:
        """Return what the file is, once every frame of it was decoded."""
        with download.open("rb") as file:
            if file.read(_BOX_TYPE.stop)[_BOX_TYPE] != _FILE_TYPE_BOX:
                raise BadOutput(reason="it is no MP4 file")
        probe = ffmpeg.parse_probe(
            run_ffmpeg(ffmpeg.probe(download), timeout_s=PROBE_TIMEOUT_S).said
        )
        if probe is None:
            raise BadOutput(reason="it cannot be opened")
        if len(probe.pictures) != 1:
            raise BadOutput(reason=f"it has {len(probe.pictures)} video streams")
        if not FRAMES_PER_S_MIN <= probe.pictures[0].frames_per_s <= FRAMES_PER_S_MAX:
            raise BadOutput(reason=f"it has {probe.pictures[0].frames_per_s} frames a second")
        if not wanted_s / DURATION_FACTOR_MAX <= probe.duration_s <= wanted_s * DURATION_FACTOR_MAX:
            raise BadOutput(reason=f"it lasts {probe.duration_s} s")
        decoded = run_ffmpeg(ffmpeg.decode(download), timeout_s=DECODE_TIMEOUT_S)
        if decoded.exit_status != 0:
            raise BadOutput(reason=f"it does not decode: {decoded.said}")
        return probe

    def _remuxed(self, download: Path, video: Path) -> Path:
        arguments = ffmpeg.remux(download, video, size_bytes_max=VIDEO_SIZE_BYTES_MAX)
        done = run_ffmpeg(arguments, timeout_s=REMUX_TIMEOUT_S)
        if done.exit_status != 0:
            raise BadOutput(reason=f"it cannot be remuxed: {done.said}")
        return video

    def _thumbnail(self, video: Path, folder: Path, *, at_s: float) -> Path | None:
        """Return the thumbnail of one frame, or None: a video without one is still a video."""
        frame, thumbnail = folder / "frame.bmp", folder / "thumbnail"
        try:
            run_ffmpeg(ffmpeg.frame(video, frame, at_s=at_s), timeout_s=FRAME_TIMEOUT_S)
            with Image.open(frame, formats=("BMP",)) as picture:
                write_thumbnail(picture, thumbnail)
        except (OSError, ValueError, FfmpegTimeout) as error:
            log.warning("no_thumbnail", extra={"reason": repr(error)})
            return None
        return thumbnail
