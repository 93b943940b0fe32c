"""The audit of likes reports wrong counts and orphans, and nothing else."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from shared.domain.creation import Creation
from shared.domain.keys import UserId
from shared.domain.like import Like
from shared.lifecycle.like_counting import LOOK_BACK
from shared.lifecycle.violation import Violation
from tests.support.builders import ADA, BEN, POLICY, a_creation_id
from tests.support.documents import put
from tests.support.world import World

SETTLED_S = LOOK_BACK.total_seconds() + 2 * POLICY.sweep_every_s


@pytest.fixture
def damaged(tmp_path: Path) -> Iterator[World]:
    """A world whose books are not checked at the end."""
    with closing(World(tmp_path)) as world:
        yield world


def liked_world(world: World) -> Creation:
    """Return a publication that two people like and one no longer does, counted long ago."""
    published = world.published()
    for user in (ADA, BEN, UserId("cyd")):
        world.phoenix.liking.like(published.creation_id, user)
    world.phoenix.liking.unlike(published.creation_id, BEN)
    world.phoenix.sweeping.sweep()
    world.clock.sleep(SETTLED_S)
    assert world.violations() == []
    return world.now(published)


def a_like(creation: Creation, user: str = "dan", *, is_liked: bool = True) -> Like:
    at = creation.updated_at
    return Like.of(creation.creation_id, UserId(user), is_liked=is_liked, at=at)


def miscount(world: World, creation: Creation) -> None:
    put(world.sqlite, replace(creation, like_count=3))


def count_nothing(world: World, creation: Creation) -> None:
    put(world.sqlite, replace(creation, like_count=0))


def add_a_like(world: World, creation: Creation) -> None:
    put(world.sqlite, a_like(creation))


def lose_a_like(world: World, creation: Creation) -> None:
    put(world.sqlite, a_like(creation, ADA, is_liked=False))


def rename_a_like(world: World, creation: Creation) -> None:
    put(world.sqlite, replace(a_like(creation, BEN, is_liked=False), like_id="another"))


def leave_a_like(world: World, creation: Creation) -> None:
    put(world.sqlite, replace(a_like(creation), creation_id=(gone := a_creation_id("gone"))))
    put(world.sqlite, a_like(replace(creation, creation_id=gone)))


DAMAGES: dict[str, tuple[str, Callable[[World, Creation], None]]] = {
    "a count that is too high": ("I23", miscount),
    "no count": ("I23", count_nothing),
    "a like that is not counted": ("I23", add_a_like),
    "an unlike that is not counted": ("I23", lose_a_like),
    "a like under another id": ("I23", rename_a_like),
    "a like of a creation that is gone": ("I20", leave_a_like),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_of_likes_is_reported(damaged: World, what: str) -> None:
    world, (invariant, damage) = damaged, DAMAGES[what]
    published = liked_world(world)

    damage(world, published)

    assert invariant in {each.invariant for each in world.violations()}


def test_report_names_the_creation_and_both_counts(damaged: World) -> None:
    world = damaged
    published = liked_world(world)
    others = [world.published() for _ in range(3)]
    miscount(world, published)

    what = "shows 3 likes and has 2"
    assert world.violations() == [Violation("I23", published.creation_id, what)]
    assert [world.now(each).like_count for each in others] == [0] * 3


def test_recent_changes_are_no_violation_until_they_should_be_counted(world: World) -> None:
    published = liked_world(world)
    world.phoenix.liking.like(published.creation_id, BEN)
    world.phoenix.liking.unlike(published.creation_id, ADA)
    world.phoenix.liking.unlike(published.creation_id, UserId("cyd"))

    assert world.violations() == []
    world.clock.sleep(SETTLED_S)
    assert [each.invariant for each in world.violations()] == ["I23"]
    world.phoenix.sweeping.sweep()
    assert world.violations() == []


def test_likes_of_a_creation_that_is_being_deleted_are_no_violation(world: World) -> None:
    published = liked_world(world)
    world.phoenix.media_cleanup.delete_creation(published.creation_id, owner=ADA)
    add_a_like(world, published)

    assert world.violations() == []
    world.clock.sleep(7201)
    assert [each.invariant for each in world.violations()] == ["I20"]
    world.phoenix.sweeping.sweep()
    assert world.violations() == []
