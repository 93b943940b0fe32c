"""Malicious bodies and captions, with the API in a process of its own."""

import asyncio
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from api_service.middleware import BodyLimit
from infrastructure.local.stack import Stack
from tests.api.conftest import Api
from tests.api.hostile import HOSTILE_BODIES, MIB, XSS_CAPTIONS, Hostile
from tests.support.builders import ADA

ROUNDS = 20
GROWTH_BYTES_MAX = 16 * MIB
HARMLESS = Hostile("a prompt is missing", lambda: b'{"type":"image"}')
HARMLESS_TIMES_MAX = 100
"""Sending 32 MiB takes 16 times as long as a harmless body, all others twice as long."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    with Stack({**os.environ, "PHOENIX_DATA": str(folder)}) as running:
        yield running


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.base_url) as client:
        token = client.post("/api/local/sign-in", json={"username": "ada"}).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def send(client: httpx.Client, hostile: Hostile) -> httpx.Response:
    return client.post(
        "/api/generate/creation",
        content=hostile.body(),
        headers={"Content-Type": hostile.content_type},
    )


def memory_bytes(stack: Stack) -> int:
    status = Path(f"/proc/{stack._api.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("hostile", HOSTILE_BODIES, ids=lambda each: each.name)
def test_hostile_body_is_refused_with_a_short_response(
    client: httpx.Client, hostile: Hostile
) -> None:
    answer = send(client, hostile)

    assert answer.status_code == hostile.status
    assert len(answer.content) <= 1024
    assert client.get("/api/me").json()["tokenBalance"] == 100


@pytest.mark.slow
def test_hostile_bodies_cost_little_memory_and_time(stack: Stack, client: httpx.Client) -> None:
    bodies = [HARMLESS, *HOSTILE_BODIES]
    for hostile in bodies:
        send(client, hostile)
    before = memory_bytes(stack)
    fastest_s = dict.fromkeys((hostile.name for hostile in bodies), math.inf)

    for _ in range(ROUNDS):
        for hostile in bodies:
            began_s = time.perf_counter()
            send(client, hostile)
            took_s = time.perf_counter() - began_s
            fastest_s[hostile.name] = min(fastest_s[hostile.name], took_s)

    assert memory_bytes(stack) - before < GROWTH_BYTES_MAX
    assert max(fastest_s.values()) < HARMLESS_TIMES_MAX * fastest_s[HARMLESS.name], fastest_s


def test_captions_with_scripts_are_stored_as_text(api: Api) -> None:
    draft = api.world.draft()
    client = api.client(ADA)
    assert len(XSS_CAPTIONS) == 60
    for caption in XSS_CAPTIONS:
        answer = client.post(
            f"/api/generate/creation/{draft.creation_id}/publish", json={"caption": caption}
        )

        assert answer.json()["creation"]["caption"] == caption.strip()
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("declared", "status"),
    [("x", 400), ("-1", 400), ("\u0663", 400), ("", 400), ("9" * 5000, 413), ("32769", 413)],
    ids=ascii,
)
def test_declared_length_is_checked_without_uvicorn(declared: str, status: int) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("a body that is refused is not read")

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError("a request that is refused reaches no route")

    headers = [(b"content-length", declared.encode("utf-8"))]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    asyncio.run(BodyLimit(app)(scope, receive, send))

    assert sent[0]["status"] == status
