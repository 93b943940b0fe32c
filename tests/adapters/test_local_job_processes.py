"""Processes of an execution: restarts, timeouts, stop."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.adapters.local.job_processes import Execution, JobProcesses
from tests.support.eventually import eventually


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[JobProcesses]:
    processes = JobProcesses(tmp_path, stop_grace_s=0.2)
    yield processes
    processes.stop()


def an_execution(script: str, **values: float) -> Execution:
    """An execution of a shell script, which starts fast even on a busy machine."""
    return Execution(
        name="execution",
        job="job",
        command=["/bin/sh", "-c", script],
        environment={"PATH": os.environ["PATH"]},
        **{"timeout_s": 30, **values},  # type: ignore[arg-type]  # a test names real fields
    )


def run(processes: JobProcesses, script: str, **values: float) -> list[int]:
    """Run an execution to its end and return its exit statuses."""
    statuses: list[int] = []
    has_ended = threading.Event()

    def ended(exited: list[int]) -> None:
        statuses.extend(exited)
        has_ended.set()

    processes.start(an_execution(script, **values), ended=ended)
    assert has_ended.wait(30)
    return statuses


def test_exit_status_zero_ends_the_execution(processes: JobProcesses) -> None:
    assert run(processes, "exit 0") == [0]


def test_non_zero_exit_starts_the_next_attempt(processes: JobProcesses) -> None:
    assert run(processes, "exit $((7 - 7 * CLOUD_RUN_TASK_ATTEMPT))") == [7, 0]
    assert run(processes, "exit 7", restarts_max=1) == [7, 7]


@pytest.mark.slow
def test_timeout_sends_sigterm_and_then_sigkill(processes: JobProcesses, tmp_path: Path) -> None:
    stubborn = "trap 'echo stopping' TERM; while :; do sleep 0.05; done"

    processes._stop_grace_s = 1
    assert run(processes, stubborn, timeout_s=1, restarts_max=0) == [-9]
    assert (tmp_path / "execution.log").read_text() == "stopping\n"


def test_nothing_starts_after_stop(processes: JobProcesses, tmp_path: Path) -> None:
    ends: list[list[int]] = []
    log = tmp_path / "execution.log"
    processes.start(an_execution("echo begun; exec sleep 60"), ended=ends.append)
    eventually(lambda: log.exists() and log.read_text())

    processes.stop()

    assert ends == [[-15]]
