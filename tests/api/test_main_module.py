"""The API's process: its port, its arguments, and its signals."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from api_service.__main__ import port_number
from api_service.main import firebase_web, stream_limits
from shared import settings
from tests.support.environments import GCP, SERVICE
from tests.support.eventually import eventually


@contextmanager
def started(folder: Path, *arguments: str, port: str) -> Iterator["subprocess.Popen[str]"]:
    environment = {**os.environ, "PHOENIX_DATA": str(folder), "PORT": port}
    with subprocess.Popen(
        [sys.executable, "-I", "-m", "api_service", *arguments],
        env=environment,
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=5):
            return True
    except OSError:
        return False


def test_api_serves_on_its_port_until_sigterm(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = int(probe.getsockname()[1])

    with started(tmp_path, port=str(port)) as process:
        eventually(lambda: is_healthy(port), within_s=30)
        process.terminate()

        assert process.wait(20) in {0, -signal.SIGTERM}


def test_ctrl_c_ends_the_api_without_a_traceback(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = int(probe.getsockname()[1])

    with started(tmp_path, port=str(port)) as process:
        eventually(lambda: is_healthy(port), within_s=30)
        process.send_signal(signal.SIGINT)
        output, error = process.communicate(timeout=20)

    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in output + error


def test_unknown_argument_is_refused(tmp_path: Path) -> None:
    with started(tmp_path, "--reload", port="8080") as process:
        output, error = process.communicate(timeout=30)

    assert process.returncode == 2
    assert output == ""
    assert "unrecognized arguments: --reload" in error


@pytest.mark.parametrize(
    "port", ["", "0", "65536", "-1", " 80", "http", "9" * 5000, "\uff18\uff10"]
)
def test_wrong_port_is_refused(port: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="use a whole number from 1 to 65535"):
        port_number(port)


def test_wrong_port_in_the_environment_prevents_the_start(tmp_path: Path) -> None:
    with started(tmp_path, port="http") as process:
        _, error = process.communicate(timeout=30)

    assert process.returncode == 2
    assert "argument --port: use a whole number from 1 to 65535" in error


@pytest.mark.parametrize("port", [1, 8080, 65535])
def test_port_is_a_number_in_its_range(port: int) -> None:
    assert port_number(str(port)) == port


@pytest.mark.parametrize(
    ("environment", "connections_max", "streams_max"),
    [
        ({}, 4_000, 1_000),
        ({}, 320, 80),
        (GCP, 4_000, 100),
    ],
    ids=["one machine", "few open files", "cloud"],
)
def test_streams_leave_connections_for_other_requests(
    environment: dict[str, str], connections_max: int, streams_max: int, tmp_path: Path
) -> None:
    backend = settings.load(environment or {"PHOENIX_DATA": str(tmp_path)}).backend

    assert stream_limits(backend, connections_max=connections_max).streams_max == streams_max


def test_pages_in_the_cloud_use_firebase_and_never_an_emulator() -> None:
    environment = SERVICE | {"PHOENIX_SIGN_IN_PROVIDERS": "apple"}
    firebase = firebase_web(settings.load(environment).backend)

    assert firebase
    assert firebase.emulator_url is None
    assert (firebase.api_key, firebase.providers) == ("web-key", ("apple",))
