"""Scheduled publication: once, at its time, and only while the schedule is the one that was read."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.creation import Creation
from shared.domain.errors import (
    CreationNotFound,
    IllegalTransition,
    WrongField,
)
from shared.domain.schedule import Schedule, ScheduleError
from shared.domain.status import Status
from shared.lifecycle.publishing import ScheduleChanged
from tests.lifecycle.test_expiring import LIFE, exists, put
from tests.lifecycle.test_sweeping import fold
from tests.lifecycle.test_sweeping import sweep_the_rest as sweep
from tests.support.builders import ADA, BEN
from tests.support.world import World

HOUR = timedelta(hours=1)
HOUR_S = HOUR.total_seconds()
MINUTE_S = 60


def schedule(
    world: World, draft: Creation, *, ahead: timedelta = HOUR, caption: str | None = None
) -> Creation:
    at = world.clock.now() + ahead
    return world.phoenix.scheduling.schedule(
        draft.creation_id, owner=ADA, publish_at=at, caption=caption
    )


def unschedule(world: World, draft: Creation) -> Creation:
    return world.phoenix.scheduling.unschedule(draft.creation_id, owner=ADA)


def publish(world: World, draft: Creation) -> Creation:
    return world.phoenix.publishing.publish(draft.creation_id, owner=ADA)


def unpublish(world: World, draft: Creation) -> Creation:
    return world.phoenix.publishing.unpublish(draft.creation_id, owner=ADA)


def public(world: World) -> set[str]:
    return {key for key in world.stored_keys() if key.startswith("public/")}


def test_draft_is_published_at_its_time_with_its_caption(world: World) -> None:
    draft = schedule(world, world.draft(), caption="New year")
    assert (draft.status, draft.caption, draft.expires_at) == (Status.DRAFT, "New year", None)
    world.clock.sleep(HOUR_S - 1)
    assert sweep(world) == {}
    world.clock.sleep(1)

    assert sweep(world) == {"published": 1}

    published = world.now(draft)
    assert (published.status, published.caption) == (Status.PUBLISHED, "New year")
    assert (published.schedule, published.published_at) == (None, world.clock.now())
    assert public(world) == set(published.public_keys.values())
    assert world.violations() == []
    assert sweep(world) == {}


def test_later_schedule_replaces_an_earlier_one(world: World) -> None:
    draft = schedule(world, world.draft(), caption="first")
    again = schedule(world, draft, ahead=2 * HOUR)
    world.clock.sleep(HOUR_S)

    assert sweep(world) == {}
    assert again.schedule == Schedule.of(world.clock.now() + HOUR)
    assert again.caption == "first"


def test_repeated_request_is_accepted_although_its_time_has_come_near(world: World) -> None:
    first = schedule(world, world.draft(), caption="c")
    world.clock.sleep(HOUR_S - 1)

    again = schedule(world, first, ahead=timedelta(seconds=1), caption="c")
    assert again == replace(first, updated_at=world.clock.now())
    with pytest.raises(WrongField):
        schedule(world, first, ahead=timedelta(seconds=2))


@pytest.mark.parametrize("status", ["pending", "processing", "failed", "published"])
def test_only_a_draft_can_be_scheduled(world: World, status: str) -> None:
    creation = world.creation_that_is(status)

    with pytest.raises(IllegalTransition):
        schedule(world, creation)
    assert unschedule(world, creation) == world.now(creation) == creation


def test_creation_of_another_user_cannot_be_scheduled(world: World) -> None:
    theirs = world.draft(user=BEN)

    for change in (schedule, unschedule):
        with pytest.raises(CreationNotFound):
            change(world, theirs)


def test_withdrawn_schedule_lets_the_draft_expire_again(world: World) -> None:
    draft = schedule(world, world.draft())
    world.clock.sleep(60)

    private = unschedule(world, draft)

    assert (private.schedule, private.expires_at) == (None, world.clock.now() + LIFE)
    assert unschedule(world, draft) == private
    world.clock.sleep(HOUR_S)
    assert sweep(world) == {}


def test_publishing_now_clears_the_schedule(world: World) -> None:
    published = publish(world, schedule(world, world.draft()))
    assert (published.status, published.schedule) == (Status.PUBLISHED, None)
    unpublish(world, published)
    world.clock.sleep(HOUR_S)

    assert sweep(world).get("published") is None
    assert world.now(published).status is Status.DRAFT


def test_unpublishing_a_scheduled_draft_withdraws_the_schedule(world: World) -> None:
    draft = schedule(world, world.draft())

    private = unpublish(world, draft)

    assert (private.status, private.schedule) == (Status.DRAFT, None)
    assert private.expires_at == world.clock.now() + LIFE


def test_unpublishing_a_scheduled_draft_is_repeated_until_its_outcome_is_known(
    world: World,
) -> None:
    draft = schedule(world, world.draft())
    world.store.faults = ["unsent"]

    assert unpublish(world, draft) == world.now(draft)
    assert world.now(draft).schedule is None


def test_operator_withdraws_schedules_and_each_reason_is_recorded(world: World) -> None:
    draft = world.draft()
    for _ in range(2):
        schedule(world, draft)
        world.phoenix.operating.unpublish(draft.creation_id, reason="rights")
        world.clock.sleep(1)

    assert world.now(draft).schedule is None
    acts = [each for each in world.sqlite.everything() if each.key.collection == "operatorActs"]
    assert len(acts) == 2


# What happens between the sweep's query and its two steps


def withdrawn(world: World, draft: Creation) -> None:
    unschedule(world, draft)


def replaced(world: World, draft: Creation) -> None:
    schedule(world, draft, ahead=2 * HOUR)


def published_and_unpublished(world: World, draft: Creation) -> None:
    publish(world, draft)
    unpublish(world, draft)


def deleted(world: World, draft: Creation) -> None:
    world.phoenix.media_cleanup.delete_creation(draft.creation_id, owner=ADA)


MEANWHILE = [withdrawn, replaced, published_and_unpublished, deleted]


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_schedule_that_changed_after_the_query_publishes_nothing(
    world: World, meanwhile: Callable[[World, Creation], None]
) -> None:
    draft = schedule(world, world.draft())
    world.clock.sleep(HOUR_S)
    candidate = world.now(draft)
    meanwhile(world, draft)

    assert world.phoenix.scheduling.carry_out(candidate) == "left"

    assert public(world) == set()
    assert not exists(world, draft) or world.now(draft).status is Status.DRAFT


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_schedule_that_changed_during_the_copy_publishes_nothing(
    world: World, meanwhile: Callable[[World, Creation], None]
) -> None:
    draft = schedule(world, world.draft())
    fold(world)
    world.clock.sleep(HOUR_S)

    def after_reserving() -> None:
        world.store.afterwards = lambda: None
        meanwhile(world, draft)

    world.store.afterwards = after_reserving
    assert sweep(world) == {"left": 1}

    assert not exists(world, draft) or world.now(draft).status is Status.DRAFT
    world.clock.sleep(HOUR_S)
    assert sweep(world)["deleted"] > 0
    assert public(world) == set(), "the undo entry removes the copy"


def test_two_sweeps_at_once_publish_once(world: World) -> None:
    draft = schedule(world, world.draft())
    world.clock.sleep(HOUR_S)
    candidate = world.now(draft)
    outcomes = []

    def second() -> None:
        world.store.afterwards = lambda: None
        outcomes.append(world.phoenix.scheduling.carry_out(candidate))

    world.store.afterwards = second
    outcomes.append(world.phoenix.scheduling.carry_out(candidate))

    assert outcomes == ["left", "published"]
    assert world.now(draft).publication_count == 1


@pytest.mark.parametrize("faults", [["lost"], ["ok", "lost"], ["unsent"], ["ok", "unsent"]])
def test_steps_of_unknown_outcome_publish_once(world: World, faults: list[str]) -> None:
    draft = schedule(world, world.draft())
    fold(world)
    world.clock.sleep(HOUR_S)
    world.store.faults = faults

    assert sweep(world) == {"published": 1}

    published = world.now(draft)
    assert (published.status, published.publication_count) == (Status.PUBLISHED, 1)
    assert world.deletions() == []


# Failures


def test_failing_copy_backs_off_and_is_published_once_it_succeeds(world: World) -> None:
    draft = schedule(world, world.draft())
    world.clock.sleep(HOUR_S)
    world.media.is_down = True
    tries = []
    for minute in range(20):
        if sweep(world).get("left"):
            tries.append(minute)
        world.clock.sleep(MINUTE_S)
    world.media.is_down = False
    world.clock.sleep(12 * MINUTE_S)

    assert tries == [0, 1, 3, 7, 15]
    assert sweep(world)["published"] == 1
    assert world.now(draft).status is Status.PUBLISHED


def test_copy_that_fails_for_a_day_ends_the_schedule_with_a_reason(world: World) -> None:
    draft = schedule(world, world.draft())
    world.clock.sleep(HOUR_S)
    world.media.is_down = True
    began_s, count = world.clock.monotonic_s(), 0
    while world.now(draft).schedule is not None:
        count += sweep(world).get("left", 0)
        world.clock.sleep(MINUTE_S)

    ended = world.now(draft)
    assert ended.schedule_error is ScheduleError.STORAGE_FAILED
    assert ended.status is Status.DRAFT
    assert ended.expires_at == ended.updated_at + LIFE
    assert 24 * HOUR_S <= world.clock.monotonic_s() - began_s <= 24.1 * HOUR_S
    assert count < 40

    world.media.is_down = False
    assert schedule(world, draft).schedule_error is None


def test_missing_media_ends_the_schedule_at_once(world: World) -> None:
    draft = schedule(world, world.draft())
    world.files.delete(draft.media_key or "")
    world.clock.sleep(HOUR_S)

    assert sweep(world) == {"left": 1}

    ended = world.now(draft)
    assert (ended.schedule, ended.schedule_error) == (None, ScheduleError.MEDIA_MISSING)
    assert ended.expires_at == world.clock.now() + LIFE
    deleted(world, draft)


def test_publication_clears_the_reason_of_an_ended_schedule(world: World) -> None:
    ended = replace(world.draft(), schedule_error=ScheduleError.STORAGE_FAILED)
    put(world, ended)

    assert publish(world, ended).schedule_error is None


def test_stale_schedule_of_a_published_creation_is_cleared(world: World) -> None:
    """An older release, which does not know the field, published it."""
    stale = replace(world.published(), schedule=Schedule.of(world.clock.now()))
    put(world, stale)

    assert sweep(world) == {"left": 1}
    assert world.now(stale).schedule is None
    assert world.now(stale).status is Status.PUBLISHED


def test_draft_without_a_schedule_is_not_published_by_one(world: World) -> None:
    with pytest.raises(ScheduleChanged):
        world.phoenix.publishing.publish_scheduled(world.draft())
