"""A COMMIT of SQLite that fails: its outcome is unknown, and the use case finds it out."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.local import writer
from shared.adapters.local.sqlite import connect
from shared.adapters.local.store import SQLiteStore
from shared.domain.errors import OutcomeUnknown
from shared.ports.store import write
from tests.support.builders import an_account
from tests.support.world import World


@dataclass
class FailingCommits:
    """A connection whose next COMMITs raise, before or after they were applied."""

    connection: sqlite3.Connection
    failures: int
    is_applied: bool

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        if statement == "COMMIT" and self.failures:
            self.failures -= 1
            if self.is_applied:
                self.connection.execute(statement)
            raise sqlite3.OperationalError("disk I/O error")
        return self.connection.execute(statement, *parameters)

    def close(self) -> None:
        self.connection.close()


@pytest.fixture(params=[True, False], ids=["applied", "not applied"])
def failing_commit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Let the first COMMIT of the next store fail; return whether it is applied."""
    is_applied: bool = request.param

    def connect_failing(path: Path) -> FailingCommits:
        return FailingCommits(connect(path), failures=1, is_applied=is_applied)

    monkeypatch.setattr(writer, "connect", connect_failing)
    return is_applied


def test_failed_commit_has_an_unknown_outcome(tmp_path: Path, failing_commit: bool) -> None:  # noqa: FBT001 (a fixture)
    store = SQLiteStore(tmp_path / "store.db")

    with pytest.raises(OutcomeUnknown):
        store.transact([], lambda _: write(an_account(), result=None))

    assert (store.get(an_account().key) is not None) == failing_commit
    store.close()


@pytest.mark.usefixtures("failing_commit")
def test_request_whose_commit_failed_is_carried_out_once(new_world: Callable[..., World]) -> None:
    world = new_world()

    opened = world.open(key="key")

    assert not opened.is_replay
    assert world.open(key="key").is_replay
    assert [entry.creation_id for entry in world.ledger()] == [opened.creation.creation_id, None]
