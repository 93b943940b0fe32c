"""An execution's overrides can change only the creation of a job."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.domain.errors import WrongSetting
from shared.domain.kind import Kind
from shared.settings import SETTINGS, load
from shared.settings.sealed_environment import OVERRIDABLE, apply_seal, digest
from tests.support.builders import a_creation_id
from tests.support.environments import GCP, JOB

OVERRIDES = {
    "another backend": {"PHOENIX_BACKEND": "local"},
    "another bucket": {"R2_BUCKET_NAME": "theirs"},
    "another R2": {"R2_ENDPOINT_URL": "https://theirs.example"},
    "another key of R2": {"R2_ACCESS_KEY_ID": "theirs"},
    "another project": {"GOOGLE_CLOUD_PROJECT": "theirs"},
    "another model": {"PHOENIX_VIDEO_MODEL": "veo-3.1-lite-generate-001"},
    "another limit": {"PHOENIX_POLICY_DEADLINE_S": "86400"},
    "another price": {"PHOENIX_VIDEO_COST": "1"},
    "an unknown setting": {"PHOENIX_UNKNOWN": "1"},
}
HARMFUL = {
    "AWS_ENDPOINT_URL": "https://theirs.example",
    "AWS_CONFIG_FILE": "/proc/self/environ",
    "BROWSER": "/bin/sh",
    "GCE_METADATA_HOST": "theirs.example",
    "GOOGLE_APPLICATION_CREDENTIALS": "/tmp/key.json",
    "GOOGLE_GEMINI_BASE_URL": "https://theirs.example",
    "GRPC_PROXY": "http://theirs.example",
    "HTTPS_PROXY": "http://theirs.example",
    "IMAGEIO_FFMPEG_EXE": "/bin/sh",
    "LD_PRELOAD": "/lib/theirs.so",
    "PATH": "/theirs",
    "PYTHONPATH": "/theirs",
    "SSL_CERT_FILE": "/theirs.pem",
    "TMPDIR": "/theirs",
    "https_proxy": "http://theirs.example",
}


def sealed(environment: dict[str, str]) -> list[str]:
    return [f"--sealed={digest(environment)}"]


def test_job_starts_with_its_provisioned_settings() -> None:
    environment = JOB | {"CREATION_ID": a_creation_id(), "RERUN_FAILED": "debit"}
    before = dict(environment)

    apply_seal(sealed(JOB), environment)

    assert environment == before


@pytest.mark.parametrize("override", OVERRIDES.values(), ids=OVERRIDES)
def test_overridden_setting_is_refused(override: dict[str, str]) -> None:
    with pytest.raises(WrongSetting, match="differ from the job's seal"):
        apply_seal(sealed(JOB), JOB | override)


def test_every_setting_of_a_job_but_the_secrets_is_sealed() -> None:
    unsealed = {name for name in SETTINGS if digest(JOB | {name: "another"}) == digest(JOB)}

    assert unsealed == {"GEMINI_API_KEY", "PHOENIX_WELCOME_KEY", "R2_SECRET_ACCESS_KEY"}


def test_removed_setting_is_refused() -> None:
    environment = dict(JOB)
    del environment["R2_PUBLIC_URL"]

    with pytest.raises(WrongSetting, match="differ"):
        apply_seal(sealed(JOB), environment)


def test_only_creation_draining_rerun_and_trace_can_be_overridden() -> None:
    for name in OVERRIDABLE:
        assert digest(JOB | {name: "another"}) == digest(JOB)

    assert {"CREATION_ID", "DRAIN", "RERUN_FAILED", "TRACEPARENT"} == OVERRIDABLE


@pytest.mark.parametrize("is_sealed", [True, False])
def test_cloud_removes_variables_that_redirect_a_library(*, is_sealed: bool) -> None:
    environment = JOB | HARMFUL

    apply_seal(sealed(JOB) if is_sealed else [], environment)

    assert environment == JOB


def test_local_process_keeps_its_variables() -> None:
    environment = {**GCP, **HARMFUL}

    apply_seal([], environment)

    assert environment == GCP | HARMFUL


def test_emulator_variable_is_kept_for_the_guard_that_refuses_it() -> None:
    environment = JOB | {"FIRESTORE_EMULATOR_HOST": "theirs:1"}

    apply_seal([], environment)

    with pytest.raises(WrongSetting, match="FIRESTORE_EMULATOR_HOST"):
        load(environment)


@pytest.mark.parametrize(
    "added", [["-c", "import os"], [""], [f"--sealed={digest(JOB)}"], ["--sealed=x", "-x"]]
)
def test_only_the_first_argument_is_a_seal(added: list[str]) -> None:
    given = [*sealed(JOB), *added]

    assert apply_seal(given, dict(JOB), takes_arguments=True) == added
    with pytest.raises(WrongSetting, match="a job takes none"):
        apply_seal(given, dict(JOB))


def test_second_seal_does_not_replace_the_first() -> None:
    changed = JOB | {"R2_BUCKET_NAME": "theirs"}

    with pytest.raises(WrongSetting, match="differ"):
        apply_seal([*sealed(JOB), *sealed(changed)], changed)


def test_non_ascii_seal_is_refused() -> None:
    with pytest.raises(WrongSetting, match="differ"):
        apply_seal(["--sealed=é"], dict(JOB))


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(
    "arguments", [["-c", "print(1)"], [""], ["--sealed=0"]], ids=["code", "empty", "seal"]
)
def test_process_exits_2_with_one_line(tmp_path: Path, kind: Kind, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"jobs.{kind}_generation_job", *arguments],
        env={**os.environ, "PHOENIX_DATA": str(tmp_path), "CREATION_ID": a_creation_id()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_sealed_process_takes_no_further_argument(tmp_path: Path) -> None:
    environment = GCP | {"CREATION_ID": a_creation_id()}
    done = subprocess.run(
        [sys.executable, "-I", "-m", "jobs.image_generation_job", *sealed(environment), "x"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "arguments: a job takes none: set CREATION_ID\n"


def test_command_line_takes_its_arguments_after_the_seal() -> None:
    command = [sys.executable, "-I", "-m", "cli"]
    shown = [*command, *sealed(GCP), "audit", "--help"]
    good = subprocess.run(shown, env=GCP, capture_output=True, text=True, timeout=60, check=False)
    wrong = subprocess.run(
        shown, env=GCP | {"R2_BUCKET_NAME": "x"}, capture_output=True, timeout=60, check=False
    )

    assert good.returncode == 0, good.stderr
    assert "against the whole ledger" in good.stdout
    assert wrong.returncode == 2
    assert b"differ from the job's seal" in wrong.stderr


def test_process_ignores_python_variables_and_its_folder(tmp_path: Path) -> None:
    """A job's image starts Python with -I; its packages come from site-packages."""
    (tmp_path / "jobs.py").write_text("print('theirs')")
    (tmp_path / "sitecustomize.py").write_text("print('theirs')")
    done = subprocess.run(
        [sys.executable, "-I", "-m", "jobs.image_generation_job"],
        env={"PYTHONPATH": str(tmp_path), "PYTHONWARNINGS": "all:0:antigravity.x:0:0"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "CREATION_ID: set it to the id of a creation\n"
