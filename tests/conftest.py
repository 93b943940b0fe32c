"""Fixtures for all tests."""

import io
import logging
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shared import telemetry
from shared.adapters.local.store import SQLiteStore
from tests.servers import firestore_emulator
from tests.servers.firestore_proxy import FirestoreProxy
from tests.support.fakes import FakeClock
from tests.support.world import World

if TYPE_CHECKING:  # Google's SDK is slow to import, and few tests need it
    from shared.adapters.firestore.store import FirestoreStore


for name in [*os.environ]:
    # All servers are on this machine, behind no proxy; output is plain text; no real key is used.
    if name.lower().endswith("_proxy") or name in {"FORCE_COLOR", "GEMINI_API_KEY"}:
        del os.environ[name]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log_stream() -> Iterator[io.StringIO]:
    """The log lines of this process, formatted as in the API."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    telemetry.configure("api", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "store.db")
    yield store
    store.close()


@pytest.fixture(scope="session")
def firestore_address() -> Iterator[str]:
    """The emulator of this test process, started on first use."""
    with firestore_emulator.running() as address:
        yield address


@pytest.fixture
def new_firestore(
    firestore_address: str, monkeypatch: pytest.MonkeyPatch
) -> "Iterator[Callable[..., FirestoreStore]]":
    """Open stores on one new, empty database, directly or through a proxy's address."""
    project = f"test-{uuid.uuid4().hex}"
    with ExitStack() as stores:

        def open_store(*, address: str = firestore_address, **options: Any) -> "FirestoreStore":
            from shared.adapters.firestore.store import FirestoreStore

            monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
            store = FirestoreStore(project, **options)
            stores.callback(store.close)
            return store

        yield open_store


@pytest.fixture
def firestore(new_firestore: "Callable[..., FirestoreStore]") -> "FirestoreStore":
    return new_firestore()


@pytest.fixture
def proxy(firestore_address: str) -> Iterator[FirestoreProxy]:
    """A counting proxy between a store and the emulator."""
    proxy = FirestoreProxy(firestore_address)
    yield proxy
    proxy.close()


@pytest.fixture
def new_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Create a `World` with given settings; audit its books when the test ends."""
    with ExitStack() as worlds:

        def make(**environment: str) -> World:
            world = World(tmp_path, **environment)
            worlds.callback(world.close)
            worlds.callback(lambda: check_books(world))
            return world

        yield make


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    return new_world()


def check_books(world: World) -> None:
    assert world.violations() == []
