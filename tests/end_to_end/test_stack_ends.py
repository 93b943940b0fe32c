"""The stack ends together with its processes, and the next start resumes their work."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from shared import settings, wiring
from shared.domain.creation import Creation, creation_key
from shared.domain.keys import CreationId
from shared.domain.status import Status
from tests.end_to_end.processes import jobs_of, kill, processes_with
from tests.support.eventually import eventually

pytestmark = pytest.mark.slow

PHOENIX = Path(sys.executable).with_name("phoenix")
LEASE_S = 120
"""The default lease, longer than the time limits of these tests: waiting for it would fail them."""
RESUMED_WITHIN_S = 20


@contextmanager
def up(data: Path, *, port: str = "0") -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run `phoenix up`; yield its process and its address."""
    with subprocess.Popen(
        [PHOENIX, "up", "--port", port, "--data", data],
        env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        try:
            first = running.stdout.readline()
            yield running, first.split()[3] if first else running.stderr.read()
        finally:
            running.send_signal(signal.SIGTERM)


def open_video(base_url: str) -> str:
    """Open a video that takes several seconds; return its id."""
    with httpx.Client(base_url=base_url, timeout=10) as client:
        token = client.post("/api/local/sign-in", json={"username": "ada"}).json()["token"]
        answer = client.post(
            "/api/generate/video",
            json={"prompt": "a film [slow 6]", "duration": 4},
            headers={"Authorization": f"Bearer {token}"},
        )
        creation_id: str = answer.json()["creationId"]
    return creation_id


def document(data: Path, creation_id: str) -> Creation:
    phoenix = wiring.build(settings.load({"PHOENIX_DATA": str(data)}))
    with closing(phoenix.ports):
        found = phoenix.ports.store.get(creation_key(CreationId(creation_id)))
    assert found is not None
    return found


def is_in_progress(data: Path, creation_id: str) -> bool:
    """Return whether its generator was started, so that there is an operation to resume."""
    return document(data, creation_id).operation_name is not None


def everything_of(data: Path) -> list[int]:
    """Return the ids of the API and job processes of the stack on this folder."""
    return [each for each, command in processes_with("PHOENIX_DATA", str(data)) if command]


@pytest.mark.parametrize("death", ["sigkill of the stack", "sigkill of everything", "ctrl-c"])
def test_interrupted_creation_is_resumed_at_the_next_start(tmp_path: Path, death: str) -> None:
    with up(tmp_path) as (stack, base_url):
        port = base_url.rpartition(":")[2]
        creation_id = open_video(base_url)
        eventually(lambda: is_in_progress(tmp_path, creation_id))
        if death == "sigkill of everything":
            kill([*everything_of(tmp_path), stack.pid])
        else:
            stack.send_signal(signal.SIGINT if death == "ctrl-c" else signal.SIGKILL)
        stack.wait()

        with up(tmp_path, port=port) as (_, restarted):
            assert restarted == base_url
            eventually(
                lambda: document(tmp_path, creation_id).attempt == 2, within_s=RESUMED_WITHIN_S
            )
            eventually(
                lambda: document(tmp_path, creation_id).status is Status.DRAFT,
                within_s=RESUMED_WITHIN_S,
            )

    operations = list((tmp_path / "generator/operations").glob("*.json"))
    assert len(operations) == 1, "the generator was started once and resumed"
    phoenix = wiring.build(settings.load({"PHOENIX_DATA": str(tmp_path)}))
    with closing(phoenix.ports):
        assert phoenix.auditing.audit().violations == []


def test_sigkill_of_the_stack_ends_its_api_and_its_jobs(tmp_path: Path) -> None:
    with up(tmp_path) as (stack, base_url):
        creation_id = open_video(base_url)
        eventually(lambda: is_in_progress(tmp_path, creation_id))
        assert jobs_of(creation_id)
        assert everything_of(tmp_path)

        stack.kill()
        stack.wait()

        eventually(lambda: not everything_of(tmp_path), within_s=5)
        assert not jobs_of(creation_id)
        handed_back = document(tmp_path, creation_id)
        assert handed_back.status is Status.PENDING, "the job returned its lease"


def test_sigkill_of_the_api_is_followed_by_its_restart(tmp_path: Path) -> None:
    with up(tmp_path) as (_, base_url):
        [api] = everything_of(tmp_path)
        kill([api])

        eventually(lambda: everything_of(tmp_path) not in ([], [api]))
        eventually(lambda: answers(base_url))


def answers(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/api/health").is_success
    except httpx.TransportError:
        return False


def test_files_of_an_existing_data_folder_are_closed_to_other_users(tmp_path: Path) -> None:
    wiring.build(settings.load({"PHOENIX_DATA": str(tmp_path)})).ports.close()
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)

    with up(tmp_path) as (_, base_url):
        creation_id = open_video(base_url)
        eventually(lambda: document(tmp_path, creation_id).status is Status.DRAFT)

    modes = {str(path): path.stat().st_mode & 0o777 for path in [tmp_path, *tmp_path.rglob("*")]}
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}
