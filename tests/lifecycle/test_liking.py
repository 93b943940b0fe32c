"""Likes: once for each person, counted by the sweep, removed with their creation."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from shared.domain.creation import Creation, creation_key
from shared.domain.errors import CreationNotFound, StoreUnavailable
from shared.domain.keys import CreationId, Key, UserId
from shared.domain.like import Like, like_key
from shared.domain.sweep_mark import sweep_mark_key
from shared.lifecycle import media_cleanup
from shared.lifecycle.like_counting import LOOK_BACK
from shared.lifecycle.media_cleanup import LIKES_PER_COMMIT
from tests.lifecycle.test_sweeping import sweep_the_rest as sweep
from tests.support.builders import ADA, BEN, NOON, a_creation_id, seconds
from tests.support.documents import put
from tests.support.world import World

CYD = UserId("cyd")


def like(world: World, creation: Creation, *users: UserId) -> None:
    for user in users:
        world.phoenix.liking.like(creation.creation_id, user)


def unlike(world: World, creation: Creation, user: UserId) -> None:
    world.phoenix.liking.unlike(creation.creation_id, user)


def liked(world: World, creation: Creation, user: UserId) -> bool:
    return world.phoenix.liking.liked([creation.creation_id], user) == [creation.creation_id]


def likes(world: World) -> list[Like]:
    return [each for each in world.sqlite.everything() if isinstance(each, Like)]


def mark(world: World) -> datetime | None:
    found = world.sqlite.get(sweep_mark_key("likes"))
    return None if found is None else found.reached_at


def in_between(world: World, name: str, run: Callable[[], None]) -> None:
    """Run something once, after the next call of this method of the store returned."""
    method: Any = getattr(world.sqlite, name)

    def called(*args: Any) -> Any:
        result = method(*args)
        setattr(world.store, name, method)
        run()
        return result

    setattr(world.store, name, called)


# One person's like


def test_repeated_like_or_unlike_renews_one_document(world: World) -> None:
    published, written = world.published(), []
    for act in (unlike, like, like, unlike, unlike):
        act(world, published, BEN)
        [current] = likes(world)
        written.append((current.is_liked, (current.changed_at - NOON).total_seconds()))
        world.clock.sleep(1)

    assert written == [(False, 0), (True, 1), (True, 2), (False, 3), (False, 4)]


@pytest.mark.parametrize("status", ["pending", "processing", "draft", "failed"])
def test_only_published_creations_can_be_liked(world: World, status: str) -> None:
    creation = world.creation_that_is(status)

    for act in (world.phoenix.liking.like, world.phoenix.liking.unlike):
        for id_ in (creation.creation_id, a_creation_id("none"), "", "a/b"):
            with pytest.raises(CreationNotFound):
                act(id_, ADA)
    assert likes(world) == []


def test_like_of_unknown_outcome_is_written_once(world: World) -> None:
    published = world.published()
    world.store.faults = ["lost"]

    like(world, published, BEN)

    assert liked(world, published, BEN)
    assert [each.changed_at for each in likes(world)] == [NOON]


def test_like_of_a_stopped_process_gets_the_time_of_its_commit(world: World) -> None:
    published = world.published()
    world.store.faults, world.store.meanwhile = ["before"], lambda: world.clock.sleep(3600)

    like(world, published, BEN)

    assert [each.changed_at for each in likes(world)] == [NOON + seconds(3600)]


def test_like_of_a_stopped_process_is_removed_if_its_creation_is_gone(world: World) -> None:
    published = world.published()

    def stop() -> None:
        world.phoenix.media_cleanup.delete_creation(published.creation_id, owner=ADA)
        world.clock.sleep(7200)
        sweep(world)

    world.store.faults, world.store.meanwhile = ["before"], stop

    like(world, published, BEN)

    assert likes(world) == []


# The count


def test_sweep_counts_likes_exactly_and_changes_nothing_else(world: World) -> None:
    first, second = world.published(), world.published()
    like(world, first, ADA, BEN, CYD)
    like(world, second, BEN)
    unlike(world, first, CYD)
    world.clock.sleep(60)

    assert sweep(world) == {"counted": 2}
    assert world.now(first) == replace(first, like_count=2)
    assert world.now(second) == replace(second, like_count=1)


def test_likes_survive_unpublishing_and_are_counted(world: World) -> None:
    published = world.published()
    like(world, published, BEN)
    world.phoenix.publishing.unpublish(published.creation_id, owner=ADA)

    sweep(world)

    assert world.now(published).like_count == 1
    world.phoenix.publishing.publish(published.creation_id, owner=ADA)
    unlike(world, published, BEN)
    sweep(world)
    assert world.now(published).like_count == 0


def test_sweep_looks_back_for_late_commits_and_then_is_done(world: World) -> None:
    published = world.published()
    like(world, published, BEN)
    sweep(world)
    assert mark(world) == NOON
    world.clock.sleep(LOOK_BACK.total_seconds() - 60)
    late = Like.of(published.creation_id, CYD, is_liked=True, at=NOON + seconds(1))
    put(world.sqlite, late)

    assert sweep(world) == {"counted": 1}
    assert world.now(published).like_count == 2
    for _ in range(3):
        world.clock.sleep(LOOK_BACK.total_seconds())
        before = mark(world)
        swept = sweep(world)
    assert (swept, mark(world)) == ({}, before)


def test_failed_count_leaves_the_mark_and_stops_no_other(world: World) -> None:
    first, second = world.published(), world.published()
    like(world, first, BEN)
    sweep(world)
    world.clock.sleep(60)
    like(world, first, CYD)
    like(world, second, CYD)

    def like_count(creation_id: CreationId) -> int:
        if creation_id == first.creation_id:
            raise StoreUnavailable(reason="planned")
        return world.sqlite.like_count(creation_id)

    world.store.like_count = like_count  # type: ignore[attr-defined]  # it forwards all others

    assert sweep(world) == {"counted": 1, "errors": 1}
    assert (mark(world), world.now(second).like_count) == (NOON, 1)
    world.store.like_count = world.sqlite.like_count  # type: ignore[attr-defined]
    world.clock.sleep(3600)
    sweep(world)
    assert world.now(first).like_count == 2
    assert mark(world) == NOON + seconds(3660)


def test_uncountable_creation_does_not_hold_the_mark(world: World) -> None:
    published = world.published()
    like(world, published, BEN)

    def damaged(_: CreationId) -> int:
        raise StoreUnavailable(reason="planned", is_damage=True)

    world.store.like_count = damaged  # type: ignore[attr-defined]  # it forwards all others

    assert sweep(world) == {"errors": 1}
    assert mark(world) == NOON


def test_pages_are_counted_once_and_the_mark_follows_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.lifecycle.paging.DUE_LIMIT", 2)
    published = [world.published() for _ in range(3)]
    for user in (ADA, BEN, CYD):
        for creation in published:
            like(world, creation, user)
            world.clock.sleep(1)

    assert sweep(world) == {"counted": 3}
    assert [world.now(each).like_count for each in published] == [3, 3, 3]
    assert mark(world) == NOON + seconds(9)


def test_work_left_for_later_leaves_the_mark_before_it(new_world: Callable[..., World]) -> None:
    world = new_world(PHOENIX_POLICY_SWEEP_CREATIONS_MAX="2")
    published = [world.published() for _ in range(3)]
    for creation in published:
        like(world, creation, BEN)
        world.clock.sleep(1)

    assert sweep(world) == {"counted": 2}
    assert mark(world) is None


def test_sweeps_continue_until_more_likes_than_one_sweep_can_count_are_counted(
    new_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.lifecycle.paging.DUE_LIMIT", 2)
    world = new_world(PHOENIX_POLICY_SWEEP_CREATIONS_MAX="4")
    published = [world.published() for _ in range(9)]
    for creation in published:
        like(world, creation, BEN)
        world.clock.sleep(1)
    began_at = world.clock.now()

    for _ in range(2):
        sweep(world)
        world.clock.sleep(60)
    late = Like.of(published[0].creation_id, CYD, is_liked=True, at=NOON + seconds(1))
    put(world.sqlite, late)
    sweep(world)

    assert [world.now(each).like_count for each in published] == [1] * 9
    assert mark(world) == began_at
    for _ in range(4):
        world.clock.sleep(60)
        sweep(world)
    assert world.now(published[0]).like_count == 2


def test_older_count_never_replaces_a_newer_one(world: World) -> None:
    published = world.published()
    like(world, published, BEN)

    def rival() -> None:
        like(world, published, CYD)
        world.over(world.sqlite, clock=world.clock).sweeping.sweep()
        assert world.now(published).like_count == 2

    in_between(world, "like_count", rival)

    sweep(world)

    assert world.now(published).like_count == 2


def test_count_of_a_stopped_process_is_repeated(world: World) -> None:
    """A rival that counts what is stored already writes nothing, so nothing else would show."""
    published = world.published()
    like(world, published, BEN)

    def stop() -> None:
        unlike(world, published, BEN)
        world.clock.sleep(3600)

    in_between(world, "like_count", stop)

    sweep(world)

    assert world.now(published).like_count == 0


def test_next_sweep_repairs_an_outdated_count(world: World) -> None:
    published = world.published()
    like(world, published, BEN)
    sweep(world)
    put(world.sqlite, replace(world.now(published), like_count=7))
    world.clock.sleep(300)

    assert sweep(world) == {"counted": 1}
    assert world.now(published).like_count == 1


def test_creation_that_was_deleted_meanwhile_is_not_written(world: World) -> None:
    published = world.published()
    like(world, published, BEN)
    delete = world.phoenix.media_cleanup.delete_creation
    in_between(world, "like_count", lambda: delete(published.creation_id, owner=ADA))

    sweep(world)

    assert world.sqlite.get(published.key) is None


# Deletion


@pytest.mark.parametrize("is_operator", [False, True])
def test_delete_removes_likes_at_once_and_late_ones_an_hour_later(
    world: World, *, is_operator: bool
) -> None:
    published, other = world.published(), world.published()
    like(world, published, ADA, BEN)
    unlike(world, published, BEN)
    like(world, other, BEN)

    if is_operator:
        world.phoenix.operating.delete(published.creation_id, reason="spam")
    else:
        world.phoenix.media_cleanup.delete_creation(published.creation_id, owner=ADA)

    kept = like_key(other.creation_id, BEN).id
    assert [each.like_id for each in likes(world)] == [kept]
    put(world.sqlite, Like.of(published.creation_id, CYD, is_liked=True, at=NOON))
    world.clock.sleep(3600)
    sweep(world)
    assert [each.like_id for each in likes(world)] == [kept]
    assert world.deletions() == []


def test_delete_of_many_likes_is_answered_before_all_are_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_cleanup, "LIKES_PER_COMMIT", 2)
    published = world.published()
    for n in range(2 * 21 + 1):
        like(world, published, UserId(f"user {n}"))

    world.phoenix.media_cleanup.delete_creation(published.creation_id, owner=ADA)

    left = [len(likes(world))]
    for _ in range(2):
        sweep(world)
        left.append(len(likes(world)))
    assert left == [41, 1, 0]
    assert [each.due_at for each in world.deletions()] == [NOON + seconds(3600)]
    assert LIKES_PER_COMMIT <= 400


def test_unpublishing_and_lost_publications_keep_likes(world: World) -> None:
    published = world.published()
    like(world, published, BEN)

    world.phoenix.publishing.unpublish(published.creation_id, owner=ADA)
    world.clock.sleep(7200)
    sweep(world)

    assert liked(world, published, BEN)


def test_key_of_a_like_cannot_be_that_of_another_pair() -> None:
    keys: set[Key[Like]] = {
        like_key(a_creation_id(name), UserId(user)) for name in "ab" for user in ("u", "_u", "a_u")
    }

    assert len(keys) == 6
    assert creation_key(a_creation_id()).id.isalnum()
