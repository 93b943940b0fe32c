"""Both audits report an expiry or a schedule that is wrong or late."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.lifecycle.creation_invariants import EXPIRY_GRACE
from tests.lifecycle.test_auditing import of_status, spoil
from tests.lifecycle.test_expiring import LIFE_S
from tests.lifecycle.test_scheduling import schedule
from tests.support.builders import POLICY
from tests.support.world import World

GRACE_S = 2 * POLICY.sweep_every_s
FUTURE = "2027-01-01T00:00:00+00:00"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose books a test may spoil."""
    with closing(World(tmp_path)) as world:
        yield world


def found(world: World) -> list[set[str]]:
    """Return the invariants that the whole and the incremental audit report."""
    audits = world.phoenix.auditing.audit, world.phoenix.incremental_audit.audit
    return [{each.invariant for each in audit().violations} for audit in audits]


def test_expired_creation_that_no_sweep_deletes_is_late_after_two_hours(world: World) -> None:
    world.draft()
    world.clock.sleep(LIFE_S + EXPIRY_GRACE.total_seconds() + GRACE_S)
    assert found(world) == [set(), set()]
    world.clock.sleep(1)

    assert found(world) == [{"I7"}, {"I7"}]


def test_schedule_that_no_sweep_carries_out_is_late_after_two_sweeps(world: World) -> None:
    schedule(world, world.draft(), ahead=timedelta(hours=1))
    world.clock.sleep(3600 + GRACE_S)
    assert found(world) == [set(), set()]
    world.clock.sleep(1)

    assert found(world) == [{"I7"}, {"I7"}]


def test_nothing_is_late_while_nothing_expires(tmp_path: Path) -> None:
    with closing(World(tmp_path, PHOENIX_POLICY_DRAFT_LIFE_DAYS="0")) as world:
        world.draft()
        spoil(world, "creations", of_status("draft"), lambda d: d.update(expiresAt=FUTURE))
        world.clock.sleep(10 * LIFE_S)

        assert found(world) == [set(), set()]


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        ("published", {"expiresAt": FUTURE}),
        ("pending", {"expiresAt": FUTURE}),
        ("draft", {"isKept": True}),
        ("published", {"schedule": {"publishAt": FUTURE, "tryAt": FUTURE, "failureCount": 0}}),
        ("failed", {"schedule": {"publishAt": FUTURE, "tryAt": FUTURE, "failureCount": 0}}),
    ],
)
def test_field_that_does_not_match_the_state_is_reported(
    world: World, status: str, changes: dict[str, Any]
) -> None:
    world.creation_that_is(status)
    spoil(world, "creations", of_status(status), lambda d: d.update(changes))

    assert found(world) == [{"I12"}, {"I12"}]
