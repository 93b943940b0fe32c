"""Post-process a video: prove that it plays, put its index first, write a thumbnail."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from jobs.thumbnail import write_thumbnail
from jobs.upload import ProcessedMedia
from jobs.video_generation_job import ffmpeg
from jobs.video_generation_job.codecs import COPIED_SOUND_CODECS, PLAYABLE_TAGS, picture_track
from jobs.video_generation_job.mp4 import PICTURE, SOUND, Layout, Track, read_layout
from jobs.video_generation_job.probe import LIST_TIMEOUT_S, Measured, measure, run_listing
from shared.domain.brief import Brief
from shared.domain.errors import BadOutput
from shared.domain.kind import Kind
from shared.domain.media import MediaFormat
from shared.ffmpeg import FfmpegTimeout, run_ffmpeg

log = logging.getLogger(__name__)

FFMPEG_TIMEOUT_S = 30
REMUX_EXTRA_BYTES_MAX = 16 * 1024 * 1024  # samples of a hostile file may overlap
QUICKTIME_BRAND = "qt  "


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A file that has passed every check."""

    path: Path
    layout: Layout
    picture: Track
    sound_track_id: int | None
    is_sound_copied: bool

    @property
    def is_kept(self) -> bool:
        """Whether the file is uploaded unchanged."""
        handlers = [track.handler for track in self.layout.tracks]
        return (
            self.layout.is_index_first
            and handlers.count(PICTURE) == 1
            and self.layout.is_complete
            and not self.layout.is_fragmented
            and self.layout.brand != QUICKTIME_BRAND
            and PLAYABLE_TAGS[self.picture.codec_tag] == self.picture.codec_tag
            and (self.is_sound_copied or self.sound_track_id is None)
        )


class VideoPipeline:
    kind = Kind.VIDEO

    def post_process(self, download: Path, folder: Path, *, brief: Brief) -> ProcessedMedia:
        try:
            layout = read_layout(download)
            picture = picture_track(layout)
            wanted_s = brief.duration_s or 0
            measured = measure(download, folder, track_id=picture.track_id, wanted_s=wanted_s)
            source = self._source(download, folder, layout=layout, picture=picture)
            video = download if source.is_kept else self._remuxed(source, folder / "video.mp4")
        except FfmpegTimeout as error:
            raise BadOutput(reason="ffmpeg did not finish in time") from error
        return ProcessedMedia(
            path=video,
            media_format=MediaFormat.MP4,
            width=measured.width,
            height=measured.height,
            thumbnail=self._thumbnail(source, folder, measured=measured),
        )

    def _source(self, download: Path, folder: Path, *, layout: Layout, picture: Track) -> _Source:
        """Select the first sound track; damaged sound is only logged."""
        sound_ids = [track.track_id for track in layout.tracks if track.handler == SOUND]
        return _Source(
            path=download,
            layout=layout,
            picture=picture,
            sound_track_id=sound_ids[0] if sound_ids else None,
            is_sound_copied=bool(sound_ids)
            and self._is_sound_copied(download, folder, track_id=sound_ids[0]),
        )

    def _is_sound_copied(self, download: Path, folder: Path, *, track_id: int) -> bool:
        """Return whether phones play this sound unchanged; log its errors."""
        listing = folder / "listing"
        try:
            arguments = ffmpeg.list_packets(download, listing, track_id=track_id)
            codec = run_listing(arguments, listing, timeout_s=LIST_TIMEOUT_S).codec
            decoding = ffmpeg.decode_sound(download, track_id=track_id)
            if run_ffmpeg(decoding, timeout_s=FFMPEG_TIMEOUT_S).exit_status != 0:
                log.warning("sound_damaged", extra={"codec": codec})
        except FfmpegTimeout:
            log.warning("sound_damaged", extra={"codec": "unknown"})
            return False
        return codec in COPIED_SOUND_CODECS

    def _remuxed(self, source: _Source, video: Path) -> Path:
        """Write a copy with its index first, and with the sound if possible."""
        size_bytes_max = source.path.stat().st_size + REMUX_EXTRA_BYTES_MAX
        if source.layout.is_signed:
            log.warning("content_credentials_lost")
        for sound in _sounds(source):
            arguments = ffmpeg.remux(
                source.path,
                video,
                picture_track_id=source.picture.track_id,
                codec_tag=PLAYABLE_TAGS[source.picture.codec_tag],
                sound=sound,
                size_bytes_max=size_bytes_max,
            )
            if _succeeds(arguments) and 0 < video.stat().st_size < size_bytes_max:
                return video
            log.warning("remux_failed", extra={"sound": sound})
        raise BadOutput(reason="it cannot be remuxed")

    def _thumbnail(self, source: _Source, folder: Path, *, measured: Measured) -> Path | None:
        """Write the thumbnail of the middle frame; the video is valid without one."""
        frame, thumbnail = folder / "frame.bmp", folder / "thumbnail"
        track_id, size = source.picture.track_id, (measured.width, measured.height)
        arguments = ffmpeg.frame(source.path, frame, track_id=track_id, at_s=measured.middle_s)
        try:
            run_ffmpeg(arguments, timeout_s=FFMPEG_TIMEOUT_S)
            with Image.open(frame, formats=("BMP",)) as picture:
                write_thumbnail(picture, thumbnail, displayed_size=size)
        except Exception as error:  # noqa: BLE001 (Pillow raises many types)
            log.warning("no_thumbnail", extra={"reason": repr(error)})
            return None
        return thumbnail


def _succeeds(arguments: list[str]) -> bool:
    try:
        return run_ffmpeg(arguments, timeout_s=FFMPEG_TIMEOUT_S).exit_status == 0
    except FfmpegTimeout:
        return False


def _sounds(source: _Source) -> Iterator[list[str]]:
    """Yield the ways to store the sound, best first and silence last."""
    if source.sound_track_id is not None:
        if source.is_sound_copied:
            yield ffmpeg.remuxed_sound(source.sound_track_id, is_copied=True)
        yield ffmpeg.remuxed_sound(source.sound_track_id, is_copied=False)
    yield []
