"""Executions as processes of this machine, as Cloud Run runs them.

Each gets the environment Cloud Run sets, SIGTERM at its timeout and SIGKILL 10 s later, and is
started again when it exits non-zero. A lock that its processes inherit tells, from any process
and whatever was killed, whether an execution is still running.
"""

import contextlib
import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from shared.domain.errors import QueueUnavailable
from shared.domain.keys import CreationId
from shared.domain.policy import STOP_GRACE_S, Kind, Policy
from shared.ports.clock import Ids

log = logging.getLogger(__name__)

RESTARTS_MAX = 2
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
        self._logs = folder / "logs"
        self._environment = environment
        self._policy = policy
        self._ids = ids
        self._is_stopping = threading.Event()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._threads: set[threading.Thread] = set()
        for place in (self._locks, self._logs):
            place.mkdir(parents=True, exist_ok=True)

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
        environment = {
            **self._environment,
            "CREATION_ID": creation_id,
            "CLOUD_RUN_JOB": f"local/{kind}-generation-job",
            "CLOUD_RUN_EXECUTION": name,
            "CLOUD_RUN_TASK_INDEX": "0",
            "CLOUD_RUN_TASK_COUNT": "1",
        }
        if debit_failed:
            environment["RERUN_FAILED"] = "debit"
        thread = threading.Thread(
            target=self._supervise, args=(name, kind, environment, lock), name=name, daemon=True
        )
        self._threads.add(thread)
        thread.start()
        return name

    def wait(self) -> None:
        """Return when no execution that was started here is running."""
        for thread in list(self._threads):
            thread.join()

    def stop(self) -> None:
        """Ask every execution that was started here to hand its work back, and wait for it."""
        self._is_stopping.set()
        for process in list(self._processes):
            process.terminate()
        self.wait()

    def _supervise(self, name: str, kind: Kind, environment: Mapping[str, str], lock: int) -> None:
        """Run the job until it exits 0, its restarts are used up, or the stack stops."""
        try:
            for task_attempt in range(RESTARTS_MAX + 1):
                variables = {**environment, "CLOUD_RUN_TASK_ATTEMPT": str(task_attempt)}
                if self._is_stopping.is_set() or self._try(name, kind, variables, lock) == 0:
                    return
        finally:
            os.close(lock)
            self._threads.discard(threading.current_thread())

    def _try(self, name: str, kind: Kind, environment: Mapping[str, str], lock: int) -> int:
        """Run the job's process once and return its exit status."""
        with (self._logs / f"{name}.log").open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 (our own module)
                [sys.executable, "-m", f"{self._package}.{kind}_generation_job"],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(lock,),
                start_new_session=True,
            )
        with self._known(process):
            return self._waited_for(process, timeout_s=self._policy.job_timeout_s(kind))

    def _waited_for(self, process: "subprocess.Popen[bytes]", *, timeout_s: float) -> int:
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.terminate()
        try:
            return process.wait(STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait()

    @contextlib.contextmanager
    def _known(self, process: "subprocess.Popen[bytes]") -> Iterator[None]:
        """Let `stop` find the process while it runs."""
        self._processes.add(process)
        if self._is_stopping.is_set():
            process.terminate()
        try:
            yield
        finally:
            self._processes.discard(process)
