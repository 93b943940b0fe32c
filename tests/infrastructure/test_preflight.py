"""Provisioning checks everything before its first change and reports all that is missing at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.infrastructure.conftest import PROJECT, SCRIPTS, SECRETS, Installation, new_checkout
from tests.servers.r2_server import R2Server
from tests.support.machine import needs

pytestmark = [pytest.mark.slow, needs("gcloud")]

PLACEHOLDERS = {
    "GOOGLE_CLOUD_PROJECT": "your-project",
    "PHOENIX_FIREBASE_API_KEY": "<the key of the web app>",
    "PHOENIX_BASE_URL": "https://phoenix-api-PROJECT_NUMBER.us-central1.run.app",
    "PHOENIX_CORS_ORIGINS": "https://a.phoenix.test,https://app.example.com",
    "R2_ENDPOINT_URL": "https://your-account.r2.cloudflarestorage.com",
    "R2_PUBLIC_URL": "https://media.example.com",
}


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_placeholders_are_refused_all_at_once_and_nothing_is_sent(
    installation: Installation, options: tuple[str, ...]
) -> None:
    before = len(installation.api.requests)
    installation.settings(**PLACEHOLDERS)

    done = installation.run("provision.sh", *options)

    assert done.returncode == 1
    for name, value in PLACEHOLDERS.items():
        [line] = [line for line in done.stderr.splitlines() if line.startswith(f"{name} is still")]
        assert line.endswith(f" in {value}")
    assert done.stdout == ""
    assert len(installation.api.requests) == before


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_untouched_example_is_refused_before_anything_is_sent(
    installation: Installation, options: tuple[str, ...]
) -> None:
    scripts = installation.checkout / SCRIPTS
    before = len(installation.api.requests)

    done = installation.run(
        "provision.sh", "--settings", str(scripts / "settings.env.example"), *options
    )

    assert done.returncode == 1
    assert done.stderr.count("is still a placeholder") == 10
    assert len(installation.api.requests) == before


def test_name_that_only_looks_like_a_placeholder_is_accepted(installation: Installation) -> None:
    installation.settings(
        PHOENIX_BASE_URL="https://in-your-ear.app", R2_BUCKET_NAME="tell-your-story"
    )

    done = installation.run("provision.sh", "--dry-run")

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_missing_settings_and_secrets_are_reported_together(
    installation: Installation, options: tuple[str, ...]
) -> None:
    installation.settings(ENV="", R2_BUCKET_NAME="")
    before = len(installation.api.requests)

    done = installation.run("provision.sh", *options, **dict.fromkeys(SECRETS, ""))

    assert done.returncode == 1
    assert "must set: ENV R2_BUCKET_NAME" in done.stderr
    for name in ("R2_ADMIN_ACCESS_KEY_ID", "R2_ADMIN_SECRET_ACCESS_KEY"):
        assert f"{name} is not set in the environment" in done.stderr
    assert "nothing was changed" in done.stderr
    assert len(installation.api.requests) == before


def test_missing_secret_is_reported_before_the_first_change(installation: Installation) -> None:
    secrets = [key for key in installation.api.cloud.resources if "/secrets/" in key]
    for key in secrets:
        del installation.api.cloud.resources[key]

    with installation.api.unchanged():
        done = installation.run("provision.sh", R2_SECRET_ACCESS_KEY="")

    assert done.returncode == 1
    assert "R2_SECRET_ACCESS_KEY is not set in the environment" in done.stderr
    assert "== " not in done.stdout


def test_stored_secret_need_not_be_set_again(installation: Installation) -> None:
    done = installation.run("provision.sh", R2_SECRET_ACCESS_KEY="")

    assert done.returncode == 0, done.stderr


def test_project_without_billing_and_wrong_r2_key_are_reported_together(
    installation: Installation,
) -> None:
    installation.api.cloud.has_billing = False

    with installation.api.unchanged():
        done = installation.run("provision.sh", R2_ADMIN_SECRET_ACCESS_KEY="another")

    problems = done.stderr.splitlines()
    assert done.returncode == 1
    assert problems[0].startswith(f"{PROJECT} has no billing: link a billing account")
    assert "R2 refused HeadBucket (403)" in problems[1]
    assert "API token with Admin Read & Write" in problems[1]
    assert "stopped at: the checks before the first change" in problems[2]
    assert "== " not in done.stdout


def test_unknown_project_and_unreachable_r2_are_reported_together(
    installation: Installation,
) -> None:
    installation.settings(
        GOOGLE_CLOUD_PROJECT="somebody-elses", R2_ENDPOINT_URL="http://127.0.0.1:9"
    )

    with installation.api.unchanged():
        done = installation.run("provision.sh")

    problems = done.stderr.splitlines()
    assert done.returncode == 1
    assert problems[0].startswith("GOOGLE_CLOUD_PROJECT=somebody-elses does not exist, or this")
    assert problems[1].startswith("R2_ENDPOINT_URL=http://127.0.0.1:9 cannot be reached")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("gcloud", "message"),
    [
        ("exit 1", "gcloud is not signed in: run `gcloud auth login`"),
        (None, "gcloud is not installed"),
    ],
)
def test_missing_or_signed_out_gcloud_is_reported_with_the_command_to_run(
    tmp_path: Path, gcloud: str | None, message: str
) -> None:
    with R2Server() as r2:
        checkout = new_checkout(tmp_path, r2.settings["endpoint_url"])
        commands = tmp_path / "bin"
        commands.mkdir()
        for name in ("bash", "env", "dirname", "basename", "sort", "sed"):
            (commands / name).symlink_to(Path("/usr/bin") / name)
        if gcloud is not None:
            (commands / "gcloud").write_text(f"#!/bin/bash\n{gcloud}\n")
            (commands / "gcloud").chmod(0o755)

        done = subprocess.run(
            [checkout / SCRIPTS / "provision.sh"],
            env={"PATH": str(commands), "PYTHON": sys.executable, **SECRETS},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 1
    assert message in done.stderr


def test_alerts_without_the_alpha_component_are_refused_with_its_command(
    installation: Installation, tmp_path: Path
) -> None:
    (tmp_path / "gcloud").write_text("#!/bin/bash\n[[ $1 != alpha ]]\n")
    (tmp_path / "gcloud").chmod(0o755)
    path = f"{tmp_path}:{installation.api.environment()['PATH']}"

    done = installation.run("provision_observability.sh", PATH=path)

    assert done.returncode == 1
    assert "run `gcloud components install alpha`" in done.stderr
    assert done.stdout == ""


def test_refused_rules_print_one_sentence(installation: Installation) -> None:
    installation.api.fail("GET", "/releases/cloud.firestore", 403)

    done = installation.run("provision.sh")

    assert done.returncode == 1
    assert "The Firebase Rules API answered 403" in done.stderr
    assert "Traceback" not in done.stderr
