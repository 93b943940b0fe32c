"""The server for the tests of Google's models."""

from collections.abc import Iterator

import pytest

from tests.adapters.google_models import Google
from tests.servers.google_models_server import GoogleModelsServer
from tests.servers.google_models_vendor import Vendor
from tests.support.fakes import FakeClock


@pytest.fixture(scope="module")
def server() -> Iterator[GoogleModelsServer]:
    with GoogleModelsServer() as server:
        yield server


@pytest.fixture
def google(server: GoogleModelsServer) -> Iterator[Google]:
    clock = FakeClock()
    server.vendor = Vendor(clock=lambda: clock.now().timestamp(), draw=lambda *_: b"small media")
    yield Google(server, clock)
    server.vendor.closing.set()
