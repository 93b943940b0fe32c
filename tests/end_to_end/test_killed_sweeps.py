"""SIGKILL of a sweep between the steps of a scheduled publication and of an expiry."""

import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared import settings, wiring
from shared.domain.creation import Creation
from shared.domain.schedule import Schedule
from shared.domain.status import Status
from shared.ports.store import write
from tests.support.world import World

pytestmark = pytest.mark.slow


def put(world: World, creation: Creation) -> None:
    world.sqlite.transact([creation.key], lambda _: write(creation, result=None))


def killed_sweep(folder: Path, method: str, count: int) -> None:
    arguments = [str(folder), method, str(count)]
    command = [sys.executable, "-m", "tests.end_to_end.dying_sweep", *arguments]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL


def swept(folder: Path) -> dict[str, int]:
    """Sweep in this process, and return the counts that are not 0; the audit is clean."""
    phoenix = wiring.build(settings.load({"PHOENIX_DATA": str(folder)}))
    counts = phoenix.sweeping.sweep()
    assert phoenix.auditing.audit().violations == []
    phoenix.ports.close()
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize("copies", [0, 2])
def test_schedule_of_a_killed_sweep_is_carried_out_by_a_later_one(
    tmp_path: Path, copies: int
) -> None:
    """It is killed before the first copy, or between the copies and the commit."""
    with closing(World(tmp_path)) as world:
        now = datetime.now(UTC)
        draft = replace(world.draft(), schedule=Schedule.of(now), expires_at=None)
        put(world, draft)

        killed_sweep(tmp_path, "publish", copies)
        left = world.now(draft)
        assert (left.status, left.publication_count) == (Status.DRAFT, 1)
        assert left.schedule is not None
        assert left.schedule.failure_count == 1
        assert left.schedule.try_at > now
        assert swept(tmp_path) == {}, "it backs off"
        put(world, replace(left, schedule=replace(left.schedule, try_at=now)))

        assert swept(tmp_path) == {"published": 1}
        published = world.now(draft)
        assert (published.status, published.publication_count) == (Status.PUBLISHED, 2)
        [undo] = world.deletions()
        assert not set(undo.keys) & set(published.public_keys.values())


@pytest.mark.parametrize("deleted", [0, 1])
def test_files_of_an_expiry_are_deleted_after_its_sweep_was_killed(
    tmp_path: Path, deleted: int
) -> None:
    """It is killed after the commit, before or after the first file was deleted."""
    with closing(World(tmp_path)) as world:
        draft = replace(world.draft(), expires_at=datetime.now(UTC))
        put(world, draft)

        killed_sweep(tmp_path, "delete", deleted)
        assert world.sqlite.get(draft.key) is None
        assert world.stored_keys() != set()

        assert swept(tmp_path) == {"deleted": 1}
        assert world.stored_keys() == set()
