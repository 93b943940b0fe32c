"""What a process imports until it does its first work, and its garbage collection."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from shared.domain.kind import Kind
from tests.jobs.test_worker import failed_creation
from tests.support.builders import a_creation_id
from tests.support.environments import GCP

OUT_OF_REACH = {**GCP, "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"}
REPORT_AT_EXIT = """
import atexit, gc, json, sys

def report():
    facts = {"modules": [*sys.modules], "frozen": gc.get_freeze_count(), "gc": gc.isenabled()}
    print(json.dumps(facts))

atexit.register(report)
"""
JOB = "import jobs.{kind}_generation_job.__main__"
API = """
import api_service.__main__ as process, api_service.main as main
main.serve = lambda *_: main.app()
process.main()
"""
CLI = "import cli; sys.argv = ['phoenix', '--help']; cli.run()"

FOR_CLAIMED_WORK = {"PIL", "imageio_ffmpeg", "boto3", "botocore", "google.genai", "httpx2"}
OF_OTHER_PROCESSES = {"fastapi", "uvicorn", "pydantic", "typer", "rich", "firebase_admin", "jwt"}
NOT_IN_AN_IDLE_JOB = {
    *FOR_CLAIMED_WORK,
    *OF_OTHER_PROCESSES,
    *("google.cloud.tasks_v2", "google.cloud.run_v2", "httpx"),
}
NOT_IN_A_STARTED_API = {
    *FOR_CLAIMED_WORK,
    *("google.cloud.tasks_v2", "google.cloud.run_v2", "firebase_admin", "typer", "rich"),
}


class Started:
    """The modules of a process at its exit."""

    def __init__(self, program: str, environment: Mapping[str, str]) -> None:
        done = subprocess.run(
            [sys.executable, "-c", REPORT_AT_EXIT + program],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        *lines, report = done.stdout.splitlines()
        facts = json.loads(report)
        self.log, self.modules = "\n".join(lines), set(facts["modules"])
        self.collects_only_later_garbage = facts["gc"] and facts["frozen"] > 0


@pytest.mark.parametrize("kind", Kind)
def test_local_job_with_nothing_to_claim_imports_no_vendor_of_claimed_work(
    tmp_path: Path, kind: Kind
) -> None:
    settled = {"PHOENIX_DATA": str(tmp_path), "CREATION_ID": failed_creation(tmp_path)}

    job = Started(JOB.format(kind=kind), settled)

    assert "nothing_to_claim" in job.log
    assert job.modules & {*NOT_IN_AN_IDLE_JOB, "google", "grpc"} == set()
    assert job.collects_only_later_garbage


@pytest.mark.parametrize("kind", Kind)
def test_cloud_job_imports_only_firestore_until_it_claims(kind: Kind) -> None:
    job = Started(JOB.format(kind=kind), {**OUT_OF_REACH, "CREATION_ID": a_creation_id()})

    assert "claim_failed" in job.log
    assert "google.cloud.firestore" in job.modules
    assert job.modules & {*NOT_IN_AN_IDLE_JOB, "sqlite3"} == set()
    assert job.collects_only_later_garbage


def test_api_imports_in_the_cloud_only_firestore_until_it_serves() -> None:
    api = Started(API, OUT_OF_REACH)

    assert "google.cloud.firestore" in api.modules
    assert api.modules & {*NOT_IN_A_STARTED_API, "sqlite3"} == set()
    assert api.collects_only_later_garbage


def test_local_api_imports_no_vendor_of_the_cloud_or_of_claimed_work(tmp_path: Path) -> None:
    api = Started(API, {"PHOENIX_DATA": str(tmp_path)})

    assert "sqlite3" in api.modules
    assert api.modules & {*NOT_IN_A_STARTED_API, "google", "grpc", "httpx"} == set()
    assert api.collects_only_later_garbage


def test_command_imports_no_vendor_of_the_api_or_of_a_job() -> None:
    command = Started(CLI, {})

    assert "Usage: phoenix" in command.log
    assert command.modules & {*FOR_CLAIMED_WORK, "google", "grpc", "fastapi", "uvicorn"} == set()
    assert command.collects_only_later_garbage
