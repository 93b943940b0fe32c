"""Jobs as real processes: their environment and exit status."""

import fcntl
import json
import os
import subprocess
import sys
import termios
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.worker import LEAVE_AFTER_S, RESTART
from shared import settings, wiring
from shared.domain.creation import creation_key
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.ledger import Actor
from shared.domain.policy import STOP_GRACE_S
from shared.domain.status import Status
from shared.ports.store import Page
from tests.support.builders import ADA, a_brief, a_caller, a_creation_id
from tests.support.documents import parsed
from tests.support.eventually import eventually


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
def test_missing_or_invalid_creation_id_prints_one_line_and_exits_2(
    tmp_path: Path, kind: Kind, creation_id: str | None
) -> None:
    done = job(kind, tmp_path, creation_id)

    assert done.returncode == 2
    assert done.stderr == "CREATION_ID: set it to the id of a creation\n"


def test_wrong_setting_prints_one_line_and_exits_2(tmp_path: Path) -> None:
    done = job("image", tmp_path, a_creation_id(), PHOENIX_TYPO="1", PHOENIX_IMAGE_COST="0")

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "PHOENIX_TYPO is unknown" in done.stderr
    assert "PHOENIX_IMAGE_COST" in done.stderr


def test_log_lines_carry_the_trace_of_the_task(tmp_path: Path) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    done = job("image", tmp_path, a_creation_id(), TRACEPARENT=trace)

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["traceparent"] for line in lines} == {trace}


def test_local_backend_is_refused_in_the_cloud(tmp_path: Path) -> None:
    done = job("image", tmp_path, a_creation_id(), CLOUD_RUN_JOB="image-generation-job")

    assert done.returncode == 2
    assert "PHOENIX_BACKEND" in done.stderr


def test_unknown_creation_logs_one_line_and_exits_0(tmp_path: Path) -> None:
    done = job("video", tmp_path, a_creation_id())

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    assert "nothing_to_claim" in done.stdout


def test_job_started_by_hand_produces_a_draft(tmp_path: Path) -> None:
    phoenix = wiring.build(settings.load({"PHOENIX_DATA": str(tmp_path)}))
    brief = a_brief(Kind.IMAGE, "a fox [slow 0]")
    creation = phoenix.opening.open(brief, caller=a_caller()).creation

    done = job("image", tmp_path, creation.creation_id)

    current = phoenix.ports.store.get(creation_key(creation.creation_id))
    phoenix.ports.close()
    assert done.returncode == 0, done.stdout + done.stderr
    assert current is not None
    assert current.status is Status.DRAFT
    assert current.execution_name is not None
    assert current.execution_name.startswith("by-hand-")


def failed_creation(folder: Path, *, tokens: str = "100") -> CreationId:
    """Return a creation that failed before any job claimed it."""
    phoenix = wiring.build(
        settings.load({"PHOENIX_DATA": str(folder), "PHOENIX_WELCOME_TOKENS": tokens})
    )
    brief = a_brief(Kind.IMAGE, "a fox [slow 0]")
    creation = phoenix.opening.open(brief, caller=a_caller()).creation
    phoenix.failing.cancel(creation.creation_id, owner=creation.user_id)
    if tokens == "1":
        phoenix.opening.open(brief, caller=a_caller())
    phoenix.ports.close()
    return creation.creation_id


def status_and_ledger(folder: Path, creation_id: CreationId) -> tuple[Status, list[Actor]]:
    phoenix = wiring.build(settings.load({"PHOENIX_DATA": str(folder)}))
    current = phoenix.ports.store.get(creation_key(creation_id))
    ledger = parsed(phoenix.ports.store.ledger(ADA, Page(limit=50)))
    assert phoenix.auditing.audit().violations == []
    phoenix.ports.close()
    assert current is not None
    return current.status, [entry.actor for entry in reversed(ledger)]


def restart_of(execution: str, task_attempt: int = 1) -> dict[str, str]:
    """Return the platform's environment of a later try of an execution."""
    return {"CLOUD_RUN_EXECUTION": execution, "CLOUD_RUN_TASK_ATTEMPT": str(task_attempt)}


def test_failed_creation_is_not_rerun_without_a_debit(tmp_path: Path) -> None:
    creation_id = failed_creation(tmp_path)

    done = job("image", tmp_path, creation_id)

    assert (done.returncode, done.stderr) == (0, "")
    assert "it is failed" in done.stdout
    assert status_and_ledger(tmp_path, creation_id)[0] is Status.FAILED


def test_operator_rerun_debits_a_failed_creation_again(tmp_path: Path) -> None:
    creation_id = failed_creation(tmp_path)

    done = job("image", tmp_path, creation_id, RERUN_FAILED="debit")

    assert done.returncode == 0, done.stdout + done.stderr
    assert status_and_ledger(tmp_path, creation_id) == (
        Status.DRAFT,
        [Actor.API, Actor.OWNER, Actor.OWNER, Actor.OPERATOR],
    )


def test_restart_debits_if_the_execution_has_not_debited_yet(tmp_path: Path) -> None:
    creation_id = failed_creation(tmp_path)

    done = job("image", tmp_path, creation_id, RERUN_FAILED="debit", **restart_of("one"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert status_and_ledger(tmp_path, creation_id)[0] is Status.DRAFT


def test_execution_debits_once_even_if_its_debit_was_refunded(tmp_path: Path) -> None:
    creation_id = failed_creation(tmp_path)
    phoenix = wiring.build(settings.load({"PHOENIX_DATA": str(tmp_path)}))
    phoenix.opening.rerun(creation_id, execution="one")
    phoenix.failing.cancel(creation_id, owner=ADA)
    phoenix.opening.retry(creation_id, owner=ADA)
    phoenix.failing.cancel(creation_id, owner=ADA)
    phoenix.ports.close()
    before = status_and_ledger(tmp_path, creation_id)

    done = job("image", tmp_path, creation_id, RERUN_FAILED="debit", **restart_of("one"))

    assert (done.returncode, done.stderr) == (0, "")
    assert "it is failed" in done.stdout
    assert status_and_ledger(tmp_path, creation_id) == before


@pytest.mark.parametrize("task_attempt", [0, 1])
def test_operator_rerun_without_tokens_exits_2(tmp_path: Path, task_attempt: int) -> None:
    creation_id = failed_creation(tmp_path, tokens="1")

    restart = restart_of("one", task_attempt)
    done = job("image", tmp_path, creation_id, RERUN_FAILED="debit", **restart)

    assert done.returncode == 2
    assert done.stderr == "This costs 1 token and the balance is 0.\n"
    assert status_and_ledger(tmp_path, creation_id)[0] is Status.FAILED


def test_rerun_failed_accepts_only_debit(tmp_path: Path) -> None:
    done = job("image", tmp_path, a_creation_id(), RERUN_FAILED="yes")

    assert done.returncode == 2
    assert done.stderr == "RERUN_FAILED: leave it out or set it to debit\n"


STORE_IS_DOWN = """
from shared import wiring
from shared.domain.errors import StoreUnavailable

def build(*_, **__):
    raise StoreUnavailable(reason="planned")

wiring.build = build
from jobs.image_generation_job import __main__
"""


def test_unavailable_store_at_startup_exits_for_a_restart(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STORE_IS_DOWN],
        env={**os.environ, "PHOENIX_DATA": str(tmp_path), "CREATION_ID": a_creation_id()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1


HANGING = """
import tempfile, threading
from jobs import worker

class Hanging(worker.Execution):
    def run(self, creation_id, *, drains):
        print(tempfile.mkdtemp(), flush=True)
        threading.Event().wait()

    def hand_back(self):
        threading.Event().wait()

worker.Execution = Hanging
from jobs.image_generation_job import __main__
"""


@contextmanager
def started(text: str, data: Path) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """Yield a job's process that has begun its work, and its temporary folder."""
    environment = {**os.environ, "PHOENIX_DATA": str(data), "CREATION_ID": a_creation_id()}
    with subprocess.Popen(
        [sys.executable, "-c", text], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())


@pytest.mark.slow
def test_process_ends_9_seconds_after_sigterm_whatever_hangs(tmp_path: Path) -> None:
    with started(HANGING, tmp_path) as (process, temporary):
        assert temporary.is_dir()
        began_s = time.monotonic()
        process.terminate()
        process.wait(STOP_GRACE_S)

    assert LEAVE_AFTER_S - 0.5 <= time.monotonic() - began_s < STOP_GRACE_S
    assert process.returncode == RESTART
    assert not temporary.parent.exists()


NOBODY_READS = """
import logging, tempfile
from jobs import worker

class Logging(worker.Execution):
    def run(self, creation_id, *, drains):
        print(tempfile.mkdtemp(), flush=True)
        while True:
            logging.warning("a line")

    def hand_back(self):
        pass

worker.Execution = Logging
from jobs.image_generation_job import __main__
"""
PIPE_BYTES = 60_000
"""Almost what a pipe holds."""


def test_log_that_nobody_reads_does_not_keep_the_process_after_sigterm(tmp_path: Path) -> None:
    with started(NOBODY_READS, tmp_path) as (process, _):
        eventually(lambda: unread_bytes(process) > PIPE_BYTES)
        process.terminate()
        try:
            process.wait(LEAVE_AFTER_S / 2)
        finally:
            process.kill()

    assert process.returncode == RESTART


def unread_bytes(process: "subprocess.Popen[str]") -> int:
    size = array("i", [0])
    fcntl.ioctl(process.stdout or 0, termios.FIONREAD, size)
    return size[0]


def test_sigterm_before_anything_is_claimed_ends_the_process_at_once(tmp_path: Path) -> None:
    waiting = HANGING.replace("threading.Event().wait()\n\nworker", "pass\n\nworker")
    with started(waiting, tmp_path) as (process, temporary):
        process.terminate()
        process.wait(LEAVE_AFTER_S / 2)

    assert process.returncode == RESTART
    assert not temporary.parent.exists()


@pytest.mark.parametrize("value", ["no", "true", ""])
def test_drain_accepts_only_yes(tmp_path: Path, value: str) -> None:
    done = job("image", tmp_path, a_creation_id(), DRAIN=value)

    assert (done.returncode, done.stderr) == (2, "DRAIN: leave it out or set it to yes\n")


@pytest.mark.parametrize(
    ("environment", "status"),
    [
        ({"DRAIN": "yes"}, Status.DRAFT),
        ({}, Status.PENDING),
        ({"DRAIN": "yes", "RERUN_FAILED": "debit"}, Status.PENDING),
    ],
)
def test_only_a_task_drains_and_a_rerun_does_not(
    tmp_path: Path, environment: dict[str, str], status: Status
) -> None:
    own = failed_creation(tmp_path)
    phoenix = wiring.build(settings.load({"PHOENIX_DATA": str(tmp_path)}))
    if "RERUN_FAILED" not in environment:
        phoenix.opening.retry(own, owner=ADA)
    brief = a_brief(Kind.IMAGE, "another fox [slow 0]")
    other = phoenix.opening.open(brief, caller=a_caller("ben")).creation
    phoenix.ports.close()

    done = job("image", tmp_path, own, **environment)

    assert done.returncode == 0, done.stdout + done.stderr
    assert status_and_ledger(tmp_path, own)[0] is Status.DRAFT
    assert status_and_ledger(tmp_path, other.creation_id)[0] is status
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    completed = [line for line in lines if line["message"] == "creation_completed"]
    assert len(completed) == (2 if status is Status.DRAFT else 1)
