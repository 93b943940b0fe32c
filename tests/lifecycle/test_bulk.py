"""Bulk actions: every item has its own outcome, within the time of one request."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from shared.domain.creation import Creation
from shared.domain.keys import UserId
from shared.domain.status import Status
from shared.lifecycle import bulk
from shared.lifecycle.bulk import Bulk, ItemResult
from tests.support.builders import ADA, BEN, a_creation_id
from tests.support.world import World


def drafts(world: World, count: int) -> list[Creation]:
    return [world.draft(key=f"key {number}") for number in range(count)]


def ids_of(creations: list[Creation]) -> list[str]:
    return [each.creation_id for each in creations]


def codes(results: list[ItemResult]) -> list[str | None]:
    return [each.code for each in results]


def exists(world: World, creation: Creation) -> bool:
    return world.sqlite.get(creation.key) is not None


def test_every_draft_is_published_with_the_caption(world: World) -> None:
    ids = ids_of(drafts(world, 3))

    results = world.phoenix.bulk.publish(ids, owner=ADA, caption="Snow")

    expected = [ItemResult(creation_id=id_, ok=True, status=Status.PUBLISHED) for id_ in ids]
    assert results == expected
    assert {world.phoenix.reading.any_creation(id_).caption for id_ in ids} == {"Snow"}
    assert world.phoenix.bulk.publish(ids, owner=ADA, caption="Snow") == expected


def test_failing_items_stop_no_other(world: World) -> None:
    first, last = drafts(world, 2)
    pending = world.open(key="pending").creation
    theirs = world.draft(user=BEN)
    ids = [*ids_of([first, pending, theirs]), a_creation_id("unknown"), "a/b", last.creation_id]

    results = world.phoenix.bulk.delete(ids, owner=ADA)

    not_found = "creation_not_found"
    assert [each.creation_id for each in results] == ids
    assert codes(results) == [None, "illegal_transition", not_found, not_found, not_found, None]
    assert [each.ok for each in results] == [True, False, False, False, False, True]
    assert [each.status for each in results] == [None, Status.PENDING, None, None, None, None]
    assert [exists(world, each) for each in (first, pending, theirs, last)] == [
        *(False, True, True, False),
    ]
    assert world.violations() == []


def test_unavailable_store_and_unexpected_errors_are_outcomes_of_their_item(world: World) -> None:
    ids = ids_of(drafts(world, 2))
    world.media.is_down = True
    assert codes(world.phoenix.bulk.publish(ids, owner=ADA)) == ["media_unavailable"] * 2

    world.store.afterwards = lambda: 1 / 0  # type: ignore[assignment]
    assert codes(world.phoenix.bulk.delete(ids, owner=ADA)) == ["internal"] * 2


def test_repeated_delete_has_the_same_results_and_only_for_the_owner(world: World) -> None:
    ids = ids_of(drafts(world, 2))
    first = world.phoenix.bulk.delete(ids, owner=ADA)

    assert all(each.ok for each in first)
    assert world.phoenix.bulk.delete(ids, owner=ADA) == first
    assert codes(world.phoenix.bulk.delete(ids, owner=BEN)) == ["creation_not_found"] * 2


def test_repeated_id_is_worked_on_once_and_has_one_result_each_time(world: World) -> None:
    [draft] = drafts(world, 1)
    commits: list[int] = []
    world.store.afterwards = lambda: commits.append(1)

    results = world.phoenix.bulk.publish([draft.creation_id] * 3, owner=ADA)

    assert len(results) == 3
    assert len(set(results)) == 1
    assert len(commits) == 2  # those of one publication


def test_items_that_did_not_begin_in_time_are_not_started(world: World) -> None:
    ids = ids_of(drafts(world, 3))
    world.store.afterwards = lambda: world.clock.sleep(bulk.BEGIN_WITHIN_S)

    results = world.phoenix.bulk.delete(ids, owner=ADA)

    assert codes(results) == [None, bulk.NOT_STARTED, bulk.NOT_STARTED]
    assert codes(world.phoenix.bulk.delete(ids[:1], owner=ADA)) == [None]


@pytest.fixture
def threaded(world: World) -> Callable[[int], Bulk]:
    return lambda count: replace(world.phoenix.bulk, workers=ThreadPoolExecutor(count))


def test_items_are_worked_on_several_at_a_time(
    world: World, threaded: Callable[[int], Bulk]
) -> None:
    ids = ids_of(drafts(world, bulk.AT_ONCE))
    together = threading.Barrier(bulk.AT_ONCE, timeout=10)
    cleanup = replace(world.phoenix.media_cleanup)
    object.__setattr__(cleanup, "delete_creation", lambda _, *, owner: together.wait() and None)

    results = replace(threaded(bulk.AT_ONCE), cleanup=cleanup).delete(ids, owner=ADA)

    assert codes(results) == [None] * bulk.AT_ONCE


def test_item_that_still_runs_at_the_end_has_an_unknown_outcome(
    world: World, threaded: Callable[[int], Bulk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "END_WITHIN_S", 0.2)
    ids = ids_of(drafts(world, 2))
    released = threading.Event()
    cleanup = replace(world.phoenix.media_cleanup)
    object.__setattr__(cleanup, "delete_creation", lambda _, *, owner: released.wait() and None)

    results = replace(threaded(1), cleanup=cleanup).delete(ids, owner=UserId(ADA))
    released.set()

    assert codes(results) == ["outcome_unknown", bulk.NOT_STARTED]
