"""Deploying, and going back: jobs first, the doctor before the traffic, one command for the way back."""

import re
import time
from collections.abc import Iterator

import pytest

from tests.infrastructure.conftest import Installation
from tests.support.machine import needs

pytestmark = [pytest.mark.slow, needs("gcloud")]

JOBS = (
    "video-generation-job",
    "image-generation-job",
    "phoenix-audit",
    "phoenix-audit-since",
    "phoenix-doctor",
)
UNDER_A_MINUTE_S = 60


def job_releases(installation: Installation) -> set[str]:
    return {installation.job_image(job) for job in JOBS}


def changes(installation: Installation, since: int) -> list[str]:
    """Return what was changed or started, in order, with the release it was changed to."""
    found = []
    for request in installation.api.requests[since:]:
        if request.method == "GET" or "IamP" in request.path:
            continue
        release = re.search(r"phoenix/[a-z-]+:(\w+)", str(request.body))
        name = request.path.rsplit("/", 1)[-1]
        traffic = request.body.get("spec", {}).get("traffic", [])
        shares = [target["percent"] for target in traffic if target.get("percent")]
        found.append(f"{name} {release[1] if release else ''} {len(shares)}".strip())
    return found


@pytest.fixture(scope="module")
def first(provisioned: Installation) -> Iterator[Installation]:
    """An installation with a first release, r1."""
    with provisioned.kept():
        done = provisioned.run("deploy.sh", "r1")
        assert done.returncode == 0, done.stderr
        yield provisioned


@pytest.fixture
def deployed(first: Installation) -> Iterator[Installation]:
    with first.kept():
        yield first


def test_deploys_jobs_then_api_then_doctor_then_traffic(
    deployed: Installation,
) -> None:
    since = len(deployed.api.requests)
    # The deployer's roles do not let it see which services are enabled.
    deployed.api.fail("GET", "serviceusage", 403)

    done = deployed.run("deploy.sh", "r2", ENV="dev")
    steps = [line[3:] for line in done.stdout.splitlines() if line.startswith("== ")]
    names = [change.split()[0] for change in changes(deployed, since)]

    assert done.returncode == 0, done.stderr
    assert steps == [
        "the serving revision",
        *(f"job {job}" for job in JOBS),
        "the API, without traffic",
        "the doctor",
        "the traffic",
    ]
    assert names == ["phoenix-api", *JOBS, "phoenix-api", "phoenix-doctor:run", "phoenix-api"]
    assert (deployed.serving(), job_releases(deployed)) == ("r2", {"r2"})


def test_serving_release_is_not_deployed_again(deployed: Installation) -> None:
    with deployed.api.unchanged():
        done = deployed.run("deploy.sh", "r1")

    assert done.returncode == 0
    assert "r1 is already serving" in done.stdout


def test_rollback_restores_revision_and_images_within_a_minute(
    deployed: Installation,
) -> None:
    assert deployed.run("deploy.sh", "r2").returncode == 0
    began_s = time.monotonic()

    done = deployed.run("rollback.sh")
    took_s = time.monotonic() - began_s
    with deployed.api.unchanged():
        again = deployed.run("rollback.sh")

    assert (done.returncode, again.returncode) == (0, 0), done.stderr + again.stderr
    assert (deployed.serving(), job_releases(deployed)) == ("r1", {"r1"})
    assert took_s < UNDER_A_MINUTE_S


def test_revision_that_does_not_start_gets_no_traffic_and_is_rolled_back(
    deployed: Installation,
) -> None:
    deployed.api.cloud.unready["phoenix-api"] = "the container exited with 2"

    failed = deployed.run("deploy.sh", "r2")
    between = (deployed.serving(), job_releases(deployed))
    back = deployed.run("rollback.sh")
    after = (deployed.serving(), job_releases(deployed))
    del deployed.api.cloud.unready["phoenix-api"]
    done = deployed.run("deploy.sh", "r3")

    assert failed.returncode != 0
    assert "deploy.sh stopped at: the API, without traffic" in failed.stderr
    assert "the container exited with 2" in failed.stderr
    assert between == ("r1", {"r2"})
    assert back.returncode == 0, back.stderr
    assert after == ("r1", {"r1"})
    assert done.returncode == 0, done.stderr
    assert (deployed.serving(), job_releases(deployed)) == ("r3", {"r3"})


def test_failing_doctor_keeps_the_traffic_on_the_old_revision(deployed: Installation) -> None:
    deployed.api.cloud.unready["phoenix-doctor execution"] = "exit 1"

    failed = deployed.run("deploy.sh", "r2")
    serving = deployed.serving()
    del deployed.api.cloud.unready["phoenix-doctor execution"]
    again = deployed.run("deploy.sh", "r2")

    assert failed.returncode != 0
    assert "deploy.sh stopped at: the doctor" in failed.stderr
    assert serving == "r1"
    assert again.returncode == 0, again.stderr
    assert deployed.serving() == "r2"
    assert deployed.run("rollback.sh").returncode == 0
    assert (deployed.serving(), job_releases(deployed)) == ("r1", {"r1"})


def test_first_release_cannot_be_rolled_back(deployed: Installation) -> None:
    with deployed.api.unchanged():
        done = deployed.run("rollback.sh")

    assert done.returncode == 1
    assert "there was no release before the last deployment" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ([], {}, "usage: deploy.sh"),
        (["Release 1"], {}, "usage: deploy.sh"),
        (["--typo", "r2"], {}, "does not know --typo"),
        (["r2"], {"ENV": "prod"}, "phoenix-test is the installation dev, not prod"),
    ],
)
def test_deployment_to_another_installation_is_refused(
    deployed: Installation, arguments: list[str], environment: dict[str, str], message: str
) -> None:
    with deployed.api.unchanged():
        done = deployed.run("deploy.sh", *arguments, **environment)

    assert done.returncode == 1
    assert message in done.stderr
