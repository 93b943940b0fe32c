"""Executions as processes of this machine.

A lock that its processes inherit tells, from any process and whatever was killed, whether an
execution is still running.
"""

import fcntl
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from shared.adapters.job_processes import Execution, JobProcesses
from shared.domain.errors import QueueUnavailable
from shared.domain.keys import CreationId
from shared.domain.policy import Kind, Policy
from shared.ports.clock import Ids

NAME_LETTERS = 8


class LocalExecutions:
    """The `Executions` on one machine."""

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str],
        policy: Policy,
        ids: Ids,
        package: str = "jobs",
    ) -> None:
        """Keep locks and logs under `folder`; jobs get `environment` and Cloud Run's variables."""
        self._package = package
        self._locks = folder / "locks"
        self._locks.mkdir(parents=True, exist_ok=True)
        self._logs = folder / "logs"
        self._processes = JobProcesses(self._logs)
        self._failed: dict[str, int] = {}
        self._environment = environment
        self._policy = policy
        self._ids = ids

    def is_running(self, execution_name: str, *, kind: Kind) -> bool:  # noqa: ARG002 (names are unique)
        """See `Executions.is_running`."""
        try:
            with (self._locks / execution_name).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        except OSError as error:
            raise QueueUnavailable(reason=str(error)) from error
        return False

    def run(self, creation_id: CreationId, *, kind: Kind, debit_failed: bool = False) -> str:
        """See `Executions.run`."""
        name = f"{kind}-generation-job-{self._ids.letters(NAME_LETTERS)}"
        try:
            lock = os.open(self._locks / name, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            raise QueueUnavailable(reason=str(error)) from error
        environment = {**self._environment, "CREATION_ID": creation_id}
        if debit_failed:
            environment["RERUN_FAILED"] = "debit"
        execution = Execution(
            name=name,
            job=f"local/{kind}-generation-job",
            command=[sys.executable, "-m", f"{self._package}.{kind}_generation_job"],
            environment=environment,
            timeout_s=self._policy.job_timeout_s(kind),
            inherited=(lock,),
        )

        def ended(statuses: list[int]) -> None:
            if statuses and statuses[-1] != 0:
                self._failed[name] = statuses[-1]
            os.close(lock)

        self._processes.start(execution, ended=ended)
        return name

    def failure(self, execution_name: str) -> str | None:
        """Return the last exit status and the last line of one that was started here and failed."""
        status = self._failed.get(execution_name)
        if status is None:
            return None
        lines = (self._logs / f"{execution_name}.log").read_text(errors="replace").splitlines()
        return f"exit status {status}: {lines[-1] if lines else 'it printed nothing'}"

    def wait(self) -> None:
        """Return when no execution that was started here is running."""
        self._processes.wait()

    def stop(self) -> None:
        """Ask every execution that was started here to hand its work back, and wait for it."""
        self._processes.stop()
