"""Codecs that phones play, judged by a track's sample entry and decoder configuration record.

iPhones and Android phones decode H.264 Baseline, Main and High (ISO/IEC 14496-15, `avcC`) and HEVC
Main and Main 10 (`hvcC`) in hardware. AV1 is excluded: iPhones before the 15 Pro cannot play it.
"""

from jobs.video_generation_job.mp4 import PICTURE, Layout, Track
from shared.domain.errors import BadOutput

PLAYABLE_TAGS = {"avc1": "avc1", "avc3": "avc1", "hvc1": "hvc1", "hev1": "hvc1"}
"""The stored sample entry for each accepted one: iPhones play no others."""
COPIED_SOUND_CODECS = frozenset({"aac", "mp3"})
"""ffmpeg's names of the sound codecs that are copied; others are encoded as AAC."""

_H264_PROFILES = {66: "Baseline", 77: "Main", 100: "High"}
_HEVC_PROFILES = {1: "Main", 2: "Main 10"}
_STILL_PICTURE_TAGS = frozenset({"jpeg", "png ", "mjpa", "mjpb"})
_HEVC_CHROMA_420 = 1
_SPS_TYPE, _NAL_TYPE_BITS = 7, 0x1F


def picture_track(layout: Layout) -> Track:
    """Return the one track of moving pictures that phones play, or raise `BadOutput`."""
    chapters = {chapter for track in layout.tracks for chapter in track.chapter_track_ids}
    pictures = [
        track
        for track in layout.tracks
        if track.handler == PICTURE
        and track.track_id not in chapters
        and track.codec_tag not in _STILL_PICTURE_TAGS
    ]
    pictures = [each for each in pictures if each.codec_tag in PLAYABLE_TAGS] or pictures
    if len(pictures) != 1:
        raise BadOutput(reason=f"it has {len(pictures)} picture tracks")
    [picture] = pictures
    if [track.track_id for track in layout.tracks].count(picture.track_id) != 1:
        raise BadOutput(reason="two of its tracks have the same id")
    stored_tag = PLAYABLE_TAGS.get(picture.codec_tag)
    if stored_tag is None:
        raise BadOutput(reason=f"phones do not play its codec, {picture.codec_tag!r}")
    check = _check_h264 if stored_tag == "avc1" else _check_hevc
    check(picture.configuration)
    return picture


def _check_h264(record: bytes) -> None:
    """Check the profile, from the sequence parameter set where the record has one."""
    has_sps = len(record) > 9 and record[8] & _NAL_TYPE_BITS == _SPS_TYPE  # noqa: PLR2004 (offsets in `avcC`)
    profile = record[9] if has_sps else record[1] if len(record) > 1 else None
    if profile not in _H264_PROFILES:
        raise BadOutput(reason=f"phones do not play its codec, H.264 of profile {profile}")


def _check_hevc(record: bytes) -> None:
    """Check the profile and that the chroma format is 4:2:0."""
    if len(record) < 19:  # noqa: PLR2004 (offsets in `hvcC`)
        raise BadOutput(reason="phones do not play its codec, HEVC without a configuration")
    profile, chroma = record[1] & 0x1F, record[16] & 0x03
    if profile not in _HEVC_PROFILES or chroma != _HEVC_CHROMA_420:
        facts = f"HEVC of profile {profile} and chroma {chroma}"
        raise BadOutput(reason=f"phones do not play its codec, {facts}")
