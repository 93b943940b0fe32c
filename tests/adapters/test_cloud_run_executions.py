"""Requests to Cloud Run, and its failures."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.adapters.cloud_run.executions import CloudRunExecutions
from shared.domain.errors import QueueUnavailable
from shared.domain.kind import Kind
from tests.servers.run_admin_server import PROJECT, REGION, Fault, Job, RunAdminServer
from tests.support.builders import a_creation_id
from tests.support.eventually import eventually

ONE = a_creation_id()
PRINT = """
import os, sys
names = ["CREATION_ID", "RERUN_FAILED", "CLOUD_RUN_JOB", "CLOUD_RUN_EXECUTION",
         "CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_ATTEMPT", "CLOUD_RUN_TASK_COUNT"]
print(*(os.environ.get(name, "-") for name in names))
sys.exit(int(os.environ["CLOUD_RUN_TASK_ATTEMPT"]) < int(os.environ["FAILS"]))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunAdminServer]:
    tell = [sys.executable, "-c", PRINT]
    jobs = {
        "video-generation-job": Job(command=tell, environment={"FAILS": "0"}),
        "image-generation-job": Job(command=tell, environment={"FAILS": "2"}),
    }
    with RunAdminServer(jobs, logs=tmp_path) as server:
        yield server


@pytest.fixture
def executions(server: RunAdminServer) -> Iterator[CloudRunExecutions]:
    executions = CloudRunExecutions(project=PROJECT, region=REGION, emulator_host=server.host)
    yield executions
    executions.close()


def lines(executions: CloudRunExecutions, logs: Path, name: str, kind: Kind) -> list[str]:
    """Wait for an execution and return its output."""
    eventually(lambda: not executions.is_running(name, kind=kind))
    return (logs / f"{name}.log").read_text().splitlines()


def test_execution_gets_its_creation_id_and_its_own_name(
    executions: CloudRunExecutions, tmp_path: Path
) -> None:
    name = executions.run(ONE, kind=Kind.VIDEO)

    printed = lines(executions, tmp_path, name, Kind.VIDEO)
    assert printed == [f"{ONE} - video-generation-job {name} 0 0 1"]


def test_failed_creation_is_debited_again_only_on_request(
    executions: CloudRunExecutions, server: RunAdminServer
) -> None:
    for debit_failed in (False, True):
        executions.run(ONE, kind=Kind.VIDEO, debit_failed=debit_failed)

    plain, debited = (run.overrides for run in server.runs.values())
    assert plain == {"CREATION_ID": ONE}
    assert debited == {"CREATION_ID": ONE, "RERUN_FAILED": "debit"}


def test_execution_is_running_until_its_last_attempt_has_ended(
    executions: CloudRunExecutions, server: RunAdminServer, tmp_path: Path
) -> None:
    name = executions.run(ONE, kind=Kind.IMAGE)

    printed = lines(executions, tmp_path, name, Kind.IMAGE)
    assert [line.split()[3:6:2] for line in printed] == [[name, "0"], [name, "1"], [name, "2"]]
    [run] = server.runs.values()
    assert (run.message().retried_count, run.message().succeeded_count) == (2, 1)


@pytest.mark.parametrize("fault", Fault)
def test_failure_is_reported_and_no_call_is_repeated(server: RunAdminServer, fault: Fault) -> None:
    timeout_s = 0.3 if fault is Fault.SILENT else 10
    executions = CloudRunExecutions(
        project=PROJECT, region=REGION, emulator_host=server.host, timeout_s=timeout_s
    )
    server.faults = [fault, fault]

    with pytest.raises(QueueUnavailable):
        executions.run(ONE, kind=Kind.VIDEO)
    with pytest.raises(QueueUnavailable):
        executions.is_running("unknown", kind=Kind.VIDEO)

    assert server.calls == 2
    assert len(server.runs) == (fault is Fault.UNANSWERED)
    executions.close()


def test_missing_job_is_reported(server: RunAdminServer) -> None:
    elsewhere = CloudRunExecutions(project="other", region=REGION, emulator_host=server.host)

    for ask in (
        lambda: elsewhere.run(ONE, kind=Kind.VIDEO),
        lambda: elsewhere.is_running("unknown", kind=Kind.VIDEO),
    ):
        with pytest.raises(QueueUnavailable) as raised:
            ask()

        assert "Job" in raised.value.reason
        assert "does not exist" in raised.value.reason
    elsewhere.close()


def test_unreachable_platform_is_reported() -> None:
    nowhere = CloudRunExecutions(project=PROJECT, region=REGION, emulator_host="127.0.0.1:9")

    with pytest.raises(QueueUnavailable):
        nowhere.is_running("unknown", kind=Kind.VIDEO)

    nowhere.close()


def test_missing_credentials_are_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)

    with pytest.raises(QueueUnavailable) as raised:
        CloudRunExecutions(project=PROJECT, region=REGION).is_running("unknown", kind=Kind.VIDEO)

    assert "credentials" in raised.value.reason
