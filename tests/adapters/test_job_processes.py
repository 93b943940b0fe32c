"""What happens to the processes of an execution."""

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.adapters.job_processes import Execution, JobProcesses
from tests.eventually import eventually


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[JobProcesses]:
    processes = JobProcesses(tmp_path, stop_grace_s=0.2)
    yield processes
    processes.stop()


def run(processes: JobProcesses, script: str, **values: float) -> list[int]:
    """Run an execution to its end and return its exit statuses."""
    statuses: list[int] = []
    has_ended = threading.Event()

    def ended(exited: list[int]) -> None:
        statuses.extend(exited)
        has_ended.set()

    execution = Execution(
        name="execution",
        job="job",
        command=[sys.executable, "-c", script],
        environment=os.environ,
        **{"timeout_s": 30, **values},  # type: ignore[arg-type]  # a test names real fields
    )
    processes.start(execution, ended=ended)
    assert has_ended.wait(30)
    return statuses


def test_an_exit_of_0_is_the_end(processes: JobProcesses) -> None:
    assert run(processes, "") == [0]


def test_another_exit_is_followed_by_the_next_attempt(processes: JobProcesses) -> None:
    script = "import os, sys; sys.exit(7 * (os.environ['CLOUD_RUN_TASK_ATTEMPT'] == '0'))"

    assert run(processes, script) == [7, 0]
    assert run(processes, "raise SystemExit(7)", restarts_max=1) == [7, 7]


def test_at_the_timeout_comes_sigterm_and_then_sigkill(processes: JobProcesses) -> None:
    stubborn = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("asked to stop", flush=True))
while True:
    time.sleep(1)
"""

    assert run(processes, stubborn, timeout_s=0.5, restarts_max=0) == [-9]
    assert (processes._logs / "execution.log").read_text() == "asked to stop\n"


def test_nothing_starts_any_more_once_all_is_stopped(processes: JobProcesses) -> None:
    ends: list[list[int]] = []
    sleeper = Execution(
        name="sleeper",
        job="job",
        command=[sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"],
        environment=os.environ,
        timeout_s=60,
    )
    processes.start(sleeper, ended=ends.append)
    log = processes._logs / "sleeper.log"
    eventually(lambda: log.exists() and log.read_text())

    processes.stop()

    assert ends == [[-15]]
