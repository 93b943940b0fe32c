"""The lease owner and the start intent that a claim records on a creation."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class LeaseOwner:
    """The task attempt of an execution that holds a lease; stored as `execution/attempt`."""

    execution: str
    task_attempt: int

    def __str__(self) -> str:
        return f"{self.execution}/{self.task_attempt}"

    @classmethod
    def parse(cls, text: str) -> "LeaseOwner":
        execution, _, task_attempt = text.rpartition("/")
        return cls(execution, int(task_attempt))

    def succeeds(self, other: "LeaseOwner") -> bool:
        """Return whether this is a later try of the other's execution, whose process is then dead."""
        return self.execution == other.execution and self.task_attempt > other.task_attempt


@dataclass(frozen=True, kw_only=True)
class Intent:
    """The record that an attempt is about to call the generator.

    `unknown` counts the starts of this debit whose outcome is unknown; `cost_usd` is the estimated
    price of one. `earlier_attempt` and `earlier_at` keep the previous intent while its start may
    have happened: they are restored if this start did not happen.
    """

    attempt: int
    at: datetime
    unknown: int
    cost_usd: float = 0.0
    earlier_attempt: int | None = None
    earlier_at: datetime | None = None
