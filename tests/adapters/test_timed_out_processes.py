"""A job that does not end at its timeout is killed together with its child processes."""

import os
import threading
from pathlib import Path

from shared.adapters.local.job_processes import Execution, JobProcesses
from tests.support.eventually import eventually

SCRIPT = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >child; while :; do sleep 0.05; done' & wait"


def is_running(process_id: int) -> bool:
    """Return whether the process exists and is no zombie."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_sigkill_after_the_timeout_reaches_child_processes(tmp_path: Path) -> None:
    processes = JobProcesses(tmp_path, stop_grace_s=0.2)
    child = tmp_path / "child"
    has_ended = threading.Event()
    execution = Execution(
        name="execution",
        job="job",
        command=["/bin/sh", "-c", f"cd {tmp_path}; {SCRIPT}"],
        environment={"PATH": os.environ["PATH"]},
        timeout_s=5,
        restarts_max=0,
    )

    processes.start(execution, ended=lambda _: has_ended.set())
    process_id = int(eventually(lambda: child.exists() and child.read_text()))
    assert is_running(process_id)
    assert has_ended.wait(30)

    eventually(lambda: not is_running(process_id), within_s=5)
