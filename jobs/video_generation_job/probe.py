"""Measure a video by what ffmpeg demuxes and decodes, never by what its headers promise."""

import logging
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from jobs.video_generation_job import ffmpeg
from shared.domain.errors import BadOutput
from shared.ffmpeg import run_ffmpeg

log = logging.getLogger(__name__)

LIST_TIMEOUT_S = 20
DECODE_TIMEOUT_S = 120
FRAMES_PER_S_MIN, FRAMES_PER_S_MAX = 1, 240
DURATION_FACTOR_MAX, DURATION_EXTRA_S_MAX = 2, 1  # from half to twice the time and a second
DECODED_FRACTION_MIN = 1 / 2  # the fraction of the frames that must decode without an error
DAMAGED_FRACTION_MAX = 1 / 8  # the fraction that may show damage; a missing frame shows none
SAMPLE_ASPECT_RATIO_MAX = 4  # a pixel declared longer than this counts as square


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The picture track: its displayed size in pixels, and the time of its middle."""

    width: int
    height: int
    middle_s: float


def measure(download: Path, folder: Path, *, track_id: int, wanted_s: int) -> Measured:
    """Decode the picture track and measure it; raise `BadOutput` if it does not play as wanted."""
    listing = folder / "listing"
    arguments = ffmpeg.list_packets(download, listing, track_id=track_id)
    packets = run_listing(arguments, listing, timeout_s=LIST_TIMEOUT_S)
    _check_times(packets, wanted_s=wanted_s)
    frames = _decoded(download, listing, track_id=track_id, packets=packets)
    ratio = frames.sample_aspect_ratio
    if not Fraction(1, SAMPLE_ASPECT_RATIO_MAX) <= ratio <= SAMPLE_ASPECT_RATIO_MAX:
        ratio = Fraction(1)
    return Measured(
        width=max(1, round(frames.width * ratio)),
        height=frames.height,
        middle_s=packets.start_s + packets.length_s / 2,
    )


def run_listing(arguments: list[str], listing: Path, *, timeout_s: float) -> ffmpeg.Listing:
    """Run ffmpeg and parse its listing, which is empty if ffmpeg failed at once."""
    listing.write_bytes(b"")
    run_ffmpeg(arguments, timeout_s=timeout_s)
    with listing.open(encoding="ascii", errors="replace") as file:
        return ffmpeg.parse_listing(file.read(2 * ffmpeg.LIST_BYTES_MAX))


def _check_times(packets: ffmpeg.Listing, *, wanted_s: int) -> None:
    length_s = packets.length_s
    if packets.count == 0 or length_s <= 0:
        raise BadOutput(reason="it has no pictures")
    longest_s = wanted_s * DURATION_FACTOR_MAX + DURATION_EXTRA_S_MAX
    if not wanted_s / DURATION_FACTOR_MAX <= length_s <= longest_s:
        raise BadOutput(reason=f"its pictures last {length_s:.2f} s")
    frames_per_s = packets.count / length_s
    if not FRAMES_PER_S_MIN <= frames_per_s <= FRAMES_PER_S_MAX:
        raise BadOutput(reason=f"it has {frames_per_s:.2f} frames per second")


def _decoded(
    download: Path, listing: Path, *, track_id: int, packets: ffmpeg.Listing
) -> ffmpeg.Listing:
    """Return the frames that decode without an error, if they are enough."""
    arguments = ffmpeg.list_frames(download, listing, track_id=track_id)
    whole = run_listing(arguments, listing, timeout_s=DECODE_TIMEOUT_S)
    if whole.count < packets.count * DECODED_FRACTION_MIN:
        raise BadOutput(reason=f"{whole.count} of its {packets.count} frames decode")
    if whole.count >= packets.count:
        return whole
    arguments = ffmpeg.list_frames(download, listing, track_id=track_id, accept_damage=True)
    damaged = run_listing(arguments, listing, timeout_s=DECODE_TIMEOUT_S).count - whole.count
    if damaged > packets.count * DAMAGED_FRACTION_MAX:
        raise BadOutput(reason=f"{damaged} of its {packets.count} frames are damaged")
    facts = {"frames": packets.count, "decoded": whole.count, "damaged": damaged}
    log.warning("frames_missing", extra=facts)
    return whole
