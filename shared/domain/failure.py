"""Why a creation failed: what its owner is told, and whether trying again makes sense."""

from dataclasses import dataclass
from enum import StrEnum


class FailureCode(StrEnum):
    """The stable `code` in a creation's `error`."""

    POLICY_VIOLATION = "policy_violation"
    SAFETY_FILTER = "safety_filter"
    GENERATOR_REJECTED = "generator_rejected"
    GENERATOR_RATE_LIMITED = "generator_rate_limited"
    GENERATOR_UNAVAILABLE = "generator_unavailable"
    GENERATOR_BAD_OUTPUT = "generator_bad_output"
    GENERATOR_SILENT = "generator_silent"
    STORAGE_FAILED = "storage_failed"
    QUEUE_UNAVAILABLE = "queue_unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    WORKER_LOST = "worker_lost"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


OWNERS_DOING = frozenset(
    {
        FailureCode.CANCELLED,
        FailureCode.POLICY_VIOLATION,
        FailureCode.SAFETY_FILTER,
        FailureCode.GENERATOR_REJECTED,
    }
)
"""The failures that an owner causes; each refund of one counts against the hourly limit."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A creation's `error`; `message` is for people."""

    code: FailureCode
    message: str
    retryable: bool

    @classmethod
    def of(cls, code: FailureCode) -> "Failure":
        """Return the failure with its sentence."""
        message, retryable = _SENTENCES[code]
        return cls(code=code, message=message, retryable=retryable)


_SENTENCES = {
    FailureCode.POLICY_VIOLATION: ("The prompt is against the generator's policy.", False),
    FailureCode.SAFETY_FILTER: ("The result was held back by a safety filter.", False),
    FailureCode.GENERATOR_REJECTED: ("The generator does not accept this request.", False),
    FailureCode.GENERATOR_RATE_LIMITED: ("The generator was too busy, several times.", True),
    FailureCode.GENERATOR_UNAVAILABLE: ("The generator was out of reach, several times.", True),
    FailureCode.GENERATOR_BAD_OUTPUT: ("The generator's result was not usable.", True),
    FailureCode.GENERATOR_SILENT: ("The generator never answered.", True),
    FailureCode.STORAGE_FAILED: ("The result could not be stored.", True),
    FailureCode.QUEUE_UNAVAILABLE: ("It could not be queued.", True),
    FailureCode.DEADLINE_EXCEEDED: ("It was not ready in time.", True),
    FailureCode.WORKER_LOST: ("The work was interrupted too often.", True),
    FailureCode.CANCELLED: ("It was cancelled.", True),
    FailureCode.INTERNAL: ("Something went wrong on our side.", True),
}
