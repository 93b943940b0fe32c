"""Runs the API's process alone on a data folder: no task is dispatched and nothing is swept."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from fastapi.testclient import TestClient

from tests.servers.firestore_emulator import HOST, free_port
from tests.support.eventually import eventually

API = ("-m", "api_service")
OPEN = "/api/generate/creation"
IMAGE = {"type": "image", "prompt": "a fox"}


@contextmanager
def api(
    data: Path,
    policy: Mapping[str, str],
    *,
    command: Sequence[str] = API,
    tracer: Sequence[str] = (),
) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Yield the process, which leads a process group, and its address; end it with SIGTERM."""
    port = free_port()
    base_url = f"http://{HOST}:{port}"
    environment = {"PHOENIX_DATA": str(data), "PHOENIX_BASE_URL": base_url, **policy}
    log = data.with_suffix(".log")
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [*tracer, sys.executable, *command, "--port", str(port)],
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            eventually(lambda: _accepts(port) or process.poll() is not None, within_s=60)
            assert process.poll() is None, log.read_text()
            yield process, base_url
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port)).close()
    except ConnectionRefusedError:
        return False
    return True


def sign_in(client: "httpx.Client | TestClient", user: str) -> dict[str, str]:
    """Return the headers of a user's requests."""
    token = client.post("/api/local/sign-in", json={"username": user}).json()["token"]
    return {"Authorization": f"Bearer {token}"}
