"""A COMMIT of SQLite that fails: its outcome is unknown, and the use case finds it out."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from shared.adapters.local import writer
from shared.adapters.local.sqlite import connect
from shared.adapters.local.store import SQLiteStore
from shared.domain.errors import OutcomeUnknown, Unavailable
from shared.ports.store import write
from tests.support.builders import an_account
from tests.support.failing_commits import FailingCommits
from tests.support.world import World


@pytest.fixture(params=[True, False], ids=["applied", "not applied"])
def failing_commit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Let the first COMMIT of the next store fail; return whether it is applied."""
    is_applied: bool = request.param
    failing = FailingCommits.of(connect, failures=1, is_applied=is_applied)
    monkeypatch.setattr(writer, "connect", failing)
    return is_applied


def test_failed_commit_has_an_unknown_outcome(tmp_path: Path, failing_commit: bool) -> None:  # noqa: FBT001 (a fixture)
    store = SQLiteStore(tmp_path / "store.db")

    with pytest.raises(OutcomeUnknown):
        store.transact([], lambda _: write(an_account(), result=None))

    assert (store.get(an_account().key) is not None) == failing_commit
    store.close()


@pytest.mark.usefixtures("failing_commit")
def test_check_notices_that_commits_fail(tmp_path: Path) -> None:
    with closing(SQLiteStore(tmp_path / "store.db")) as store:
        with pytest.raises(Unavailable):
            store.check_writable()
        store.check_writable()


@pytest.mark.usefixtures("failing_commit")
def test_request_whose_commit_failed_is_carried_out_once(new_world: Callable[..., World]) -> None:
    world = new_world()

    opened = world.open(key="key")

    assert not opened.is_replay
    assert world.open(key="key").is_replay
    assert [entry.creation_id for entry in world.ledger()] == [opened.creation.creation_id, None]
