"""The moments of a job's life at which an accident can come, as the documents show them."""

from enum import IntEnum, auto

from shared.domain.creation import Creation
from shared.domain.status import CLAIMED_PROGRESS, Stage


class Moment(IntEnum):
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


AFTER_THE_START = [moment for moment in Moment if Moment.PAID <= moment < Moment.OVER]
"""From here on a second start would be paid twice."""
_STAGES = {
    Stage.DOWNLOADING: Moment.DOWNLOADING,
    Stage.CHECKING: Moment.CHECKING,
    Stage.UPLOADING: Moment.UPLOADING,
}


def moment_of(creation: Creation, *, is_paid: bool) -> Moment:
    """Return how far the work on a creation has come; `is_paid` is what its generator says."""
    moment = Moment.STARTING
    if not creation.is_unfinished:
        moment = Moment.OVER
    elif creation.stage in _STAGES:
        moment = _STAGES[creation.stage]
    elif creation.operation_name is not None:
        has_reported = creation.progress > CLAIMED_PROGRESS
        moment = Moment.REPORTED if has_reported else Moment.OPERATING
    elif is_paid:
        moment = Moment.PAID
    elif creation.intent is not None:
        moment = Moment.INTENDED
    elif creation.attempt > 0:
        moment = Moment.CLAIMED
    return moment
