"""Executions of jobs."""

from typing import Protocol

from shared.domain.keys import CreationId
from shared.domain.kind import Kind


class Executions(Protocol):
    """One execution is a job's process for one creation, restarted a few times when it crashes.

    Both methods raise `QueueUnavailable` if the platform is unreachable or has no job of this kind.
    """

    def is_running(self, execution_name: str, *, kind: Kind) -> bool:
        """Return whether this execution has not ended; False for an unknown one."""

    def run(self, creation_id: CreationId, *, kind: Kind, debit_failed: bool = False) -> str:
        """Start an execution now and return its name.

        `debit_failed`: a failed creation is debited again first (RERUN_FAILED=debit).
        """
