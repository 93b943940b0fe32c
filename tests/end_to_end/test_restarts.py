"""kill -9 of the job, of the API and of the whole stack, at twenty moments of a video's life."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from shared import settings, wiring
from shared.domain.creation import Creation, creation_key
from shared.domain.keys import CreationId
from shared.domain.status import Status
from shared.wiring import Phoenix
from tests.end_to_end.conftest import SCALED_DOWN, OneMachine
from tests.end_to_end.processes import jobs_of, kill, processes_with
from tests.eventually import eventually

pytestmark = pytest.mark.slow

MOMENTS_S = [0.2 * number for number in range(20)]
VICTIMS = ("job", "api", "stack")


@contextmanager
def stack(data: Path) -> Iterator[str]:
    """Run `phoenix up` as its own process, if it is not killed before, and yield its address."""
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
    """Return the processes that an accident of this kind takes."""
    everything = list(processes_with("PHOENIX_DATA", str(data)))
    return {
        "job": jobs_of(creation_id),
        "api": [process_id for process_id, command in everything if "uvicorn" in command],
        "stack": [process_id for process_id, _ in everything],
    }[name]


def settled(phoenix: Phoenix, creation_id: str) -> Creation:
    def look() -> Creation | None:
        now = phoenix.ports.store.get(creation_key(CreationId(creation_id)))
        assert now is not None
        return None if now.is_unfinished else now

    found = eventually(look, within_s=90)
    assert found is not None
    return found


@pytest.mark.parametrize("number", range(len(MOMENTS_S)))
def test_after_kill_9_every_creation_ends_as_draft_or_refunded(tmp_path: Path, number: int) -> None:
    victim = VICTIMS[number % len(VICTIMS)]
    with stack(tmp_path) as base_url, client_of(base_url) as client:
        body = {"prompt": "a film [slow 2]", "duration": 4}
        creation_id = client.post("/api/generate/video", json=body).json()["creationId"]
        phoenix = wiring.build(settings.load({**SCALED_DOWN, "PHOENIX_DATA": str(tmp_path)}))
        phoenix.ports.clock.sleep(MOMENTS_S[number])
        kill(victims(victim, tmp_path, creation_id))
        if victim != "stack":
            now = settled(phoenix, creation_id)
    if victim == "stack":
        with stack(tmp_path):
            now = settled(phoenix, creation_id)

    assert (now.status is Status.DRAFT) is not now.refunded
    assert len(list((tmp_path / "generator/operations").glob("*.json"))) <= 1
    assert phoenix.auditing.audit().violations == []
    phoenix.ports.close()


def test_after_sigterm_the_lease_is_back_within_ten_seconds(
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
    assert machine.document(creation_id).retries == 0
    assert machine.starts(creation_id) == 1
