"""Jobs as real processes: how they begin and what their exit status says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared import settings, wiring
from shared.domain.creation import creation_key
from shared.domain.policy import Kind
from shared.domain.status import Status
from tests.builders import a_brief, a_caller, a_creation_id


def job(
    kind: str, folder: Path, creation_id: str | None = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    variables = {**os.environ, "PHOENIX_DATA": str(folder), **environment}
    if creation_id is not None:
        variables["CREATION_ID"] = creation_id
    return subprocess.run(
        [sys.executable, "-m", f"jobs.{kind}_generation_job"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("creation_id", [None, "", "../../etc/passwd", "A" * 26, "a" * 25])
def test_without_a_creation_id_a_job_says_so_in_one_line_and_exits_2(
    tmp_path: Path, kind: Kind, creation_id: str | None
) -> None:
    done = job(kind, tmp_path, creation_id)

    assert done.returncode == 2
    assert done.stderr == "CREATION_ID: set it to the id of a creation\n"


def test_a_wrong_setting_is_one_line_and_exit_status_2(tmp_path: Path) -> None:
    done = job("image", tmp_path, a_creation_id(), PHOENIX_TYPO="1", PHOENIX_IMAGE_COST="0")

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "PHOENIX_TYPO is unknown" in done.stderr
    assert "PHOENIX_IMAGE_COST" in done.stderr


def test_the_local_backend_does_not_run_in_the_cloud(tmp_path: Path) -> None:
    done = job("image", tmp_path, a_creation_id(), CLOUD_RUN_JOB="image-generation-job")

    assert done.returncode == 2
    assert "PHOENIX_BACKEND" in done.stderr


def test_an_unknown_creation_is_one_line_and_exit_status_0(tmp_path: Path) -> None:
    done = job("video", tmp_path, a_creation_id())

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    assert "nothing_to_claim" in done.stdout


def test_a_job_started_by_hand_makes_its_draft(tmp_path: Path) -> None:
    phoenix = wiring.build(settings.load({"PHOENIX_DATA": str(tmp_path)}))
    brief = a_brief(Kind.IMAGE, "a fox [slow 0]")
    creation = phoenix.opening.open(brief, caller=a_caller()).creation

    done = job("image", tmp_path, creation.creation_id)

    now = phoenix.ports.store.get(creation_key(creation.creation_id))
    phoenix.ports.close()
    assert done.returncode == 0, done.stdout + done.stderr
    assert now is not None
    assert now.status is Status.DRAFT
    assert now.execution_name is not None
    assert now.execution_name.startswith("by-hand-")
