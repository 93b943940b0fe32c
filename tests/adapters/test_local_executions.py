"""Local executions behave like Cloud Run's: restarts, timeouts, SIGTERM."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.adapters.local.executions import LocalExecutions
from shared.domain.kind import Kind
from shared.domain.policy import Policy
from tests.support.builders import a_creation_id
from tests.support.eventually import eventually
from tests.support.fakes import CountingIds

ONE = a_creation_id()
JOB = """
import os, signal, sys, time
from pathlib import Path
print(os.environ["CREATION_ID"], os.environ["CLOUD_RUN_JOB"], os.environ["CLOUD_RUN_EXECUTION"],
      os.environ["CLOUD_RUN_TASK_INDEX"], os.environ["CLOUD_RUN_TASK_ATTEMPT"],
      os.environ["CLOUD_RUN_TASK_COUNT"], flush=True)
"""


@pytest.fixture
def executions(tmp_path: Path) -> Iterator[Callable[..., LocalExecutions]]:
    """Create executions whose video job is a script."""
    created: list[LocalExecutions] = []

    def make(script: str, **policy: float) -> LocalExecutions:
        package = tmp_path / "script_jobs" / "video_generation_job"
        package.mkdir(parents=True)
        (package / "__main__.py").write_text(JOB + script)
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        executions = LocalExecutions(
            tmp_path / "executions",
            environment=environment,
            policy=Policy(**policy),  # type: ignore[arg-type]  # a test names real fields
            ids=CountingIds(),
            package="script_jobs",
        )
        created.append(executions)
        return executions

    yield make
    for each in created:
        each.stop()


def printed(tmp_path: Path) -> list[str]:
    logs = (tmp_path / "executions" / "logs").iterdir()
    return [line for log in logs for line in log.read_text().splitlines()]


def test_job_gets_the_environment_of_cloud_run(
    tmp_path: Path, executions: Callable[..., LocalExecutions]
) -> None:
    platform = executions("")

    name = platform.run(ONE, kind=Kind.VIDEO)
    platform.wait()

    assert printed(tmp_path) == [f"{ONE} local/video-generation-job {name} 0 0 1"]


def test_crashed_job_is_restarted_twice_under_the_same_name(
    tmp_path: Path, executions: Callable[..., LocalExecutions]
) -> None:
    platform = executions("sys.exit(1)")

    name = platform.run(ONE, kind=Kind.VIDEO)
    platform.wait()

    assert [line.split()[2:5:2] for line in printed(tmp_path)] == [[name, str(n)] for n in range(3)]
    assert not platform.is_running(name, kind=Kind.VIDEO)


def test_failed_execution_has_a_failure_text(
    executions: Callable[..., LocalExecutions],
) -> None:
    platform = executions("sys.exit('not this one')")

    name = platform.run(ONE, kind=Kind.VIDEO)
    platform.wait()

    assert platform.failure(name) == "exit status 1: not this one"
    assert platform.failure("another") is None


@pytest.mark.slow
def test_timeout_sends_sigterm(tmp_path: Path, executions: Callable[..., LocalExecutions]) -> None:
    script = """
def stop(*_):
    print("stopped", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
time.sleep(60)
"""
    platform = executions(script, video_job_timeout_s=3, video_drain_s=1, video_room_s=1)

    platform.run(ONE, kind=Kind.VIDEO)
    platform.wait()

    assert printed(tmp_path)[1:] == ["stopped"]


def test_execution_is_running_while_its_process_is(
    tmp_path: Path, executions: Callable[..., LocalExecutions]
) -> None:
    platform = executions("time.sleep(60)")
    name = platform.run(ONE, kind=Kind.VIDEO)
    other_process = LocalExecutions(
        tmp_path / "executions", environment={}, policy=Policy(), ids=CountingIds()
    )

    eventually(lambda: printed(tmp_path) != [])
    assert other_process.is_running(name, kind=Kind.VIDEO)
    platform.stop()

    assert not other_process.is_running(name, kind=Kind.VIDEO)
