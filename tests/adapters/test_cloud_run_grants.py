"""Grant checks: requests, missing grants, unreachable APIs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import settings, wiring
from shared.adapters.cloud_run.grants import EXECUTOR, GoogleGrants
from shared.domain.errors import QueueUnavailable
from shared.domain.kind import Kind
from tests.servers.run_admin_server import INVOKER, PROJECT, REGION, Fault, Job, RunAdminServer
from tests.support.environments import GCP


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunAdminServer]:
    jobs = {f"{kind}-generation-job": Job(command=[]) for kind in Kind}
    with RunAdminServer(jobs, logs=tmp_path) as server:
        yield server


@pytest.fixture
def grants(server: RunAdminServer) -> Iterator[GoogleGrants]:
    grants = GoogleGrants(project=PROJECT, region=REGION, invoker=INVOKER, endpoint=server.url)
    yield grants
    grants.close()


def test_cloud_installation_has_grants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    phoenix = wiring.build(settings.load(GCP))
    phoenix.ports.close()

    assert phoenix.ports.grants is not None


@pytest.mark.parametrize("kind", Kind)
def test_granted_checks_pass_and_start_nothing(
    server: RunAdminServer, grants: GoogleGrants, kind: Kind
) -> None:
    grants.check_task(kind)
    grants.check_start(kind)

    assert (server.calls, server.runs) == (4, {})


@pytest.mark.parametrize(
    ("resource", "permission"),
    [
        ("video-generation-queue", "cloudtasks.tasks.create"),
        (INVOKER, "iam.serviceAccounts.actAs"),
    ],
)
def test_task_needs_grants_on_its_queue_and_its_invoker(
    server: RunAdminServer, grants: GoogleGrants, resource: str, permission: str
) -> None:
    server.denied.add((resource, permission))

    with pytest.raises(QueueUnavailable) as raised:
        grants.check_task(Kind.VIDEO)

    assert raised.value.reason == f"no {permission} on {resource}"


def test_start_needs_the_invokers_role_on_its_job(
    server: RunAdminServer, grants: GoogleGrants
) -> None:
    server.denied.add(("video-generation-job", EXECUTOR))

    with pytest.raises(QueueUnavailable) as raised:
        grants.check_start(Kind.VIDEO)
    grants.check_start(Kind.IMAGE)

    assert raised.value.reason == f"{INVOKER} has no {EXECUTOR} on the job"


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.GIBBERISH])
def test_unreachable_api_is_an_error_after_one_request(
    server: RunAdminServer, grants: GoogleGrants, fault: Fault
) -> None:
    server.faults = [fault, fault]

    with pytest.raises(QueueUnavailable):
        grants.check_task(Kind.VIDEO)
    with pytest.raises(QueueUnavailable):
        grants.check_start(Kind.VIDEO)

    assert server.calls == 2
