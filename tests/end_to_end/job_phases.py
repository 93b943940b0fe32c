"""The phases of a job, as the documents show them, at which a test can inject a fault."""

from enum import IntEnum, auto

from shared.domain.creation import Creation
from shared.domain.status import CLAIMED_PROGRESS, Stage


class JobPhase(IntEnum):
    """Phases of a job in order."""

    STARTING = auto()
    """The process may exist; nothing is claimed."""
    CLAIMED = auto()
    WITH_INTENT = auto()
    PAID = auto()
    """The generator accepted the start; the operation is not recorded."""
    WITH_OPERATION = auto()
    REPORTED = auto()
    """A heartbeat reported progress of the operation."""
    DOWNLOADING = auto()
    CHECKING = auto()
    UPLOADING = auto()
    SETTLED = auto()


AFTER_START = [phase for phase in JobPhase if JobPhase.PAID <= phase < JobPhase.SETTLED]
"""Phases after which a second start would be paid twice."""
_STAGES = {
    Stage.DOWNLOADING: JobPhase.DOWNLOADING,
    Stage.CHECKING: JobPhase.CHECKING,
    Stage.UPLOADING: JobPhase.UPLOADING,
}


def phase_of(creation: Creation, *, is_paid: bool) -> JobPhase:
    """Return the phase of a creation's job. `is_paid`: its generator received the start."""
    phase = JobPhase.STARTING
    if not creation.is_unfinished:
        phase = JobPhase.SETTLED
    elif creation.stage in _STAGES:
        phase = _STAGES[creation.stage]
    elif creation.operation_name is not None:
        has_reported = creation.progress > CLAIMED_PROGRESS
        phase = JobPhase.REPORTED if has_reported else JobPhase.WITH_OPERATION
    elif is_paid:
        phase = JobPhase.PAID
    elif creation.intent is not None:
        phase = JobPhase.WITH_INTENT
    elif creation.attempt > 0:
        phase = JobPhase.CLAIMED
    return phase
