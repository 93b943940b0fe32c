from collections.abc import Callable
from dataclasses import replace

import pytest

from shared.domain.creation import Creation
from shared.domain.errors import (
    CreationNotFound,
    IllegalTransition,
    MediaMissing,
    MediaUnavailable,
    StoreContention,
)
from shared.domain.status import Status
from shared.ports.store import Page
from tests.support.builders import ADA, BEN, POLICY
from tests.support.documents import parsed
from tests.support.world import World


def publish(world: World, creation: Creation, caption: str | None = None) -> Creation:
    return world.phoenix.publishing.publish(creation.creation_id, owner=ADA, caption=caption)


def unpublish(world: World, creation: Creation) -> Creation:
    return world.phoenix.publishing.unpublish(creation.creation_id, owner=ADA)


def public(world: World) -> set[str]:
    return {key for key in world.stored_keys() if key.startswith("public/")}


def test_publishing_copies_the_files_and_enters_the_feed(world: World) -> None:
    draft = world.draft()
    world.clock.sleep(5)

    published = publish(world, draft, "First snow")

    assert published == world.now(draft)
    assert (published.status, published.caption) == (Status.PUBLISHED, "First snow")
    assert published.published_at == world.clock.now()
    assert parsed(world.sqlite.feed(Page(limit=5))) == [published]
    assert public(world) == set(published.public_keys.values())
    assert len(public(world)) == 2
    assert not any(ADA in key.split("/") for key in public(world))
    assert world.deletions() == []


def test_publishing_again_changes_only_a_given_caption(world: World) -> None:
    published = world.published(caption="old")
    world.clock.sleep(5)

    touched = replace(published, updated_at=world.clock.now())
    assert publish(world, published) == touched
    assert publish(world, published, "old") == touched
    again = publish(world, published, "new")
    blank = publish(world, published, "")

    assert (again.caption, blank.caption) == ("new", "")
    assert again.published_at == published.published_at
    assert public(world) == set(published.public_keys.values())


def test_unpublishing_deletes_the_copy_at_once_and_keeps_the_draft(world: World) -> None:
    published = world.published(caption="c")
    private = world.stored_keys() - public(world)

    draft = unpublish(world, published)

    assert draft == world.now(published)
    assert (draft.status, draft.published_at, draft.caption) == (Status.DRAFT, None, "c")
    assert world.stored_keys() == private
    assert world.sqlite.feed(Page(limit=5)) == []
    again = unpublish(world, published)
    assert again == replace(draft, publication_count=2)


def test_draft_whose_file_was_removed_cannot_be_published(world: World) -> None:
    draft = world.draft()
    world.files.delete(draft.media_key or "")

    for _ in range(2):
        with pytest.raises(MediaMissing):
            publish(world, draft)

    assert world.now(draft).status is Status.DRAFT
    assert public(world) == set()
    assert unpublish(world, draft).status is Status.DRAFT
    world.phoenix.media_cleanup.delete_creation(draft.creation_id, owner=ADA)
    assert world.stored_keys() == set()


def test_draft_that_is_deleted_while_it_is_published_is_not_found(world: World) -> None:
    draft = world.draft()
    real = world.media.media

    class Racing:
        """The owner deletes the draft from another device before the copy."""

        def publish(self, key: str, public_key: str) -> None:
            world.phoenix.media_cleanup.delete_creation(draft.creation_id, owner=ADA)
            real.publish(key, public_key)

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    world.media.media = Racing()

    with pytest.raises(CreationNotFound):
        publish(world, draft)


@pytest.mark.parametrize("is_takedown", [False, True], ids=["owner", "operator"])
def test_draft_that_is_unpublished_while_its_files_are_copied_stays_one(
    world: World, *, is_takedown: bool
) -> None:
    draft = world.draft()
    world.phoenix.sharing.share(draft.creation_id, owner=ADA)
    real = world.media.media

    class Racing:
        """An unpublication is answered between the files."""

        def publish(self, key: str, public_key: str) -> None:
            real.publish(key, public_key)
            if is_takedown:
                world.phoenix.operating.unpublish(draft.creation_id, reason="spam")
            else:
                unpublish(world, draft)

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    world.media.media = Racing()

    with pytest.raises(StoreContention):
        publish(world, draft)

    assert world.now(draft).status is Status.DRAFT
    world.clock.sleep(POLICY.deletion_delay_s)
    world.phoenix.sweeping.sweep()
    assert public(world) == set()
    assert world.violations() == []


def test_draft_that_lost_only_its_thumbnail_is_published_without_one(world: World) -> None:
    draft = world.draft()
    world.files.delete(draft.thumbnail_key or "")

    published = publish(world, draft)

    assert published == world.now(draft)
    assert (published.status, published.thumbnail_key) == (Status.PUBLISHED, None)
    assert public(world) == {published.public_keys[published.media_key or ""]}
    assert publish(world, draft) == published
    assert unpublish(world, published).status is Status.DRAFT
    assert public(world) == set()


def test_publication_key_is_never_used_twice(world: World) -> None:
    draft, seen = world.draft(), list[str]()
    for _ in range(3):
        seen += publish(world, draft).public_keys.values()
        unpublish(world, draft)

    assert len(set(seen)) == len(seen) == 6


def test_late_removal_of_the_old_copy_keeps_the_new_one(world: World) -> None:
    draft = world.draft()
    publish(world, draft)
    unpublish(world, draft)
    published = publish(world, draft)
    world.clock.sleep(3600)

    world.phoenix.sweeping.sweep()

    assert public(world) == set(published.public_keys.values())
    assert world.deletions() == []


def test_crash_after_the_copy_leaves_an_entry_that_removes_it(world: World) -> None:
    draft = world.draft()
    world.store.faults = ["ok", *["down"] * 5]
    with pytest.raises(Exception, match="store"):
        publish(world, draft)
    assert len(public(world)) == 2
    world.clock.sleep(3590)
    world.phoenix.sweeping.sweep()
    assert len(public(world)) == 2
    world.clock.sleep(10)

    world.phoenix.sweeping.sweep()

    assert public(world) == set()
    assert world.now(draft).status is Status.DRAFT


def test_copy_that_fails_publishes_nothing(world: World) -> None:
    draft = world.draft()
    world.media.is_down = True
    with pytest.raises(MediaUnavailable):
        publish(world, draft)
    world.media.is_down = False

    assert world.now(draft).status is Status.DRAFT
    assert publish(world, draft).publication_count == 2


@pytest.mark.parametrize(
    "faults", [["lost"], ["ok", "lost"], ["lost", "down", "lost"], ["unsent", "ok", "unsent"]]
)
def test_publication_whose_responses_were_lost_happens_once(
    world: World, faults: list[str]
) -> None:
    draft = world.draft()
    world.store.faults = faults

    published = publish(world, draft)

    assert published == world.now(draft)
    assert published.status is Status.PUBLISHED
    assert public(world) == set(published.public_keys.values())


def test_landed_publication_succeeds_although_the_creation_was_deleted_since(world: World) -> None:
    draft = world.draft()
    delete = world.phoenix.media_cleanup.delete_creation
    after_it_has_landed(world, lambda: delete(draft.creation_id, owner=ADA), skipping=1)

    assert publish(world, draft).status is Status.PUBLISHED
    assert world.stored_keys() == set()


def test_copy_that_took_too_long_is_not_kept(world: World) -> None:
    draft = world.draft()

    def wait_half_an_hour() -> None:
        world.store.afterwards = lambda: None
        world.clock.sleep(1800)

    world.store.afterwards = wait_half_an_hour
    with pytest.raises(MediaUnavailable):
        publish(world, draft)
    world.clock.sleep(1800)
    world.phoenix.sweeping.sweep()

    assert public(world) == set()
    assert world.now(draft).status is Status.DRAFT


def test_copy_that_a_frozen_process_sends_after_its_undo_entry_is_removed(world: World) -> None:
    draft = world.draft()
    copy = world.media.publish

    def frozen(key: str, public_key: str) -> None:
        world.clock.sleep(5400)
        world.phoenix.sweeping.sweep()
        copy(key, public_key)

    world.media.publish = frozen  # type: ignore[method-assign]  # the copy takes for ever
    with pytest.raises(MediaUnavailable):
        publish(world, draft)
    assert len(public(world)) == 1
    world.phoenix.sweeping.sweep()

    assert public(world) == set()
    assert world.now(draft).status is Status.DRAFT


def test_publication_does_not_commit_once_its_copy_is_being_deleted(world: World) -> None:
    draft = world.draft()
    publishing = world.phoenix.publishing
    prepared = publishing._reserve(draft, None)
    for key, public_key in prepared.public_keys.items():
        world.media.publish(key, public_key)
    [undo] = world.deletions()

    def delete_half() -> None:
        world.store.faults = []
        world.clock.sleep(3600)
        publishing.cleanup._begin(undo, at=world.clock.now())

    world.store.faults, world.store.meanwhile = ["before"], delete_half
    with pytest.raises(MediaUnavailable):
        publishing._commit(prepared, None)

    assert world.now(draft).status is Status.DRAFT


def test_later_number_of_two_concurrent_publications_wins(world: World) -> None:
    draft = world.draft()

    def overtake() -> None:
        world.store.afterwards = lambda: None
        publish(world, draft, "second")

    world.store.afterwards = overtake

    first = publish(world, draft, "first")

    assert (first.caption, first.publication_count) == ("second", 2)
    world.clock.sleep(3600)
    world.phoenix.sweeping.sweep()
    assert public(world) == set(world.now(draft).public_keys.values())


def test_publication_overtaken_by_an_unfinished_one_is_contention(
    world: World,
) -> None:
    draft = world.draft()

    def overtake() -> None:
        world.store.afterwards = lambda: None
        world.phoenix.publishing._reserve(world.now(draft), None)

    world.store.afterwards = overtake

    with pytest.raises(StoreContention):
        publish(world, draft)


@pytest.mark.parametrize("status", ["pending", "processing", "failed"])
def test_only_a_draft_is_published_or_unpublished(world: World, status: str) -> None:
    creation = world.creation_that_is(status)

    for act in (publish, unpublish):
        with pytest.raises(IllegalTransition) as refusal:
            act(world, creation)
        assert refusal.value.status == status
    assert public(world) == set()


def test_creation_of_another_owner_is_unknown(world: World) -> None:
    theirs = world.draft(user="ben")

    for act in (publish, unpublish):
        with pytest.raises(CreationNotFound):
            act(world, theirs)

    assert world.account(BEN).balance_tokens == 90


@pytest.mark.parametrize("faults", [["lost"], ["lost", "down"], ["unsent", "lost"]])
def test_unpublish_whose_response_was_lost_still_deletes_the_copy(
    world: World, faults: list[str]
) -> None:
    published = world.published()
    world.store.faults = faults

    draft = unpublish(world, published)

    assert draft.status is Status.DRAFT
    assert public(world) == set()


def after_it_has_landed(world: World, act: Callable[[], object], *, skipping: int = 0) -> None:
    """Lose the answer to the next commit but so many, and act between it and its next run."""
    commits = iter(range(skipping))

    def once() -> None:
        if next(commits, None) is None:
            world.store.afterwards = lambda: None
            world.store.faults = []
            act()

    world.store.faults, world.store.afterwards = ["ok"] * skipping + ["lost"], once


def test_unpublish_recognised_late_keeps_a_newer_publication(world: World) -> None:
    published = world.published()
    after_it_has_landed(world, lambda: publish(world, published))

    assert unpublish(world, published).status is Status.DRAFT

    now = world.now(published)
    assert (now.status, now.publication_count) == (Status.PUBLISHED, 2)
    assert public(world) == set(now.public_keys.values())


def test_landed_unpublish_succeeds_although_the_creation_was_deleted_since(world: World) -> None:
    published = world.published()
    delete = world.phoenix.media_cleanup.delete_creation
    after_it_has_landed(world, lambda: delete(published.creation_id, owner=ADA))

    assert unpublish(world, published).status is Status.DRAFT
    assert world.stored_keys() == set()


def test_unpublish_that_did_not_land_is_repeated_after_a_new_caption(
    world: World,
) -> None:
    published = world.published(caption="old")

    def caption() -> None:
        publish(world, published, "new")

    world.store.meanwhile = caption
    world.store.faults = ["unsent", "before"]

    unpublish(world, published)

    assert world.now(published).status is Status.DRAFT
    assert public(world) == set()


def test_caption_recognised_late_does_not_publish_again(world: World) -> None:
    published = world.published(caption="old")
    after_it_has_landed(world, lambda: unpublish(world, published))

    assert publish(world, published, "new").caption == "new"

    assert world.now(published).status is Status.DRAFT
    assert public(world) == set()


def test_copy_that_cannot_be_deleted_now_is_deleted_by_the_sweep(world: World) -> None:
    published = world.published()
    world.media.is_down = True
    unpublish(world, published)
    world.media.is_down = False

    world.phoenix.sweeping.sweep()

    assert public(world) == set()
