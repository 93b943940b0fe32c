"""Every startup guard: what it names, and that real processes exit 2 before they do anything."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from shared.domain.errors import WrongSetting
from shared.domain.kind import Kind
from shared.settings import load
from tests.support.builders import a_creation_id
from tests.support.environments import GCP, JOB, SERVICE

LOCAL = {"PHOENIX_BACKEND": "local"}
GUARDS = {
    "the local backend": (LOCAL, "PHOENIX_BACKEND"),
    "an unknown backend": ({"PHOENIX_BACKEND": "aws"}, "PHOENIX_BACKEND"),
    "Firestore's emulator": ({"FIRESTORE_EMULATOR_HOST": "x:1"}, "FIRESTORE_EMULATOR_HOST"),
    "Firebase's emulator": ({"FIREBASE_AUTH_EMULATOR_HOST": ""}, "FIREBASE_AUTH_EMULATOR_HOST"),
    "any emulator": ({"ANY_EMULATOR_HOST": "x:1"}, "ANY_EMULATOR_HOST"),
    "another identity": (
        {"PHOENIX_IDENTITY_ENDPOINT": "http://127.0.0.1:80"},
        "PHOENIX_IDENTITY_ENDPOINT",
    ),
    "another queue": ({"PHOENIX_TASKS_ENDPOINT": "http://[::1]:80"}, "PHOENIX_TASKS_ENDPOINT"),
    "other executions": ({"PHOENIX_RUN_ENDPOINT": "http://localhost:80"}, "PHOENIX_RUN_ENDPOINT"),
    "another generator": (
        {"PHOENIX_GENERATOR_ENDPOINT": "http://127.0.0.1:80"},
        "PHOENIX_GENERATOR_ENDPOINT",
    ),
    "sample videos": ({"PHOENIX_VIDEO_MODEL": "sample"}, "PHOENIX_VIDEO_MODEL"),
    "sample images": ({"PHOENIX_IMAGE_MODEL": "sample"}, "PHOENIX_IMAGE_MODEL"),
    "every origin": ({"PHOENIX_CORS_ORIGINS": "*"}, "PHOENIX_CORS_ORIGINS"),
    "every origin of a domain": (
        {"PHOENIX_CORS_ORIGINS": "https://a.example,https://*.example"},
        "PHOENIX_CORS_ORIGINS",
    ),
    "no audience": ({"PHOENIX_INTERNAL_AUDIENCE": ""}, "PHOENIX_INTERNAL_AUDIENCE"),
    "no service accounts": ({"PHOENIX_INTERNAL_ACCOUNTS": ""}, "PHOENIX_INTERNAL_ACCOUNTS"),
    "an empty list of accounts": ({"PHOENIX_INTERNAL_ACCOUNTS": ","}, "PHOENIX_INTERNAL_ACCOUNTS"),
    "a plain base URL": ({"PHOENIX_BASE_URL": "http://api.example"}, "PHOENIX_BASE_URL"),
    "a plain R2": ({"R2_ENDPOINT_URL": "http://r2.example"}, "R2_ENDPOINT_URL"),
    "a plain public URL": ({"R2_PUBLIC_URL": "http://media.example"}, "R2_PUBLIC_URL"),
    "public drafts": ({"R2_DRAFTS_BUCKET_NAME": "public"}, "R2_DRAFTS_BUCKET_NAME"),
    "a missing value": ({"R2_SECRET_ACCESS_KEY": " "}, "R2_SECRET_ACCESS_KEY"),
    "two missing values": (
        {"PHOENIX_REGION": "", "R2_BUCKET_NAME": ""},
        "PHOENIX_REGION, R2_BUCKET_NAME",
    ),
    "a broken policy": ({"PHOENIX_POLICY_LEASE_S": "30"}, "lease_s"),
    "operators by name": ({"PHOENIX_ADMINS": "ada"}, "PHOENIX_ADMINS"),
    "a typo": ({"PHOENIX_REGOIN": "x"}, "PHOENIX_REGOIN"),
}
"""What is changed in a valid cloud environment, and what the error then names."""

RETIRED = GCP | {
    "PHOENIX_VIDEO_MODEL": "veo-3.1-generate-001",
    "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1",
    "PHOENIX_IDENTITY_ENDPOINT": "http://127.0.0.1:1",
}
"""A retired model, in a cloud where no service answers."""

guards = pytest.mark.parametrize(("wrong", "named"), GUARDS.values(), ids=GUARDS)


@guards
@pytest.mark.parametrize("cloud", [SERVICE, JOB], ids=["service", "job"])
def test_cloud_refuses_unsafe_settings(
    cloud: dict[str, str], wrong: dict[str, str], named: str
) -> None:
    with pytest.raises(WrongSetting, match=named) as refusal:
        load(cloud | wrong)

    assert str(refusal.value).count(";") == 0


def started(
    command: tuple[str, ...], environment: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PHOENIX_", "R2_", "GOOGLE_CLOUD_"))
    }
    return subprocess.run(
        [sys.executable, "-m", *command],
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def started_on_a_taken_port(environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Start the API on a port in use, so that only one that binds no port can end silently."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        return started(("api_service", "--port", port), environment)


@pytest.mark.slow
@guards
def test_api_exits_2_with_one_line_before_binding_its_port(
    wrong: dict[str, str], named: str
) -> None:
    assert_refused(started_on_a_taken_port(SERVICE | wrong), named)


@pytest.mark.slow
@pytest.mark.parametrize("kind", Kind)
@guards
def test_job_exits_2_with_one_line(kind: Kind, wrong: dict[str, str], named: str) -> None:
    job = {"CLOUD_RUN_JOB": f"{kind}-generation-job", "CREATION_ID": a_creation_id()}
    done = started((f"jobs.{kind}_generation_job",), GCP | job | wrong)

    assert_refused(done, named)


def assert_refused(done: "subprocess.CompletedProcess[str]", named: str) -> None:
    assert (done.returncode, done.stdout) == (2, ""), done.stdout + done.stderr
    assert done.stderr.startswith(("settings: ", "PHOENIX_VIDEO_MODEL: "))
    assert named in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_job_refuses_its_own_retired_model() -> None:
    job = RETIRED | {"CREATION_ID": a_creation_id()}

    assert_refused(started(("jobs.video_generation_job",), job), "retired on 2026-11-17")


@pytest.mark.slow
def test_job_starts_when_only_the_other_kinds_model_has_retired() -> None:
    done = started(("jobs.image_generation_job",), RETIRED | {"CREATION_ID": a_creation_id()})

    assert (done.returncode, done.stderr) == (1, "")
    assert "claim_failed" in done.stdout  # its store is out of reach


@pytest.mark.slow
def test_api_starts_with_a_retired_model_and_logs_it() -> None:
    done = started_on_a_taken_port(RETIRED)

    assert done.returncode != 2
    assert "address already in use" in done.stdout + done.stderr
    [line] = [json.loads(each) for each in done.stdout.splitlines() if "model_retired" in each]
    assert (line["severity"], line["kind"]) == ("ERROR", "video")
    assert "PHOENIX_VIDEO_MODEL: veo-3.1-generate-001 retired on 2026-11-17" in line["reason"]


@pytest.mark.slow
def test_no_process_starts_with_an_unknown_model() -> None:
    unknown = RETIRED | {"PHOENIX_VIDEO_MODEL": "video-1", "CREATION_ID": a_creation_id()}

    assert_refused(started_on_a_taken_port(unknown), "video-1 is unknown")
    assert_refused(started(("jobs.video_generation_job",), unknown), "video-1 is unknown")


@pytest.mark.slow
def test_api_reports_a_port_in_use(tmp_path: Path) -> None:
    done = started_on_a_taken_port({"PHOENIX_DATA": str(tmp_path)})

    assert done.returncode != 2
    assert "address already in use" in done.stdout + done.stderr
