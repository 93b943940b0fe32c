"""Runs the API's process alone on a data folder: no task is dispatched and nothing is swept."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.servers.firestore_emulator import free_port
from tests.support.eventually import eventually

OPEN = "/api/generate/creation"
IMAGE = {"type": "image", "prompt": "a fox"}
ROOMY = {"PHOENIX_POLICY_IMAGES_IN_FLIGHT_MAX": "100"}
"""No job runs, so every image stays unfinished."""


@contextmanager
def api(
    data: Path, *, module: str = "api_service", tracer: Sequence[str] = ()
) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Yield the process, which leads a process group, and its address; end it with SIGTERM."""
    port = str(free_port())
    base_url = f"http://127.0.0.1:{port}"
    environment = {"PHOENIX_DATA": str(data), "PHOENIX_BASE_URL": base_url, **ROOMY}
    log = data.with_suffix(".log")
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [*tracer, sys.executable, "-m", module, "--port", port],
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            eventually(lambda: _responds(base_url) or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            yield process, base_url
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)


def _responds(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/api/health").is_success
    except httpx.TransportError:
        return False


def sign_in(client: httpx.Client, user: str) -> None:
    token = client.post("/api/local/sign-in", json={"username": user}).json()["token"]
    client.headers["Authorization"] = f"Bearer {token}"
