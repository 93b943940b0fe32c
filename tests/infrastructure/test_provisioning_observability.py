"""What `provision_observability.sh` puts into a project, and that it brings it up to date."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from tests.infrastructure.conftest import PROJECT, SCRIPTS, Installation
from tests.support.machine import needs

pytestmark = [pytest.mark.slow, needs("gcloud")]

SCRIPT = "provision_observability.sh"
CHANNELS = [f"projects/{PROJECT}/notificationChannels/{name}" for name in ("1", "2")]


@pytest.fixture(scope="module")
def watched(provisioned: Installation) -> Iterator[Installation]:
    """A monitored installation with two notification channels."""
    with provisioned.kept():
        for channel in CHANNELS:
            provisioned.api.cloud.add(f"monitoring:{channel}", {"name": channel, "type": "email"})
        provisioned.settings(ALERT_CHANNELS=",".join(CHANNELS))
        done = provisioned.run(SCRIPT)
        assert done.returncode == 0, done.stderr
        yield provisioned


def files(installation: Installation, kind: str) -> dict[str, Any]:
    """Return what the files of a folder say, by the files' names."""
    folder = installation.checkout / SCRIPTS / "observability" / kind
    return {path.stem: json.loads(path.read_text()) for path in folder.iterdir()}


def created(installation: Installation, kind: str) -> dict[str, Any]:
    """Return the resources of a kind by their names' last parts."""
    resources = installation.api.cloud.resources
    return {key.rpartition("/")[2]: body for key, body in resources.items() if f"/{kind}/" in key}


def test_every_file_is_in_the_project_and_the_channels_are_notified(watched: Installation) -> None:
    policies = {
        each["userLabels"]["alert"]: each for each in created(watched, "alertPolicies").values()
    }
    alerts = files(watched, "alerts")
    (dashboard,) = created(watched, "dashboards").values()

    assert created(watched, "metrics") == files(watched, "metrics")
    assert policies.keys() == alerts.keys()
    for name, alert in alerts.items():
        assert policies[name]["notificationChannels"] == CHANNELS
        assert policies[name]["conditions"] == alert["conditions"]
        assert policies[name]["documentation"] == alert["documentation"]
    assert dashboard["mosaicLayout"]["tiles"]


def test_second_run_changes_nothing(watched: Installation) -> None:
    with watched.api.unchanged():
        done = watched.run(SCRIPT)

    assert done.returncode == 0, done.stderr
    assert " create " not in done.stdout


def test_manual_changes_are_reset_to_the_files(watched: Installation) -> None:
    with watched.kept(), watched.api.unchanged():
        created(watched, "metrics")["phoenix_refund_failures"]["filter"] = "severity=ERROR"
        for policy in created(watched, "alertPolicies").values():
            del policy["conditions"], policy["notificationChannels"]
        for dashboard in created(watched, "dashboards").values():
            del dashboard["mosaicLayout"]

        done = watched.run(SCRIPT)

    assert done.returncode == 0, done.stderr


def test_missing_channels_are_reported(watched: Installation) -> None:
    with watched.kept():
        watched.settings(ALERT_CHANNELS="")
        done = watched.run(SCRIPT)
        channels = [
            each.get("notificationChannels") for each in created(watched, "alertPolicies").values()
        ]

    assert done.returncode == 0, done.stderr
    assert "The alerts notify no one" in done.stdout
    assert not any(channels)


def test_alert_on_an_unknown_metric_stops_it_and_a_rerun_completes(
    watched: Installation,
) -> None:
    with watched.kept():
        for name in created(watched, "alertPolicies"):
            del watched.api.cloud.resources[f"monitoring:projects/{PROJECT}/alertPolicies/{name}"]
        watched.api.fail("POST", "/alertPolicies", 404, times=1)

        stopped = watched.run(SCRIPT)
        done = watched.run(SCRIPT)
        count = len(created(watched, "alertPolicies"))

    assert stopped.returncode != 0
    assert "stopped at: alert audit_violations" in stopped.stderr
    assert done.returncode == 0, done.stderr
    assert count == len(files(watched, "alerts"))


def test_dry_run_shows_every_command_and_sends_nothing(watched: Installation) -> None:
    before = len(watched.api.requests)

    done = watched.run(SCRIPT, "--dry-run")
    commands = [shlex.split(line) for line in done.stdout.splitlines() if line[:2] == "gc"]

    assert done.returncode == 0, done.stderr
    assert len(watched.api.requests) == before
    assert len(commands) == len(files(watched, "metrics")) + len(files(watched, "alerts")) + 1
