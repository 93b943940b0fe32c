"""Limits on connections, with hostile clients and the API in a process of its own."""

import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers.firestore_emulator import free_port
from tests.support.eventually import eventually

MIB = 1024 * 1024
HALF_SENT = (
    b"POST /api/generate/creation HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/json\r\nContent-Length: 100\r\n"
)
GET = b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
GROWTH_BYTES_MAX = 128 * MIB
"""3,000 connections cost about 30 KiB each; endless headers took gigabytes."""
MEDIAN_S_MAX = 0.05


class Process:
    """The API as `python -m api_service` runs it."""

    def __init__(self, folder: Path, *, files_max: int | None = None) -> None:
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "api.log"
        limit = f"ulimit -n {files_max}; " if files_max else ""
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    "/bin/sh",
                    "-c",
                    f'{limit}exec "$0" -m api_service --port {self.port}',
                    sys.executable,
                ],
                env={**os.environ, "PHOENIX_DATA": str(folder / "data")},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        eventually(self._is_up)

    def _is_up(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.base_url}/api/health").is_success
        except httpx.TransportError:
            return False

    @property
    def memory_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) * 1024

    def every_line(self) -> list[dict[str, Any]]:
        whole = [line for line in self.log.read_text().splitlines(keepends=True) if "\n" in line]
        return [json.loads(line) for line in whole if line[0] == "{"]

    def lines(self, message: str) -> list[dict[str, Any]]:
        return [line for line in self.every_line() if line["message"] == message]

    def closed(self, reason: str) -> int:
        """Return how many connections the log says were closed for a reason."""
        return sum(line["counts"].get(reason, 0) for line in self.lines("connections_closed"))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(15)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    process = Process(tmp_path_factory.mktemp("api"))
    yield process
    process.stop()


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connected(process: Process, sockets: ExitStack, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", process.port), timeout=30)
    sockets.callback(connection.close)
    connection.sendall(sent)
    return connection


def rest_of(connection: socket.socket) -> bytes:
    """Return everything that is sent until the connection is closed."""
    answer = b""
    while True:
        try:
            received = connection.recv(65536)
        except ConnectionResetError:
            return answer
        if not received:
            return answer
        answer += received


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", maxsplit=2)[1]) if answer else 0


def whole_answer(connection: socket.socket) -> bytes:
    """Return the head and the body of one response, which may arrive in several packets."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += received(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    while length is not None and len(body) < int(length[1]):
        body += received(connection)
    return head + b"\r\n\r\n" + body


def received(connection: socket.socket) -> bytes:
    """Return the next bytes of an open connection."""
    content = connection.recv(65536)
    assert content
    return content


def bearer(process: Process) -> bytes:
    answer = httpx.post(f"{process.base_url}/api/local/sign-in", json={"username": "ada"})
    return f"Authorization: Bearer {answer.json()['token']}\r\n".encode()


def seconds_of_requests(process: Process, count: int = 50) -> list[float]:
    """Return the duration of each request, each on its own connection."""
    seconds = []
    for _ in range(count):
        began_s = time.perf_counter()
        assert httpx.get(f"{process.base_url}/api/health").is_success
        seconds.append(time.perf_counter() - began_s)
    return seconds


@pytest.mark.parametrize("authorization", [b"", b"Authorization: Basic YTpi\r\n"])
def test_half_sent_body_without_bearer_token_is_401_at_once(
    process: Process, sockets: ExitStack, authorization: bytes
) -> None:
    began_s = time.monotonic()
    connection = connected(process, sockets, HALF_SENT + authorization + b"\r\n{")
    answer = rest_of(connection)

    assert status_of(answer) == 401
    assert b'"code":"unauthenticated"' in answer
    assert time.monotonic() - began_s < 9


def test_half_sent_chunked_body_without_bearer_token_is_401(
    process: Process, sockets: ExitStack
) -> None:
    head = HALF_SENT.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked")
    connection = connected(process, sockets, head + b"\r\n5\r\n{")

    assert status_of(connection.recv(65536)) == 401


@pytest.mark.slow
def test_half_sent_body_of_a_signed_in_user_is_408_and_closed_after_10_s(
    process: Process, sockets: ExitStack
) -> None:
    connection = connected(process, sockets, HALF_SENT + bearer(process) + b"\r\n{")
    began_s = time.monotonic()
    answer = rest_of(connection)

    assert status_of(answer) == 408
    assert b'"code":"request_timeout"' in answer
    assert b"connection: close" in answer.lower()
    assert 9 < time.monotonic() - began_s < 15


@pytest.mark.slow
def test_body_that_trickles_in_is_408_after_10_s(process: Process, sockets: ExitStack) -> None:
    connection = connected(process, sockets, HALF_SENT + bearer(process) + b"\r\n")
    connection.settimeout(0.5)
    began_s, answer = time.monotonic(), b""
    while not answer and time.monotonic() - began_s < 20:
        connection.sendall(b" ")
        try:
            answer = connection.recv(65536)
        except TimeoutError:
            continue

    assert status_of(answer) == 408


def test_body_that_arrives_in_two_parts_is_read(process: Process, sockets: ExitStack) -> None:
    body = b'{"type": "image", "prompt": "a fox"}'.ljust(100)
    connection = connected(process, sockets, HALF_SENT + bearer(process) + b"\r\n" + body[:10])
    connection.sendall(body[10:])

    assert status_of(connection.recv(65536)) == 202


ENDLESS = {
    "one header line": (GET + b"X: ", b"x" * 65536),
    "header lines": (GET, b"X-Header: value\r\n" * 4096),
    "empty header lines": (GET, b"a:\r\n" * 16384),
    "the address": (b"GET /", b"a" * 65536),
    "the method": (b"", b"A" * 65536),
    "the protocol": (b"GET / HTTP/1.", b"1" * 65536),
    "a chunk's extension": (
        HALF_SENT.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked") + b"\r\n5;",
        b"x" * 65536,
    ),
    "a chunk's size": (
        HALF_SENT.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked") + b"\r\n",
        b"0" * 65536,
    ),
    "trailers": (
        GET + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
        b"X-Trailer: value\r\n" * 4096,
    ),
    "one trailer": (
        GET + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: ",
        b"x" * 65536,
    ),
    "empty lines": (b"", b"\r\n" * 32768),
    "requests": (b"", (GET + b"\r\n") * 1024),
}


@pytest.mark.parametrize(("head", "more"), ENDLESS.values(), ids=ENDLESS)
def test_endless_request_is_refused_without_using_memory(
    process: Process, sockets: ExitStack, head: bytes, more: bytes
) -> None:
    before_bytes = process.memory_bytes
    connection = connected(process, sockets, head)
    sent_bytes = 0
    try:
        while sent_bytes < 256 * MIB:
            connection.sendall(more)
            sent_bytes += len(more)
    except OSError:
        pass

    assert sent_bytes < 32 * MIB
    assert process.memory_bytes - before_bytes < 16 * MIB


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"X-Header: value\r\n" * 98, 200),
        (b"X-Header: value\r\n" * 101, 431),
        (b"X: " + b"x" * 32 * 1024 + b"\r\n", 200),
        (b"X: " + b"x" * 70 * 1024 + b"\r\n", 431),
        (b"".join(b"X: " + b"x" * 1024 + b"\r\n" for _ in range(70)), 431),
    ],
    ids=["98 lines", "101 lines", "32 KiB", "70 KiB", "70 KiB in 70 lines"],
)
def test_headers_are_limited(
    process: Process, sockets: ExitStack, headers: bytes, status: int
) -> None:
    connection = connected(process, sockets, GET + headers + b"Connection: close\r\n\r\n")
    answer = rest_of(connection)

    assert status_of(answer) == status
    if status == 431:
        assert b'"code":"headers_too_large"' in answer
        assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"x" * 100 + b"\r\n\r\n"]
)
def test_bytes_that_are_not_http_are_400(process: Process, sockets: ExitStack, sent: bytes) -> None:
    answer = rest_of(connected(process, sockets, sent))

    assert status_of(answer) == 400
    assert b'"code":"malformed_request"' in answer


def test_connection_serves_several_requests(process: Process, sockets: ExitStack) -> None:
    connection = connected(process, sockets)
    for _ in range(3):
        connection.sendall(GET + b"\r\n")
        assert status_of(whole_answer(connection)) == 200


def test_pipelined_requests_within_the_limit_are_served(
    process: Process, sockets: ExitStack
) -> None:
    requests = (GET + b"\r\n") * 9 + GET + b"Connection: close\r\n\r\n"

    assert rest_of(connected(process, sockets, requests)).count(b"HTTP/1.1 200") == 10


@pytest.mark.parametrize(
    "refused",
    [b"x" * 100 + b"\r\n\r\n", GET + b"X: a\r\n" * 101 + b"\r\n", HALF_SENT + b"X: \0\r\n\r\n"],
    ids=["no HTTP", "too many headers", "a bad header"],
)
def test_refusal_follows_the_responses_to_earlier_requests(
    process: Process, sockets: ExitStack, refused: bytes
) -> None:
    drafts = GET.replace(b"/api/health", b"/api/generate/drafts") + bearer(process) + b"\r\n"
    answers = rest_of(connected(process, sockets, drafts * 3 + refused))

    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", answers)]
    assert statuses[:3] == [200, 200, 200]
    assert statuses[3:] in ([400], [431])


def test_broken_body_is_refused_after_the_responses_to_earlier_requests(
    process: Process, sockets: ExitStack
) -> None:
    chunked = HALF_SENT.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked")
    drafts = GET.replace(b"/api/health", b"/api/generate/drafts") + bearer(process) + b"\r\n"
    answers = rest_of(connected(process, sockets, drafts + chunked + b"\r\nzz\r\n"))

    assert re.findall(rb"HTTP/1\.1 (\d+)", answers) == [b"200", b"400"]


def test_pipelined_requests_beyond_the_limit_are_refused_after_the_others(
    process: Process, sockets: ExitStack
) -> None:
    drafts = GET.replace(b"/api/health", b"/api/generate/drafts") + bearer(process) + b"\r\n"
    answers = rest_of(connected(process, sockets, drafts * 40))

    assert re.findall(rb"HTTP/1\.1 (\d+)", answers) == [b"200"] * 17 + [b"400"]


def test_client_that_leaves_with_pipelined_requests_pending_is_no_error(
    process: Process, sockets: ExitStack
) -> None:
    drafts = HALF_SENT.replace(b"POST /api/generate/creation", b"GET /api/generate/drafts")
    drafts = drafts.replace(b"Content-Length: 100\r\n", bearer(process)) + b"\r\n"
    before = len(process.lines("request"))
    for _ in range(10):
        connected(process, sockets, drafts * 2).close()
        connected(process, sockets, drafts * 40)
    eventually(lambda: len(process.lines("request")) >= before + 20)

    assert [line for line in process.every_line() if line["severity"] == "ERROR"] == []


def test_trailer_does_not_become_a_header(process: Process, sockets: ExitStack) -> None:
    head = HALF_SENT.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked")
    trailer = bearer(process)
    answer = connected(process, sockets, head + b"\r\n2\r\n{}\r\n0\r\n" + trailer + b"\r\n")

    assert status_of(answer.recv(65536)) == 401


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HTT", GET, GET + b"\r\n" + GET],
    ids=["nothing", "half a line", "half a head", "a second"],
)
def test_connection_without_a_complete_head_is_closed_after_10_s(
    process: Process, sockets: ExitStack, sent: bytes
) -> None:
    connection = connected(process, sockets, sent)
    began_s = time.monotonic()
    rest_of(connection)

    assert time.monotonic() - began_s < 15


@pytest.mark.slow
def test_other_clients_are_served_while_thousands_of_connections_are_open(
    process: Process, sockets: ExitStack
) -> None:
    quiet_s = statistics.median(seconds_of_requests(process))
    before_bytes = process.memory_bytes
    for _ in range(1_005):
        connected(process, sockets)
    half_sent = HALF_SENT + bearer(process) + b"\r\n{"
    for number in range(2_000):
        connected(process, sockets, half_sent if number % 2 else HALF_SENT + b"\r\n{")

    held_s = statistics.median(seconds_of_requests(process))

    assert held_s < max(MEDIAN_S_MAX, 5 * quiet_s)
    assert process.memory_bytes - before_bytes < GROWTH_BYTES_MAX
    eventually(lambda: process.closed("idle") >= 1_005, within_s=40)
    assert len(process.lines("connections_closed")) < 20


@pytest.mark.slow
def test_new_clients_are_served_with_few_open_files_while_silent_ones_wait(
    tmp_path: Path, sockets: ExitStack
) -> None:
    process = Process(tmp_path, files_max=1024)
    try:
        for _ in range(1_005):
            connected(process, sockets)

        assert httpx.get(f"{process.base_url}/api/health").is_success
        assert process.closed("closed_for_room")
    finally:
        process.stop()
