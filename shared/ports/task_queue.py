"""The task queue: each task starts one execution of a job, at least once, not before its time."""

from datetime import datetime
from typing import Protocol

from shared.domain.keys import CreationId
from shared.domain.kind import Kind

TRIES = 2
TRY_TIMEOUT_S = 1.4


class TaskQueue(Protocol):
    """Tasks are named by creation and number; a name is used once.

    Every method raises `QueueUnavailable` if it cannot reach the queue.
    """

    def enqueue(
        self, creation_id: CreationId, *, kind: Kind, number: int,
        not_before: datetime | None = None,
    ) -> None:  # fmt: skip
        """Create the task, or do nothing if one of this name exists or existed.

        After `QueueUnavailable` (two tries failed, of 1.4 s in the cloud), a task may exist all the same.
        """

    def withdraw(self, creation_id: CreationId, *, kind: Kind, number: int) -> None:
        """Delete a waiting task, with one try; its name stays taken.

        A task that is unknown, done, or being dispatched is left alone: the last may still start
        its job. `WithdrawalRefused`: this process may not delete tasks.
        """

    def dispatches_per_s(self, kind: Kind) -> float:
        """Return the maximum rate, or raise `QueueUnavailable` if nothing is dispatched."""

    def waits(self, creation_id: CreationId, *, kind: Kind, number: int) -> bool:
        """Return whether the task is still to be dispatched.

        Raises `QueueUnavailable` also if its queue is paused or does not exist.
        """
