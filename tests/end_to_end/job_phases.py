"""The moments of a job's life at which an accident can come, as the documents show them."""

from enum import IntEnum, auto

from shared.domain.creation import Creation
from shared.domain.status import CLAIMED_PROGRESS, Stage


class JobPhase(IntEnum):
    """What a job has done so far, in order."""

    STARTING = auto()
    """Its process may be there; nothing is claimed."""
    CLAIMED = auto()
    INTENDED = auto()
    PAID = auto()
    """The generator has accepted the start; its answer is not written down."""
    OPERATING = auto()
    REPORTED = auto()
    """A heartbeat has shown progress of the operation."""
    DOWNLOADING = auto()
    CHECKING = auto()
    UPLOADING = auto()
    OVER = auto()


AFTER_THE_START = [phase for phase in JobPhase if JobPhase.PAID <= phase < JobPhase.OVER]
"""From here on a second start would be paid twice."""
_STAGES = {
    Stage.DOWNLOADING: JobPhase.DOWNLOADING,
    Stage.CHECKING: JobPhase.CHECKING,
    Stage.UPLOADING: JobPhase.UPLOADING,
}


def phase_of(creation: Creation, *, is_paid: bool) -> JobPhase:
    """Return how far the work on a creation has come; `is_paid` is what its generator says."""
    phase = JobPhase.STARTING
    if not creation.is_unfinished:
        phase = JobPhase.OVER
    elif creation.stage in _STAGES:
        phase = _STAGES[creation.stage]
    elif creation.operation_name is not None:
        has_reported = creation.progress > CLAIMED_PROGRESS
        phase = JobPhase.REPORTED if has_reported else JobPhase.OPERATING
    elif is_paid:
        phase = JobPhase.PAID
    elif creation.intent is not None:
        phase = JobPhase.INTENDED
    elif creation.attempt > 0:
        phase = JobPhase.CLAIMED
    return phase
