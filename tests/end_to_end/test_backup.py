"""Backup of a running machine, and its restoration with clean books."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

import httpx
import pytest

from infrastructure.local.stack import Stack
from shared import settings, wiring
from shared.domain.status import Status
from tests.end_to_end.conftest import SCALED_DOWN, OneMachine
from tests.support.eventually import eventually

pytestmark = pytest.mark.slow


def phoenix(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [Path(sys.executable).with_name("phoenix"), *arguments],
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Load:
    """A user who creates, publishes and deletes continuously."""

    def __init__(self, machine: OneMachine) -> None:
        self._machine = machine
        self._client = machine.client("ben")
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.rounds = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._is_over.is_set():
            creation_id = self._machine.open(self._client, "a fox [slow 0]", "image")
            self._machine.settled(creation_id)
            address = f"/api/generate/creation/{creation_id}"
            assert self._client.post(f"{address}/publish").is_success
            if self.rounds % 2:
                assert self._client.delete(address).is_success
            self.rounds += 1


def test_backup_under_load_is_restored_with_clean_books(
    machine: OneMachine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("backups")
    client = machine.client()
    kept = machine.open(client, "a hare [slow 0]", "image")
    machine.settled(kept)
    link = client.get(f"/api/generate/creation/{kept}").json()["creation"]["mediaUrl"]
    hanging = machine.open(client, "a film [hang]", duration=4)
    with Load(machine) as load:
        eventually(lambda: load.rounds >= 2)
        for number in (1, 2, 3):
            taken = phoenix("backup", folder / str(number), "--data", machine.data)
            assert taken.returncode == 0, taken.stderr

    for number in (1, 2, 3):
        audited = phoenix("audit", "--data", folder / str(number))
        assert audited.returncode == 0, audited.stdout
    restored = folder / "restored"
    shutil.copytree(folder / "3", restored)
    with Stack({**os.environ, **SCALED_DOWN, "PHOENIX_DATA": str(restored)}) as stack:
        again = OneMachine(stack)
        moved = link.replace(machine.stack.base_url, stack.base_url)
        assert httpx.get(moved).content == httpx.get(link).content
        assert again.settled(hanging).status is Status.FAILED
        assert again.violations() == []
        assert again.stack.phoenix.ports.welcome_key == machine.stack.phoenix.ports.welcome_key
    modes = {oct(path.stat().st_mode & 0o077) for path in folder.glob("3/**/*")}
    assert modes == {"0o0"}


def test_backup_into_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "copy"
    wiring.build(settings.load({"PHOENIX_DATA": str(data)})).ports.close()
    folder.mkdir()
    (folder / "mine").touch()

    for target in (folder, folder / "mine"):
        refused = phoenix("backup", target, "--data", data)

        assert refused.returncode == 2
        assert refused.stderr == f"DIR: {target} is not empty: choose a new folder\n"
    assert [path.name for path in folder.iterdir()] == ["mine"]


def test_rotated_key_serves_at_once_and_old_tokens_stay_valid(machine: OneMachine) -> None:
    client = machine.client()
    creation_id = machine.open(client, "a fox [slow 0]", "image")
    machine.settled(creation_id)
    link = client.get(f"/api/generate/creation/{creation_id}").json()["creation"]["mediaUrl"]

    rotated = phoenix("rotate-key", "--data", machine.data)

    assert rotated.stdout == "New signing key; older keys still accepted: 1\n"
    assert client.get("/api/me").is_success
    assert client.get(link).is_success
    assert machine.client("ben").get("/api/me").is_success
    machine.settled(machine.open(client, "a hare [slow 0]", "image"))

    revoked = phoenix("rotate-key", "--revoke", "--data", machine.data)

    assert revoked.returncode == 0
    assert client.get("/api/me").status_code == 401
    assert httpx.get(link).status_code in (401, 403, 404)
    assert machine.client().get("/api/me").is_success
