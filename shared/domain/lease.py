"""What a claim leaves on a creation: who holds it, and what its generator was told."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class LeaseOwner:
    """Who holds a lease: one task attempt of one execution; written `execution/attempt`."""

    execution: str
    task_attempt: int

    def __str__(self) -> str:
        return f"{self.execution}/{self.task_attempt}"

    @classmethod
    def parse(cls, text: str) -> "LeaseOwner":
        """Return the lease_owner that was written like this."""
        execution, _, task_attempt = text.rpartition("/")
        return cls(execution, int(task_attempt))

    def succeeds(self, other: "LeaseOwner") -> bool:
        """Tell whether this is a later try of the other's execution, which is then dead."""
        return self.execution == other.execution and self.task_attempt > other.task_attempt


@dataclass(frozen=True, kw_only=True)
class Intent:
    """The generator is about to be called by this attempt.

    `unknown` counts the starts of this debit that may have happened without a known end;
    `cost_usd` is the estimated price of one. `earlier_attempt` and `earlier_at` keep the previous
    intent while that start, too, may have happened: they come back if this start did not.
    """

    attempt: int
    at: datetime
    unknown: int
    cost_usd: float = 0.0
    earlier_attempt: int | None = None
    earlier_at: datetime | None = None
