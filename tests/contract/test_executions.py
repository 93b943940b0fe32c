"""Contract of the Executions port, for every adapter."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.adapters.cloud_run.executions import CloudRunExecutions
from shared.adapters.local.executions import LocalExecutions
from shared.domain.kind import Kind
from shared.domain.policy import Policy
from shared.ports.executions import Executions
from tests.servers.run_admin_server import PROJECT, REGION, Job, RunAdminServer
from tests.support.builders import a_creation_id
from tests.support.eventually import eventually
from tests.support.fakes import CountingIds


@dataclass
class Platform:
    """Executions and the output of their jobs."""

    executions: Executions
    output: Callable[[], str]
    close: Callable[[], None]


def local(folder: Path) -> Platform:
    environment = {**os.environ, "PHOENIX_DATA": str(folder / "data")}
    executions = LocalExecutions(
        folder / "executions", environment=environment, policy=Policy(), ids=CountingIds()
    )

    def output() -> str:
        return "".join(path.read_text() for path in (folder / "executions/logs").iterdir())

    return Platform(executions, output, executions.stop)


def cloud_run(folder: Path) -> Platform:
    environment = {**os.environ, "PHOENIX_DATA": str(folder / "data")}
    jobs = {
        f"{kind}-generation-job": Job(
            command=[sys.executable, "-m", f"jobs.{kind}_generation_job"], environment=environment
        )
        for kind in Kind
    }
    opened = ExitStack()
    server = opened.enter_context(RunAdminServer(jobs, logs=folder / "logs", job_prefix="local/"))
    executions = CloudRunExecutions(project=PROJECT, region=REGION, emulator_host=server.host)
    opened.callback(executions.close)

    def output() -> str:
        return "".join(path.read_text() for path in (folder / "logs").iterdir())

    return Platform(executions, output, opened.close)


@pytest.fixture(params=[pytest.param(local, id="local"), pytest.param(cloud_run, id="cloud-run")])
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Platform]:
    opened: Platform = request.param(tmp_path)
    yield opened
    opened.close()


def test_unknown_execution_is_not_running(platform: Platform) -> None:
    assert not platform.executions.is_running("video-generation-job-unknown", kind=Kind.VIDEO)


@pytest.mark.parametrize("kind", Kind)
def test_execution_runs_the_job_of_its_kind_and_ends(platform: Platform, kind: Kind) -> None:
    name = platform.executions.run(a_creation_id(), kind=kind)

    assert platform.executions.is_running(name, kind=kind)
    eventually(lambda: not platform.executions.is_running(name, kind=kind))
    assert f'"service": "{kind}-generation-job"' in platform.output()
    assert a_creation_id() in platform.output()


def test_two_executions_have_different_names(platform: Platform) -> None:
    names = {platform.executions.run(a_creation_id(), kind=Kind.IMAGE) for _ in range(2)}

    assert len(names) == 2
