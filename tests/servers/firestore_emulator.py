"""Google's Firestore emulator, from the installed Google Cloud SDK (tests/install_emulator.sh)."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx

from tests.support.eventually import eventually

HOST = "127.0.0.1"
JAR = "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar"
MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
JAVA_OPTIONS = ("-XX:TieredStopAtLevel=1", "-Xmx256m", "-Duser.language=en")
WARM_TIMEOUT_S = 60


def is_installed() -> bool:
    return shutil.which("java") is not None and jar() is not None


def jar() -> Path | None:
    """Return the emulator's file in the installed Google Cloud SDK."""
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        return None
    path = Path(gcloud).resolve().parent.parent / JAR
    return path if path.exists() else None


@contextmanager
def running(*options: str) -> Iterator[str]:
    """Run a private emulator and return its address.

    Java is started directly: the SDK's scripts leave it running when they are stopped.
    """
    address = f"{HOST}:{free_port()}"
    port = address.rpartition(":")[2]
    command = ["java", *JAVA_OPTIONS, "-cp", str(jar()), MAIN, "--host", HOST, "--port", port]
    command += options
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: _responds(address) or process.poll() is not None, within_s=120)
            assert process.poll() is None, "the emulator did not start"
            _warm(address)
            yield address
        finally:
            process.terminate()


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _responds(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/", timeout=1).is_success
    except httpx.HTTPError:
        return False


def _warm(address: str) -> None:
    """Send a first write and query, which take seconds."""
    documents = f"http://{address}/v1/projects/warm/databases/(default)/documents"
    query = {"structuredQuery": {"from": [{"collectionId": "users"}]}}
    for path, body in (("/users", {"fields": {}}), (":runQuery", query)):
        httpx.post(documents + path, json=body, timeout=WARM_TIMEOUT_S).raise_for_status()
