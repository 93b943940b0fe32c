"""Why a creation failed: the message for its owner, and whether a retry makes sense."""

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


_NOT_RETRYABLE = frozenset(
    {FailureCode.POLICY_VIOLATION, FailureCode.SAFETY_FILTER, FailureCode.GENERATOR_REJECTED}
)
CAUSED_BY_OWNER = _NOT_RETRYABLE | {FailureCode.CANCELLED}
"""The failures that an owner causes; each refund of one counts against the hourly limit."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A creation's `error`; `message` is for people."""

    code: FailureCode
    message: str
    retryable: bool

    @classmethod
    def of(cls, code: FailureCode) -> "Failure":
        return cls(code=code, message=_MESSAGES[code], retryable=code not in _NOT_RETRYABLE)


_MESSAGES = {
    FailureCode.POLICY_VIOLATION: "This prompt breaks the content policy.",
    FailureCode.SAFETY_FILTER: "The result was blocked by a safety filter.",
    FailureCode.GENERATOR_REJECTED: "The model does not accept this request.",
    FailureCode.GENERATOR_RATE_LIMITED: "The model is busy. Try again.",
    FailureCode.GENERATOR_UNAVAILABLE: "The model is unavailable. Try again.",
    FailureCode.GENERATOR_BAD_OUTPUT: "The model returned a broken file. Try again.",
    FailureCode.GENERATOR_SILENT: "The model never answered. Try again.",
    FailureCode.STORAGE_FAILED: "The result could not be stored. Try again.",
    FailureCode.QUEUE_UNAVAILABLE: "We couldn't start this. Try again.",
    FailureCode.DEADLINE_EXCEEDED: "It took too long.",
    FailureCode.WORKER_LOST: "It kept getting interrupted.",
    FailureCode.CANCELLED: "It was cancelled.",
    FailureCode.INTERNAL: "Something went wrong on our side.",
}
