"""Checks, and the images that they are about."""

from shared.domain.kind import Kind

MIB = 1024 * 1024
API, VIDEO_JOB, IMAGE_JOB = (f"localhost/phoenix-{name}:test" for name in ("api", "video", "image"))
JOBS = {Kind.VIDEO: VIDEO_JOB, Kind.IMAGE: IMAGE_JOB}
IMAGES = {
    API: ("api_service/Dockerfile", "512m"),
    VIDEO_JOB: ("jobs/video_generation_job/Dockerfile", "4g"),
    IMAGE_JOB: ("jobs/image_generation_job/Dockerfile", "1g"),
}
"""Each image's Dockerfile and declared memory."""


class Checks:
    """Checks, printed as they are made; `bad` are the failed ones."""

    def __init__(self) -> None:
        self.bad = 0

    def note(self, what: str, *, holds: bool = True) -> None:
        print(f"{'ok ' if holds else 'BAD'} {what}", flush=True)  # noqa: T201 (it reports)
        self.bad += not holds


def mib(size_bytes: int) -> str:
    return f"{size_bytes / MIB:.0f} MiB"
