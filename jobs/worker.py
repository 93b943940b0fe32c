"""A job's process: `python -m jobs.<kind>_generation_job`, with CREATION_ID set.

A task also sets DRAIN=yes: the process then works on further creations. On SIGTERM, a second thread
hands back every lease; the process ends before SIGKILL, even if a call hangs.
"""

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

from jobs.execution import Execution
from jobs.generation import Pipeline
from shared import settings, startup, telemetry, wiring
from shared.domain.brief import CREATION_ID
from shared.domain.errors import RequestError, Unavailable, WrongSetting
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.policy import STOP_GRACE_S
from shared.ports.clock import Ids
from shared.settings.sealed_environment import WRONG_CONFIGURATION

SETTLED = 0  # or left to a later task
RESTART = 1  # worth an immediate one: after SIGTERM, or because the store is unavailable
CHOICES = {"RERUN_FAILED": "debit", "DRAIN": "yes"}
LEAVE_AFTER_S = STOP_GRACE_S - 1


class Worker:
    """The process: what it works on, and its end by SIGTERM."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._execution: Execution | None = None
        self._temporary: str | None = None

    def work(self, kind: Kind, load: Callable[[], Pipeline], environment: Mapping[str, str]) -> int:
        """Work on the creation that the environment names; return the exit status."""
        creation_id = environment.get("CREATION_ID", "")
        if not CREATION_ID.fullmatch(creation_id):
            raise WrongSetting(setting="CREATION_ID", reason="set it to the id of a creation")
        reruns_failed, drains = (_is_chosen(environment, name) for name in CHOICES)
        phoenix = wiring.build(settings.load(environment), makes=kind)
        startup.complete()
        lease_owner = _lease_owner(environment, phoenix.ports.ids)
        own, traceparent = CreationId(creation_id), environment.get("TRACEPARENT")
        if reruns_failed:
            with telemetry.bind_trace(traceparent):
                phoenix.opening.rerun(own, execution=lease_owner.execution)
        with tempfile.TemporaryDirectory(prefix="phoenix-") as self._temporary:
            tempfile.tempdir = self._temporary
            self._execution = Execution(
                phoenix,
                phoenix.ports.crew(),
                load,
                kind=kind,
                lease_owner=lease_owner,
                began_s=self._began_s,
                traceparent=traceparent,
            )
            self._execution.run(own, drains=drains and not reruns_failed)
        return self._status

    @property
    def _status(self) -> int:
        execution = self._execution
        return RESTART if execution is None or execution.needs_restart else SETTLED

    def end_on_sigterm(self) -> None:
        """Let a second thread end the process after SIGTERM, whatever the first one waits for."""
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end)
        signal.signal(signal.SIGTERM, lambda *_: None)
        threading.Thread(target=self._await_sigterm, args=(read_end,), daemon=True).start()

    def _await_sigterm(self, read_end: int) -> None:
        os.read(read_end, 1)
        threading.Timer(LEAVE_AFTER_S, self._leave).start()
        if self._execution is not None:
            self._execution.hand_back()
        self._leave()

    def _leave(self) -> NoReturn:
        """End at once: threads that wait for a vendor, or for a reader of the log, cannot be ended."""
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
        os._exit(self._status)


def main(kind: Kind, load: Callable[[], Pipeline]) -> NoReturn:
    """Work on the creation that the environment names, and exit."""
    project = os.environ.get("GOOGLE_CLOUD_PROJECT")
    telemetry.configure(f"{kind}-generation-job", project=project)
    worker = Worker()
    worker.end_on_sigterm()
    sys.exit(exit_status(lambda: worker.work(kind, load, os.environ)))


def exit_status(work: Callable[[], int]) -> int:
    """Do a job's work and return its exit status; a configuration error is printed on one line."""
    try:
        return work()
    except Unavailable:
        return RESTART
    except (WrongSetting, RequestError) as error:
        print(error, file=sys.stderr)  # noqa: T201 (the one line of a refused start)
        return WRONG_CONFIGURATION


def _is_chosen(environment: Mapping[str, str], name: str) -> bool:
    """Return whether a variable has its one accepted value; it may be missing."""
    value, accepted = environment.get(name), CHOICES[name]
    if value not in (None, accepted):
        raise WrongSetting(setting=name, reason=f"leave it out or set it to {accepted}")
    return value is not None


def _lease_owner(environment: Mapping[str, str], ids: Ids) -> LeaseOwner:
    """Return this task attempt; a process started by hand counts as an execution of its own."""
    execution = environment.get("CLOUD_RUN_EXECUTION") or f"by-hand-{ids.random_id(8)}"
    return LeaseOwner(execution, int(environment.get("CLOUD_RUN_TASK_ATTEMPT", "0")))
