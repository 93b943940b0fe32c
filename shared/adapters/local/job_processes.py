"""The processes of executions, run as Cloud Run does.

SIGTERM at the timeout and SIGKILL 10 s later; a non-zero exit restarts the task with the next
CLOUD_RUN_TASK_ATTEMPT.
"""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shared.domain.policy import STOP_GRACE_S

RESTARTS_MAX = 2


@dataclass(frozen=True, kw_only=True)
class Execution:
    name: str
    job: str
    command: Sequence[str]
    environment: Mapping[str, str]
    timeout_s: float
    restarts_max: int = RESTARTS_MAX
    first_task_attempt: int = 0
    """Above 0 for a resumed execution."""
    inherited: Sequence[int] = ()
    """File descriptors that the processes keep open."""

    def environment_of(self, task_attempt: int) -> dict[str, str]:
        """Return a process's environment; Cloud Run's variables take precedence."""
        return {
            **self.environment,
            "CLOUD_RUN_JOB": self.job,
            "CLOUD_RUN_EXECUTION": self.name,
            "CLOUD_RUN_TASK_INDEX": "0",
            "CLOUD_RUN_TASK_COUNT": "1",
            "CLOUD_RUN_TASK_ATTEMPT": str(task_attempt),
        }


class JobProcesses:
    """The executions of this process, each with a thread and a file in `logs` for its output."""

    def __init__(self, logs: Path, *, stop_grace_s: float = STOP_GRACE_S) -> None:
        self._logs = logs
        self._stop_grace_s = stop_grace_s
        self._is_stopping = threading.Event()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._threads: set[threading.Thread] = set()
        logs.mkdir(parents=True, exist_ok=True)

    @property
    def is_stopping(self) -> bool:
        return self._is_stopping.is_set()

    def start(
        self,
        execution: Execution,
        *,
        ended: Callable[[list[int]], None],
        starting: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Pass each task attempt to `starting` before its process, and all statuses to `ended`."""
        run = partial(self._supervise, execution, starting, ended)
        thread = threading.Thread(target=run, name=execution.name, daemon=True)
        self._threads.add(thread)
        thread.start()

    def running(self) -> list[str]:
        """Return the names of the executions that have not ended."""
        return [thread.name for thread in list(self._threads)]

    def wait(self) -> None:
        for thread in list(self._threads):
            thread.join()

    def stop(self) -> None:
        """Send every execution SIGTERM, so that it releases its work, and wait."""
        self._is_stopping.set()
        for process in list(self._processes):
            process.terminate()
        self.wait()

    def _supervise(
        self,
        execution: Execution,
        starting: Callable[[int], None],
        ended: Callable[[list[int]], None],
    ) -> None:
        """Run processes until one exits 0, the restarts are used up, or `stop` is called."""
        statuses: list[int] = []
        try:
            while len(statuses) <= execution.restarts_max and 0 not in statuses:
                if self.is_stopping:
                    break
                task_attempt = execution.first_task_attempt + len(statuses)
                starting(task_attempt)
                statuses.append(self._run(execution, task_attempt=task_attempt))
        finally:
            ended(statuses)
            self._threads.discard(threading.current_thread())

    def _run(self, execution: Execution, *, task_attempt: int) -> int:
        with (self._logs / f"{execution.name}.log").open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 (our own modules)
                execution.command,
                env=execution.environment_of(task_attempt),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=execution.inherited,
                start_new_session=True,
            )
        self._processes.add(process)
        if self.is_stopping:
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(execution.timeout_s)
        if process.returncode is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self._stop_grace_s)
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        self._processes.discard(process)
        return process.wait()
