"""Many creations at once, with the real API process: SIGKILL between items, and flat memory."""

import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from shared.domain.creation import Creation
from shared.domain.status import Status
from tests.end_to_end.api_process import api, sign_in
from tests.support.documents import put
from tests.support.eventually import eventually
from tests.support.world import World

pytestmark = pytest.mark.slow

BULK, ZIP = "/api/generate/drafts/bulk", "/api/generate/drafts/zip"
ITEMS = 24
DYING_API = ("-m", "tests.end_to_end.dying_api", "committed", "--commit", str(ITEMS // 2))
FILES = 50
MIB = 1024 * 1024
FILE_BYTES = 20 * MIB
PEAK_ABOVE_IDLE_BYTES_MAX = 40 * MIB
END_OF_ARCHIVE = b"PK\x05\x06"
RICH = {"PHOENIX_WELCOME_TOKENS": "1000"}


@contextmanager
def world_in(data: Path) -> Iterator[World]:
    data.mkdir(mode=0o700)
    with closing(World(data, **RICH)) as world:
        yield world


def drafts(world: World, count: int) -> list[Creation]:
    return [world.draft(key=f"key {number}") for number in range(count)]


def left(world: World) -> int:
    return sum(isinstance(each, Creation) for each in world.sqlite.everything())


def delete_all(base_url: str, ids: list[str]) -> httpx.Response:
    with httpx.Client(base_url=base_url, timeout=60) as client:
        body = {"action": "delete", "creationIds": ids}
        return client.post(BULK, json=body, headers=sign_in(client, "ada"))


def test_bulk_delete_can_be_repeated_after_sigkill_between_its_items(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with world_in(data) as world, ThreadPoolExecutor(1) as clients:
        ids: list[str] = [each.creation_id for each in drafts(world, ITEMS)]

        with api(data, RICH, command=DYING_API) as (process, base_url):
            answer = clients.submit(delete_all, base_url, ids)
            eventually(lambda: process.poll() == -signal.SIGKILL)
        assert 0 < left(world) < ITEMS
        assert isinstance(answer.exception(), httpx.TransportError)
        assert world.violations() == []

        with api(data, RICH) as (_, base_url):
            repeated = delete_all(base_url, ids)

        assert repeated.json()["results"] == [
            {"creationId": id_, "ok": True, "status": None, "code": None} for id_ in ids
        ]
        assert left(world) == 0
        world.over(world.sqlite).sweeping.sweep()
        assert world.stored_keys() == set()
        assert world.violations() == []


def memory_bytes(process_id: int, name: str) -> int:
    status = Path(f"/proc/{process_id}/status").read_text()
    found = re.search(rf"{name}:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def requested(url: str) -> socket.socket:
    """Return a connection that has sent a request for this URL."""
    parts = urlsplit(url)
    connection = socket.create_connection((str(parts.hostname), parts.port or 80), timeout=30)
    head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.hostname}\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def received(url: str) -> tuple[int, bytes]:
    """Return the size of a response, and its end."""
    buffer, size_bytes, end = bytearray(MIB), 0, b""
    with requested(url) as connection:
        while count := connection.recv_into(buffer):
            size_bytes += count
            end = (end + buffer[:count])[-200:]
    return size_bytes, end


def test_memory_stays_flat_while_a_gigabyte_is_downloaded_and_another_client_stalls(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    with world_in(data) as world:
        creations = [replace(each, size_bytes=FILE_BYTES) for each in drafts(world, FILES)]
        put(world.sqlite, *creations)
        for each in creations:
            with world.files.path_of(str(each.media_key)).open("r+b") as file:
                file.truncate(FILE_BYTES)  # sparse
        assert {each.status for each in creations} == {Status.DRAFT}
    with api(data, RICH) as (process, base_url), httpx.Client(base_url=base_url) as client:
        body = {"creationIds": [each.creation_id for each in creations]}
        link = client.post(ZIP, json=body, headers=sign_in(client, "ada")).json()
        assert link["sizeBytes"] == FILES * FILE_BYTES
        Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # the peak is now what is in use
        idle_bytes = memory_bytes(process.pid, "VmRSS")

        with requested(link["downloadUrl"]) as stalled:
            assert stalled.recv(12) == b"HTTP/1.1 200"
            size_bytes, end = received(link["downloadUrl"])
        above_idle_bytes = memory_bytes(process.pid, "VmHWM") - idle_bytes

    assert size_bytes > FILES * FILE_BYTES
    assert END_OF_ARCHIVE in end
    assert above_idle_bytes <= PEAK_ABOVE_IDLE_BYTES_MAX
