"""The one-machine stack with GEMINI_API_KEY: generated media, a refused key, no network."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.domain.status import Status
from tests.end_to_end.conftest import OneMachine
from tests.servers.google_models_server import GoogleModelsServer
from tests.servers.google_models_vendor import SUSPENDED_KEY, WRONG_KEY, Vendor
from tests.support.environments import DEAD_PROXY
from tests.support.eventually import eventually

pytestmark = pytest.mark.slow

KEY = "a-good-and-secret-key"
IMAGE_MODEL, VIDEO_MODEL = "gemini-nano-banana-2.1", "gemini-omni-1.2-flash"
FOLDER = "a [long] name of a folder, longer than a line of eighty characters has room for"
PHOENIX = Path(sys.executable).with_name("phoenix")


@pytest.fixture
def server() -> Iterator[GoogleModelsServer]:
    with GoogleModelsServer(Vendor(takes_s=0.5)) as server:
        yield server


def nowhere() -> str:
    """Return an address that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_key_generates_an_image_and_a_video_by_the_developer_api(
    new_machine: Callable[..., OneMachine], server: GoogleModelsServer
) -> None:
    machine = new_machine(GEMINI_API_KEY=KEY, PHOENIX_GENERATOR_ENDPOINT=server.url, **DEAD_PROXY)
    client = machine.client()
    image = machine.open(client, "a fox", "image")
    video = machine.open(client, "waves", duration=4)

    drafts = [machine.settled(each) for each in (image, video)]

    assert [draft.status for draft in drafts] == [Status.DRAFT] * 2
    assert [draft.model for draft in drafts] == [IMAGE_MODEL, VIDEO_MODEL]
    assert client.get("/api/me").json()["tokenBalance"] == 100 - 1 - 10
    requested = {(method, path) for method, path, _ in server.vendor.requests}
    assert ("POST", f"/v1/models/{IMAGE_MODEL}:generateContent") in requested
    assert ("POST", "/v1/interactions") in requested
    assert any(
        path.startswith("/v1/interactions/") for method, path in requested if method == "GET"
    )
    assert any(path.startswith("/v1/files/") for _, path in requested)
    assert not any("/projects/" in path for _, path in requested)
    assert server.vendor.starts == 2
    assert KEY not in machine.logs() + client.get("/openapi.json").text + client.get("/").text


@pytest.mark.parametrize("key", [WRONG_KEY, SUSPENDED_KEY])
def test_refused_key_fails_at_once_as_internal_and_returns_the_tokens(
    new_machine: Callable[..., OneMachine], server: GoogleModelsServer, key: str
) -> None:
    machine = new_machine(GEMINI_API_KEY=key, PHOENIX_GENERATOR_ENDPOINT=server.url)
    client = machine.client()
    opened = [machine.open(client, "a fox", "image"), machine.open(client, "waves")]

    failed = [machine.settled(each) for each in opened]

    assert [each.error and each.error.code for each in failed] == ["internal"] * 2
    assert [each.attempt for each in failed] == [1, 1]
    assert client.get("/api/me").json()["tokenBalance"] == 100
    assert machine.logs().count("generator_misconfigured") == 2
    assert key not in machine.logs()


def test_without_a_network_the_tokens_are_returned_after_the_retries(
    new_machine: Callable[..., OneMachine],
) -> None:
    machine = new_machine(GEMINI_API_KEY=KEY, PHOENIX_GENERATOR_ENDPOINT=nowhere())
    client = machine.client()

    failed = machine.settled(machine.open(client, "a fox", "image"))

    assert failed.error is not None
    assert failed.error.code == "generator_unavailable"
    assert failed.refunded
    assert client.get("/api/me").json()["tokenBalance"] == 100


def test_sample_generator_setting_wins_over_a_key(
    new_machine: Callable[..., OneMachine], server: GoogleModelsServer
) -> None:
    machine = new_machine(
        GEMINI_API_KEY=KEY,
        PHOENIX_GENERATOR="sample",
        PHOENIX_GENERATOR_ENDPOINT=server.url,
    )

    draft = machine.settled(machine.open(machine.client(), "a fox", "image"))

    assert draft.model == "sample"
    assert server.vendor.requests == []


@pytest.mark.parametrize(
    ("key", "is_reached", "said"),
    [
        (KEY, True, ""),
        (WRONG_KEY, True, "GEMINI_API_KEY: Google refuses this key (400)."),
        (KEY, False, "cannot be reached (ConnectError)."),
    ],
)
def test_start_warns_in_one_line_about_an_unusable_key(
    server: GoogleModelsServer, tmp_path: Path, key: str, said: str, *, is_reached: bool
) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "GEMINI_API_KEY": key,
        "PHOENIX_GENERATOR_ENDPOINT": server.url if is_reached else nowhere(),
    }
    errors = tmp_path / "errors"
    command = [str(PHOENIX), "up", "--port", "0", "--data", str(tmp_path / FOLDER)]
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=stderr) as up,
    ):
        assert up.stdout is not None
        shown = up.stdout.readline() + up.stdout.readline() + up.stdout.readline()
        if said:
            eventually(lambda: said in errors.read_text())
        else:
            eventually(lambda: len(server.vendor.requests) == 2)
        up.send_signal(signal.SIGINT)
        assert up.wait(30) == 0

    assert b"Phoenix runs at" in shown
    assert f"{tmp_path / FOLDER}\n".encode() in shown
    assert f"images by {IMAGE_MODEL}, videos by {VIDEO_MODEL}".encode() in shown
    assert len(errors.read_text().splitlines()) == (1 if said else 0)
    assert key not in errors.read_text()
