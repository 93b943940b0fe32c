"""SIGKILL of the job, the API and the whole stack at seven phases of a job."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from shared import settings, wiring
from shared.domain.creation import Creation, creation_key
from shared.domain.keys import CreationId
from shared.domain.policy import STOP_GRACE_S
from shared.domain.status import Status
from shared.wiring import Phoenix
from tests.end_to_end.conftest import SCALED_DOWN, OneMachine
from tests.end_to_end.job_phases import AFTER_START, JobPhase, phase_of
from tests.end_to_end.processes import jobs_of, kill, processes_with
from tests.support.builders import seconds
from tests.support.eventually import eventually

pytestmark = pytest.mark.slow

MOMENTS = [
    *(JobPhase.STARTING, JobPhase.CLAIMED, JobPhase.WITH_OPERATION, JobPhase.REPORTED),
    *(JobPhase.DOWNLOADING, JobPhase.CHECKING, JobPhase.UPLOADING),
]
"""The phases between the claim and the operation are too short to be hit here."""


@contextmanager
def stack(data: Path) -> Iterator[str]:
    """Run `phoenix up` as a process that a test may kill, and yield its address."""
    with subprocess.Popen(
        [Path(sys.executable).with_name("phoenix"), "up", "--port", "0"],
        env={**os.environ, **SCALED_DOWN, "PHOENIX_DATA": str(data), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        try:
            yield running.stdout.readline().split()[3]
        finally:
            running.send_signal(signal.SIGTERM)


@contextmanager
def client_of(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, timeout=10) as client:
        token = client.post("/api/local/sign-in", json={"username": "ada"}).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def victims(name: str, data: Path, creation_id: str) -> list[int]:
    """Return the ids of the processes to kill."""
    everything = list(processes_with("PHOENIX_DATA", str(data)))
    return {
        "job": jobs_of(creation_id),
        "api": [process_id for process_id, command in everything if "api_service" in command],
        "stack": [process_id for process_id, _ in everything],
    }[name]


def document(phoenix: Phoenix, creation_id: str) -> Creation:
    found = phoenix.ports.store.get(creation_key(CreationId(creation_id)))
    assert found is not None
    return found


def starts(data: Path) -> int:
    """Return how many operations the sample generator has started."""
    return len(list((data / "generator/operations").glob("*.json")))


def killed_at(wanted: JobPhase, victim: str, data: Path) -> JobPhase:
    """Kill at a phase of a new video, wait until it is settled, and return the phase hit."""
    phoenix = wiring.build(settings.load({**SCALED_DOWN, "PHOENIX_DATA": str(data)}))

    def phase() -> JobPhase:
        return phase_of(document(phoenix, creation_id), is_paid=starts(data) > 0)

    def settled() -> bool:
        return not document(phoenix, creation_id).is_unfinished

    with stack(data) as base_url, client_of(base_url) as client:
        body = {"prompt": "a film [slow 2]", "duration": 4}
        creation_id = client.post("/api/generate/video", json=body).json()["creationId"]
        eventually(lambda: victims(victim, data, creation_id), poll_interval_s=0.1)
        eventually(lambda: phase() >= wanted, within_s=60, poll_interval_s=0.005)
        kill(victims(victim, data, creation_id))
        died_at = phase()
        if victim != "stack":
            eventually(settled, within_s=90)
    if victim == "stack":
        with stack(data):
            eventually(settled, within_s=90)

    now = document(phoenix, creation_id)
    assert (now.status is Status.DRAFT) is not now.refunded
    assert starts(data) <= 1
    assert phoenix.auditing.audit().violations == []
    phoenix.ports.close()
    return died_at


@pytest.mark.parametrize("victim", ["job", "api", "stack"])
def test_after_sigkill_every_creation_becomes_a_draft_or_is_refunded(
    tmp_path: Path, victim: str
) -> None:
    def death(wanted: JobPhase) -> JobPhase:
        return killed_at(wanted, victim, tmp_path / wanted.name)

    with ThreadPoolExecutor(2) as accidents:
        deaths = Counter(accidents.map(death, MOMENTS))

    assert len(deaths.keys() - {JobPhase.SETTLED}) >= 4, deaths
    assert sum(deaths[phase] for phase in AFTER_START) >= 3, deaths


def opened_images(base_url: str, *, users: int, prompt: str) -> None:
    """Open two images for each user."""
    with httpx.Client(base_url=base_url, timeout=30) as client:
        for number in range(users):
            signed_in = client.post("/api/local/sign-in", json={"username": f"user{number}"})
            headers = {"Authorization": f"Bearer {signed_in.json()['token']}"}
            for _ in range(2):
                body = {"type": "image", "prompt": prompt}
                client.post("/api/generate/creation", json=body, headers=headers).raise_for_status()


def images(phoenix: Phoenix) -> list[Creation]:
    return [each for each in phoenix.ports.store.everything() if isinstance(each, Creation)]


def count_of(phoenix: Phoenix, status: Status) -> int:
    return sum(each.status is status for each in images(phoenix))


@pytest.mark.parametrize("victim", ["generation_job", "api_service", "stack"])
def test_after_sigkill_with_twenty_images_open_every_one_becomes_a_draft(
    tmp_path: Path, victim: str
) -> None:
    phoenix = wiring.build(settings.load({**SCALED_DOWN, "PHOENIX_DATA": str(tmp_path)}))
    with stack(tmp_path) as base_url:
        opened_images(base_url, users=10, prompt="a fox [slow 2]")
        eventually(lambda: count_of(phoenix, Status.PROCESSING) >= 8, poll_interval_s=0.05)
        everything = processes_with("PHOENIX_DATA", str(tmp_path))
        kill([id_ for id_, command in everything if victim == "stack" or victim in command])
        if victim != "stack":
            eventually(lambda: count_of(phoenix, Status.DRAFT) == 20, within_s=50)
    if victim == "stack":
        with stack(tmp_path):
            eventually(lambda: count_of(phoenix, Status.DRAFT) == 20, within_s=50)

    assert phoenix.auditing.audit().violations == []
    phoenix.ports.close()


def test_sigterm_of_the_stack_hands_back_every_lease_and_the_next_start_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, data = tmp_path / "temporary", tmp_path / "data"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    phoenix = wiring.build(settings.load({**SCALED_DOWN, "PHOENIX_DATA": str(data)}))
    with stack(data) as base_url:
        opened_images(base_url, users=10, prompt="a fox [slow 6]")
        eventually(lambda: count_of(phoenix, Status.PROCESSING) >= 8, poll_interval_s=0.05)
        assert list(temporary.iterdir())
        sent_at_s = time.monotonic()

    assert time.monotonic() - sent_at_s < STOP_GRACE_S
    assert count_of(phoenix, Status.PROCESSING) == 0
    assert sum(each.hand_back_count for each in images(phoenix)) >= 8
    assert list(temporary.iterdir()) == []
    with stack(data):
        eventually(lambda: count_of(phoenix, Status.DRAFT) == 20, within_s=50)
    assert starts(data) == 20
    assert phoenix.auditing.audit().violations == []
    phoenix.ports.close()


def test_job_stopped_for_longer_than_its_lease_writes_nothing_more(
    machine: OneMachine,
) -> None:
    creation_id = machine.open(machine.client(), "a film [slow 8]", duration=4)
    eventually(lambda: machine.document(creation_id).operation_name)
    zombie = jobs_of(creation_id)
    started = machine.document(creation_id)
    # Stop it after a heartbeat: stopped within a commit, it would hold the database lock.
    eventually(
        lambda: machine.document(creation_id).lease_expires_at != started.lease_expires_at,
        poll_interval_s=0.005,
    )
    kill(zombie, signal.SIGSTOP)
    before = machine.document(creation_id)
    skew = seconds(machine.stack.settings.policy.clock_skew_s)
    phoenix = machine.stack.phoenix
    eventually(lambda: not before.is_leased(phoenix.ports.clock.now() - skew))
    assert machine.document(creation_id).attempt == 1
    # That its execution still runs proves nothing: the sweep creates a task, and that claims it.
    eventually(lambda: machine.document(creation_id).attempt == 2)

    kill(zombie, signal.SIGCONT)

    settled = machine.settled(creation_id)
    assert (settled.status, settled.attempt) == (Status.DRAFT, 2)
    assert settled.operation_name == before.operation_name
    assert machine.starts() == 1
    eventually(lambda: not jobs_of(creation_id))
    log = machine.data / f"executions/logs/{before.execution_name}.log"
    assert "lease_lost" in log.read_text()


def test_lease_is_released_within_ten_seconds_after_sigterm(
    new_machine: Callable[..., OneMachine],
) -> None:
    hours = {
        "PHOENIX_POLICY_LEASE_S": "120",
        "PHOENIX_POLICY_DEADLINE_S": "900",
        "PHOENIX_POLICY_HEARTBEAT_S": "20",
    }
    machine = new_machine(**hours)
    creation_id = machine.open(machine.client(), "a film [slow 12]", duration=4)
    eventually(lambda: machine.document(creation_id).operation_name)

    kill(jobs_of(creation_id), signal.SIGTERM)

    eventually(lambda: machine.document(creation_id).attempt == 2, within_s=10)
    assert machine.settled(creation_id).status is Status.DRAFT
    assert machine.document(creation_id).retry_count == 0
    assert machine.starts(creation_id) == 1
