"""Expiry and keeping: what is deleted at its time, and what never is."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.creation import Creation
from shared.domain.errors import CreationNotFound, IllegalTransition, MediaMissing
from shared.domain.sharing import Sharing
from shared.domain.sweep_mark import SweepMark, sweep_mark_key
from shared.lifecycle import expiring
from shared.lifecycle.expiring import SECOND_WALK_AFTER, WALK
from shared.ports.store import Document, write
from tests.lifecycle.test_sweeping import sweep_the_rest as sweep
from tests.support.builders import ADA, BEN, POLICY
from tests.support.world import World

LIFE = timedelta(days=POLICY.draft_life_days)
LIFE_S = LIFE.total_seconds()


def put(world: World, *documents: Document) -> None:
    for each in documents:
        world.sqlite.transact([each.key], lambda _, each=each: write(each, result=None))  # type: ignore[misc]  # bound now


def exists(world: World, creation: Creation) -> bool:
    return world.sqlite.get(creation.key) is not None


def keep(world: World, creation: Creation) -> Creation:
    return world.phoenix.keeping.keep(creation.creation_id, owner=ADA)


def stop_keeping(world: World, creation: Creation) -> Creation:
    return world.phoenix.keeping.stop_keeping(creation.creation_id, owner=ADA)


@pytest.mark.parametrize("status", ["draft", "failed"])
def test_settled_creation_is_deleted_with_its_files_at_the_end_of_its_life(
    world: World, status: str
) -> None:
    creation = world.creation_that_is(status)
    assert creation.expires_at == world.clock.now() + LIFE
    world.clock.sleep(LIFE_S - 1)
    sweep(world)
    assert exists(world, creation)
    world.clock.sleep(1)

    assert sweep(world) == {"expired": 1}

    assert not exists(world, creation)
    assert world.stored_keys() == set()
    assert world.violations() == []


def test_published_and_kept_creations_do_not_expire(world: World) -> None:
    published, draft, failed = world.published(), world.draft(key="d"), world.failed(key="f")
    kept = [keep(world, each) for each in (draft, failed)]
    assert [each.expires_at for each in (published, *kept)] == [None] * 3
    world.clock.sleep(10 * LIFE_S)

    sweep(world)

    assert all(exists(world, each) for each in (published, draft, failed))


def test_unpublishing_counts_a_life_from_then(world: World) -> None:
    published = world.published()
    world.clock.sleep(LIFE_S)

    draft = world.phoenix.publishing.unpublish(published.creation_id, owner=ADA)

    assert draft.expires_at == world.clock.now() + LIFE


def test_retry_clears_the_expiry_and_settling_sets_it_again(world: World) -> None:
    failed = world.failed()
    world.clock.sleep(60)

    again = world.phoenix.opening.retry(failed.creation_id, owner=ADA).creation
    assert again.expires_at is None
    cancelled = world.phoenix.failing.cancel(failed.creation_id, owner=ADA)

    assert cancelled.expires_at == world.clock.now() + LIFE


def test_keeping_is_undone_with_a_life_from_then_and_repeats_move_no_date(world: World) -> None:
    draft = world.draft()
    kept = keep(world, draft)
    world.clock.sleep(2 * LIFE_S)
    assert keep(world, draft) == replace(kept, updated_at=world.clock.now())
    unkept = stop_keeping(world, draft)
    world.clock.sleep(60)

    assert (kept.is_kept, unkept.is_kept) == (True, False)
    assert unkept.expires_at == unkept.updated_at + LIFE
    again = replace(unkept, updated_at=world.clock.now())
    assert stop_keeping(world, draft) == again == world.now(draft)


def test_kept_publication_is_kept_after_unpublishing(world: World) -> None:
    published = world.published()
    assert keep(world, published).expires_at is None

    draft = world.phoenix.publishing.unpublish(published.creation_id, owner=ADA)

    assert (draft.is_kept, draft.expires_at) == (True, None)
    assert stop_keeping(world, draft).expires_at == world.clock.now() + LIFE


def test_keep_of_unknown_outcome_is_recognised(world: World) -> None:
    draft = world.draft()
    world.store.faults = ["lost"]

    assert keep(world, draft) == world.now(draft)


@pytest.mark.parametrize("status", ["pending", "processing"])
def test_creation_in_progress_cannot_be_kept(world: World, status: str) -> None:
    creation = world.creation_that_is(status)

    for change in (keep, stop_keeping):
        with pytest.raises(IllegalTransition):
            change(world, creation)


def test_creation_of_another_user_cannot_be_kept(world: World) -> None:
    theirs = world.draft(user=BEN)

    for change in (keep, stop_keeping):
        with pytest.raises(CreationNotFound):
            change(world, theirs)
    assert world.now(theirs) == theirs


def published(world: World, draft: Creation) -> None:
    world.phoenix.publishing.publish(draft.creation_id, owner=ADA)


def published_and_unpublished(world: World, draft: Creation) -> None:
    published(world, draft)
    world.phoenix.publishing.unpublish(draft.creation_id, owner=ADA)


def kept(world: World, draft: Creation) -> None:
    keep(world, draft)


def kept_and_not(world: World, draft: Creation) -> None:
    keep(world, draft)
    stop_keeping(world, draft)


def scheduled(world: World, draft: Creation) -> None:
    later = world.clock.now() + timedelta(hours=1)
    world.phoenix.scheduling.schedule(draft.creation_id, owner=ADA, publish_at=later)


def shared(world: World, draft: Creation) -> None:
    secret = Sharing(secret="s" * 26)
    put(world, replace(world.now(draft), sharing=secret, expires_at=None))


@pytest.mark.parametrize(
    "meanwhile",
    [published, published_and_unpublished, kept, kept_and_not, scheduled, shared],
)
def test_creation_that_was_wanted_after_the_query_is_left_alone(
    world: World, meanwhile: Callable[[World, Creation], None]
) -> None:
    draft = world.draft()
    world.clock.sleep(LIFE_S)
    [candidate] = [world.now(draft)]
    meanwhile(world, draft)

    assert world.phoenix.sweeping.expiring.expire(candidate) == "left"

    assert exists(world, draft)
    assert world.stored_keys() >= {draft.media_key}


def test_creation_that_is_kept_between_read_and_commit_is_left_alone(world: World) -> None:
    draft = world.draft()
    world.clock.sleep(LIFE_S)

    def meanwhile() -> None:
        world.store.faults = []
        keep(world, draft)

    world.store.faults, world.store.meanwhile = ["before"], meanwhile
    assert sweep(world) == {"left": 1}

    assert world.now(draft).is_kept
    assert world.stored_keys() >= {draft.media_key}


def test_expiry_of_unknown_outcome_deletes_once(world: World) -> None:
    draft = world.draft()
    world.clock.sleep(LIFE_S)
    world.store.faults = ["lost"]

    assert sweep(world) == {"expired": 1}
    assert not exists(world, draft)
    assert world.stored_keys() == set()


def test_files_that_cannot_be_deleted_at_once_are_left_to_the_outbox(world: World) -> None:
    draft = world.draft()
    world.clock.sleep(LIFE_S)
    world.media.is_down = True

    assert sweep(world) == {"expired": 1}
    assert not exists(world, draft)
    assert world.stored_keys() != set()
    world.media.is_down = False

    assert sweep(world) == {"deleted": 1}
    assert world.stored_keys() == set()
    assert world.violations() == []


def test_life_of_zero_days_lets_nothing_expire(new_world: Callable[..., World]) -> None:
    world = new_world(PHOENIX_POLICY_DRAFT_LIFE_DAYS="0")
    draft, failed = world.draft(key="d"), world.failed(key="f")
    dated = replace(world.draft(key="dated"), expires_at=world.clock.now())
    put(world, dated)

    assert sweep(world) == {"left": 1}

    assert [world.now(each).expires_at for each in (draft, failed, dated)] == [None] * 3
    assert sweep(world) == {}


def test_stale_expiry_of_a_published_creation_is_cleared(world: World) -> None:
    """An older release, which does not know the field, published it."""
    stale = replace(world.published(), expires_at=world.clock.now())
    put(world, stale)

    assert sweep(world) == {"left": 1}
    assert world.now(stale) == replace(stale, expires_at=None)


def test_draft_that_an_older_release_unpublished_has_a_whole_life(world: World) -> None:
    """It ran past the date, left it, and unpublished the draft just before the upgrade."""
    draft = world.draft()
    world.clock.sleep(2 * LIFE_S)
    put(world, replace(draft, updated_at=world.clock.now()))

    sweep(world)
    assert world.now(draft).expires_at == world.clock.now() + LIFE
    stop_keeping(world, draft)  # a repeat, which moves no date
    world.clock.sleep(LIFE_S)
    assert sweep(world) == {"expired": 1}


def publish_without_media(world: World, draft: Creation) -> None:
    assert draft.media_key is not None
    world.files.delete(draft.media_key)
    with pytest.raises(MediaMissing):
        world.phoenix.publishing.publish(draft.creation_id, owner=ADA, caption="x")


REPEATS: dict[str, Callable[[World, Creation], object]] = {
    "unpublish": lambda world, draft: world.phoenix.publishing.unpublish(
        draft.creation_id, owner=ADA
    ),
    "unschedule": lambda world, draft: world.phoenix.scheduling.unschedule(
        draft.creation_id, owner=ADA
    ),
    "stop keeping": stop_keeping,
    "a publication that fails": publish_without_media,
}


@pytest.mark.parametrize("repeat", REPEATS.values(), ids=REPEATS.keys())
def test_repeats_and_failed_calls_move_no_date(
    world: World, repeat: Callable[[World, Creation], object]
) -> None:
    draft = world.draft()
    world.clock.sleep(LIFE_S / 2)
    repeat(world, draft)
    assert world.now(draft).expires_at == draft.expires_at
    world.clock.sleep(LIFE_S / 2)

    assert sweep(world)["expired"] == 1


# The walk through what has no expiry


def undated(world: World, count: int) -> list[Creation]:
    """Store drafts as an earlier release wrote them."""
    drafts = [replace(world.draft(key=str(n)), expires_at=None) for n in range(count)]
    put(world, *drafts)
    return sorted(drafts, key=lambda each: each.creation_id)


def test_walk_gives_drafts_and_failures_of_an_earlier_release_a_life_from_then(
    world: World,
) -> None:
    [draft] = undated(world, 1)
    failed = replace(world.failed(key="failed"), expires_at=None)
    kept = replace(world.draft(key="kept"), expires_at=None, is_kept=True)
    public = world.published()
    put(world, failed, kept)
    world.clock.sleep(2 * LIFE_S)
    running = world.open(key="running").creation
    at = world.clock.now()

    world.phoenix.sweeping.sweep()

    dated = [world.now(each).expires_at for each in (draft, failed, kept, running, public)]
    assert dated[:2] == [at + LIFE] * 2
    assert dated[2:] == [None] * 3


def test_walk_resumes_after_a_crash_and_changes_no_date_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiring, "WALK_BATCH", 2)
    monkeypatch.setattr(expiring, "WALK_BATCHES_PER_SWEEP", 2)
    drafts = undated(world, 5)
    world.store.faults = ["ok", "unsent", "down", "down", "down", "down"]

    assert sweep(world) == {"errors": 1}
    first = world.clock.now() + LIFE
    assert [world.now(each).expires_at is None for each in drafts] == [False] * 2 + [True] * 3
    dates = [world.now(each).expires_at for each in drafts[:2]]
    world.clock.sleep(60)
    assert sweep(world) == {}

    assert [world.now(each).expires_at for each in drafts[:2]] == dates
    assert all(world.now(each).expires_at for each in drafts)
    assert dates[0] is not None
    assert dates[0] < first + timedelta(seconds=1)


def test_walk_of_two_sweeps_at_once_moves_the_mark_once(world: World) -> None:
    [draft] = undated(world, 1)
    started = SweepMark(duty=WALK)

    world.phoenix.sweeping.expiring._walk(started)
    mark, dated = world.sqlite.get(sweep_mark_key(WALK)), world.now(draft)
    world.clock.sleep(60)
    world.phoenix.sweeping.expiring._walk(started)

    assert (world.sqlite.get(sweep_mark_key(WALK)), world.now(draft)) == (mark, dated)


def test_second_walk_a_day_later_covers_a_rolling_deployment_and_is_the_last(world: World) -> None:
    sweep(world)
    [during_rollout] = undated(world, 1)
    sweep(world)
    assert world.now(during_rollout).expires_at is None
    world.clock.sleep(SECOND_WALK_AFTER.total_seconds())
    sweep(world)
    dated = world.now(during_rollout).expires_at

    later = replace(world.draft(key="later"), expires_at=None)
    put(world, later)
    world.clock.sleep(SECOND_WALK_AFTER.total_seconds())
    sweep(world)

    assert dated == world.clock.now() - SECOND_WALK_AFTER + LIFE
    assert world.now(later).expires_at is None
    mark = world.sqlite.get(sweep_mark_key(WALK))
    assert mark is not None
    assert mark.has_ended


def test_walk_begins_again_once_drafts_expire_again(world: World) -> None:
    put(world, SweepMark(duty=WALK, has_ended=True))
    [draft] = undated(world, 1)
    off = replace(world.phoenix.sweeping.expiring, policy=replace(POLICY, draft_life_days=0))
    sweeping = replace(world.phoenix.sweeping, expiring=off)

    sweeping.sweep()
    assert world.sqlite.get(sweep_mark_key(WALK)) is None
    sweep(world)

    assert world.now(draft).expires_at == world.clock.now() + LIFE


@pytest.mark.parametrize("status", ["draft", "failed"])
def test_creation_that_an_older_release_settled_again_has_a_whole_life(
    world: World, status: str
) -> None:
    """A release before the expiry debits and settles it without a change of `expires_at`."""
    creation = world.creation_that_is(status)
    world.clock.sleep(LIFE_S - 60)
    put(world, replace(creation, run_number=2, updated_at=world.clock.now()))
    world.clock.sleep(60)

    sweep(world)

    assert exists(world, creation)
    world.clock.sleep(LIFE_S - 60)
    assert sweep(world)["expired"] == 1


def test_longer_life_moves_no_date_that_was_set_before(world: World) -> None:
    draft = stop_keeping(world, keep(world, world.draft()))
    world.clock.sleep(LIFE_S)
    longer = replace(POLICY, draft_life_days=3 * POLICY.draft_life_days)

    assert replace(world.phoenix.sweeping.expiring, policy=longer).expire(draft) == "expired"
