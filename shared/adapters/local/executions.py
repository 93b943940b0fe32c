"""Executions as local processes.

Each execution has a record file, which its processes and their supervisor keep locked; the kernel
releases the lock when they die. An unlocked record is an interrupted execution: the next stack
resumes it with its next task attempt, which may take over its predecessor's lease at once.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from shared.adapters.local.job_processes import Execution, JobProcesses
from shared.adapters.local.lifeline import Lifeline
from shared.adapters.local.sqlite import translated
from shared.domain.errors import QueueUnavailable
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.policy import STOP_GRACE_S, Policy
from shared.once import Once
from shared.ports.clock import Ids

ID_LENGTH = 8
RECORD_BYTES_MAX = 4096


@dataclass(frozen=True, kw_only=True)
class _Record:
    """An execution's arguments and the number of its started task attempts."""

    creation_id: CreationId
    kind: Kind
    debit_failed: bool
    drains: bool = False
    task_attempts: int = 0


class LocalExecutions:
    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str],
        policy: Policy,
        ids: Ids,
        package: str = "jobs",
    ) -> None:
        self._package = package
        self._records, self._logs = folder / "locks", folder / "logs"
        self._records.mkdir(parents=True, exist_ok=True)
        self._processes = JobProcesses(self._logs)
        self._lifeline = Once(Lifeline)
        self._failed: dict[str, int] = {}
        self._environment, self._policy, self._ids = environment, policy, ids

    def is_running(self, execution_name: str, *, kind: Kind) -> bool:  # noqa: ARG002 (names are unique)
        record = self._records / execution_name
        with translated(QueueUnavailable), suppress(FileNotFoundError), record.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def running(self, kind: Kind) -> int:
        """Return how many executions of a kind this process runs."""
        return sum(name.startswith(_job(kind)) for name in self._processes.running())

    def run(
        self,
        creation_id: CreationId,
        *,
        kind: Kind,
        debit_failed: bool = False,
        drains: bool = False,
    ) -> str:
        """Start an execution; one that `drains` also works on others, as for a task."""
        name = f"{_job(kind)}-{self._ids.random_id(ID_LENGTH)}"
        record = _Record(
            creation_id=creation_id, kind=kind, debit_failed=debit_failed, drains=drains
        )
        incoming = self._records / f".{name}"
        with translated(QueueUnavailable):
            lock = os.open(incoming, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            _write(lock, record)
            incoming.rename(self._records / name)
        self._start(name, record, lock)
        return name

    def resume(self) -> list[str]:
        """Resume every interrupted execution of this stack's data folder; return their names."""
        resumed = []
        with translated(QueueUnavailable):
            for path in sorted(self._records.glob("[!.]*")):
                if (lock := _locked(path)) is None:
                    continue
                if record := _read(lock):
                    self._start(path.name, record, lock)
                    resumed.append(path.name)
                else:
                    path.unlink()
                    os.close(lock)
        return resumed

    def _start(self, name: str, record: _Record, lock: int) -> None:
        """Start an execution and release its record's lock at its end."""
        lifeline, module = self._lifeline(), f"{self._package}.{record.kind}_generation_job"
        environment = {**self._environment, "CREATION_ID": record.creation_id}
        if record.debit_failed:
            environment["RERUN_FAILED"] = "debit"
        if record.drains:
            environment["DRAIN"] = "yes"
        execution = Execution(
            name=name,
            job=f"local/{_job(record.kind)}",
            command=lifeline.command(module, grace_s=STOP_GRACE_S),
            environment=environment,
            timeout_s=self._policy.job_timeout_s(record.kind),
            first_task_attempt=record.task_attempts,
            inherited=(lock, lifeline.read_end),
        )

        def starting(task_attempt: int) -> None:
            _write(lock, replace(record, task_attempts=task_attempt + 1))

        def ended(statuses: list[int]) -> None:
            if statuses and statuses[-1] != 0:
                self._failed[name] = statuses[-1]
            if 0 in statuses or not self._processes.is_stopping:
                (self._records / name).unlink()
            os.close(lock)

        self._processes.start(execution, starting=starting, ended=ended)

    def failure(self, execution_name: str) -> str | None:
        """Return the exit status and the last log line of a failed execution of this process."""
        status = self._failed.get(execution_name)
        if status is None:
            return None
        lines = (self._logs / f"{execution_name}.log").read_text(errors="replace").splitlines()
        return f"exit status {status}: {lines[-1] if lines else 'it printed nothing'}"

    def wait(self) -> None:
        self._processes.wait()

    def stop(self) -> None:
        self._processes.stop()
        self._lifeline.close(Lifeline.close)


def _job(kind: Kind) -> str:
    return f"{kind}-generation-job"


def _locked(path: Path) -> int | None:
    """Open and lock a record; return None if it is locked or was removed."""
    with suppress(FileNotFoundError):
        lock = os.open(path, os.O_RDWR)
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock).st_nlink:  # not removed since it was opened
                return lock
        os.close(lock)
    return None


def _write(lock: int, record: _Record) -> None:
    """Overwrite a record in one call; records never get shorter."""
    os.pwrite(lock, json.dumps(asdict(record)).encode(), 0)


def _read(lock: int) -> _Record | None:
    """Return a record, or None if it was never written: its task will be dispatched again."""
    try:
        fields = json.loads(os.pread(lock, RECORD_BYTES_MAX, 0))
        return _Record(**{**fields, "kind": Kind(fields["kind"])})
    except (ValueError, KeyError, TypeError):
        return None
