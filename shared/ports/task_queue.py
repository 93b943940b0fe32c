"""The queue of tasks: each starts one execution of a job, at least once, not before its time."""

from datetime import datetime
from typing import Protocol

from shared.domain.keys import CreationId
from shared.domain.kind import Kind

TRIES = 2
TRY_TIMEOUT_S = 1.4


class TaskQueue(Protocol):
    """Tasks are named by creation and number; a name is used once."""

    def enqueue(
        self,
        creation_id: CreationId,
        *,
        kind: Kind,
        number: int,
        not_before: datetime | None = None,
    ) -> None:
        """Create the task, or do nothing if one of this name exists or existed.

        Raises:
            QueueUnavailable: two tries of 1.4 s went wrong; a task may exist all the same.
        """
        ...

    def withdraw(self, creation_id: CreationId, *, kind: Kind, number: int) -> None:
        """Delete a task that still waits; its name stays taken.

        Nothing happens to a task that is unknown, done, or being dispatched: the last may still
        start its job. Only one try is made.

        Raises:
            WithdrawalRefused: this process may not delete tasks.
            QueueUnavailable: the task may still wait.
        """
        ...

    def dispatches_per_s(self, kind: Kind) -> float:
        """Return how many tasks of this kind are dispatched in a second, at most.

        Raises:
            QueueUnavailable: it cannot be told, or the queue dispatches nothing.
        """
        ...

    def waits(self, creation_id: CreationId, *, kind: Kind, number: int) -> bool:
        """Tell whether the task is still to be dispatched.

        Raises:
            QueueUnavailable: it cannot be told, or its queue dispatches nothing: it is paused,
                or not there at all.
        """
        ...
