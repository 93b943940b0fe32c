"""What every test may ask for."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared.adapters.sqlite_store import SQLiteStore
from tests.fakes import FakeClock
from tests.world import World


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "store.db")
    yield store
    store.close()


@pytest.fixture
def new_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes the world of a test with other settings; its books are clean when the test ends."""
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
