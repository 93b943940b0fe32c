"""A data folder on a full disk: requests are refused without a debit, and health reports it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api_service.app import create_app
from shared import settings, wiring
from shared.wiring import Phoenix
from tests.support.machine import needs

pytestmark = [pytest.mark.slow, needs("tmpfs")]

ROOM_MIB = 3
IMAGE_ROOM_MIB = 64


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    tmp_path.joinpath("disk").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM_MIB}m", "tmpfs", str(tmp_path / "disk")]
    subprocess.run(mount, check=True)
    yield tmp_path / "disk"
    subprocess.run(["umount", "--lazy", tmp_path / "disk"], check=True)


@pytest.fixture
def phoenix(disk: Path) -> Iterator[Phoenix]:
    phoenix = wiring.build(settings.load({"PHOENIX_DATA": str(disk)}))
    yield phoenix
    phoenix.ports.close()


@pytest.fixture
def client(phoenix: Phoenix) -> Iterator[TestClient]:
    with TestClient(create_app(phoenix), base_url="http://localhost") as client:
        token = client.post("/api/local/sign-in", json={"username": "ada"}).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def resize(disk: Path, size_mib: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size_mib}m", disk], check=True)


def fill(disk: Path) -> None:
    """Write until the file system is full."""
    with (disk / "ballast").open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4096))
        except OSError:
            return


IMAGE = {"type": "image", "prompt": "a fox"}
VIDEO = {"type": "video", "prompt": "waves", "duration": 4}


def test_creation_is_refused_without_a_debit_while_the_disk_is_full(
    client: TestClient, disk: Path
) -> None:
    before = client.get("/api/me").json()["tokenBalance"]

    for body in (IMAGE, VIDEO):
        refused = client.post("/api/generate/creation", json=body)

        assert (refused.status_code, refused.json()["code"]) == (503, "storage_full")
        assert int(refused.headers["Retry-After"]) > 0
    assert client.get("/api/me").json()["tokenBalance"] == before
    assert client.get("/api/generate/drafts").json()["creations"] == []

    resize(disk, IMAGE_ROOM_MIB)

    key = {"Idempotency-Key": "once"}
    opened = client.post("/api/generate/creation", json=IMAGE, headers=key)
    assert opened.status_code == 202
    still_refused = client.post("/api/generate/creation", json=VIDEO)
    assert still_refused.json()["code"] == "storage_full"

    resize(disk, ROOM_MIB)

    replayed = client.post("/api/generate/creation", json=IMAGE, headers=key)
    assert replayed.status_code == 202
    assert replayed.headers["Idempotency-Replayed"] == "true"


def test_retry_is_refused_without_a_debit_while_the_disk_is_full(
    client: TestClient, disk: Path
) -> None:
    resize(disk, IMAGE_ROOM_MIB)
    creation_id = client.post("/api/generate/creation", json=IMAGE).json()["creationId"]
    address = f"/api/generate/creation/{creation_id}"
    assert client.post(f"{address}/cancel").status_code == 200
    resize(disk, ROOM_MIB)

    refused = client.post(f"{address}/retry")

    assert (refused.status_code, refused.json()["code"]) == (503, "storage_full")
    assert client.get(address).json()["creation"]["status"] == "failed"


def test_installation_on_a_full_disk_is_not_ready(client: TestClient, disk: Path) -> None:
    fill(disk)

    answer = client.get("/api/health/ready")

    assert answer.status_code == 503
    assert answer.json()["media"]["ok"] is False
