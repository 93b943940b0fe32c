"""The server that every test of Google's generators talks to."""

from collections.abc import Iterator

import pytest

from tests.adapters.google import Google
from tests.servers.genai_server import GenaiServer
from tests.servers.genai_vendor import Vendor
from tests.support.fakes import FakeClock


@pytest.fixture(scope="module")
def server() -> Iterator[GenaiServer]:
    with GenaiServer() as server:
        yield server


@pytest.fixture
def google(server: GenaiServer) -> Iterator[Google]:
    clock = FakeClock()
    server.vendor = Vendor(clock=lambda: clock.now().timestamp(), draw=lambda *_: b"small media")
    yield Google(server, clock)
    server.vendor.closing.set()
