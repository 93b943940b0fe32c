"""The states of a creation, and the stages of an unfinished one."""

from enum import StrEnum


class Status(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    DRAFT = "draft"
    PUBLISHED = "published"
    FAILED = "failed"


UNFINISHED = frozenset({Status.PENDING, Status.PROCESSING})
READY = frozenset({Status.DRAFT, Status.PUBLISHED})


class Stage(StrEnum):
    QUEUED = "queued"
    WAITING_TO_RETRY = "waiting_to_retry"
    GENERATING = "generating"
    DOWNLOADING = "downloading"
    CHECKING = "checking"
    UPLOADING = "uploading"
    DONE = "done"


CLAIMED_PROGRESS = 5
GENERATED_PROGRESS_MAX = 85
STAGE_PROGRESS = {Stage.DOWNLOADING: 88, Stage.CHECKING: 92, Stage.UPLOADING: 95, Stage.DONE: 100}


def generation_progress(fraction: float) -> int:
    """Return the progress, from 5 to 85, of this fraction of the generator's work."""
    span = GENERATED_PROGRESS_MAX - CLAIMED_PROGRESS
    return CLAIMED_PROGRESS + int(span * min(1.0, max(0.0, fraction)))
