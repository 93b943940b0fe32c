"""Both audits report a group that no request can have opened (I19)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shared.domain.creation import Creation
from shared.domain.kind import Kind
from tests.lifecycle.test_auditing import spoil
from tests.lifecycle.test_incremental_audit import audit
from tests.support.builders import ADA, BEN, a_brief, a_caller
from tests.support.world import World


def with_groups(folder: Path) -> World:
    """A world in which Ada opened a group of four and Ben one of two."""
    world = World(folder)
    for user, count in ((ADA, 4), (BEN, 2)):
        brief = a_brief(Kind.IMAGE, count=count)
        world.phoenix.opening.open(brief, caller=a_caller(user), idempotency_key="k")
    assert world.violations() == []
    return world


def opened(world: World, user: str) -> list[Creation]:
    brief = a_brief(Kind.IMAGE, count=4 if user == ADA else 2)
    caller = a_caller(user)
    return [*world.phoenix.opening.open(brief, caller=caller, idempotency_key="k").creations]


def change(world: World, creation: Creation, **changes: object) -> None:
    where = f"id = '{creation.creation_id}'"
    spoil(world, "creations", where, lambda d: d.update(changes))


def join_a_fifth(world: World) -> None:
    single = world.open(kind=Kind.IMAGE).creation
    change(world, single, groupId=opened(world, ADA)[0].group_id)


DAMAGES: dict[str, Callable[[World], None]] = {
    "a fifth variation": join_a_fifth,
    "another prompt": lambda w: change(w, opened(w, ADA)[3], prompt="an owl"),
    "a group of another user": lambda w: change(
        w, opened(w, ADA)[3], groupId=opened(w, BEN)[0].group_id
    ),
    "a first variation outside its group": lambda w: change(w, opened(w, ADA)[0], groupId=None),
    "a first variation in another group": lambda w: change(
        w, opened(w, ADA)[0], groupId=opened(w, ADA)[1].creation_id
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_group_is_reported_by_both_audits(tmp_path: Path, damage: str) -> None:
    world = with_groups(tmp_path)

    DAMAGES[damage](world)

    assert "I19" in {each.invariant for each in world.violations()}
    assert "I19" in {each.invariant for each in audit(world).violations}
    world.close()


def test_retried_variation_is_audited_without_the_others_since_its_checkpoint(
    tmp_path: Path,
) -> None:
    world = with_groups(tmp_path)
    for each in opened(world, ADA):
        world.phoenix.failing.cancel(each.creation_id, owner=ADA)
    first, second, *_ = opened(world, ADA)
    world.phoenix.media_cleanup.delete_creation(first.creation_id, owner=ADA)
    assert audit(world).violations == []

    world.phoenix.opening.retry(second.creation_id, owner=ADA)

    assert audit(world).violations == []
    world.close()
