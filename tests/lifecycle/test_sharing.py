"""Sharing a draft: its link, its collaborators, and when it expires."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.domain.creation import Creation
from shared.domain.errors import (
    AccountNotFound,
    CreationNotFound,
    IllegalTransition,
    TooManyCollaborators,
    WrongField,
)
from shared.domain.sharing import COLLABORATORS_MAX, SECRET_LENGTH
from shared.domain.status import Status
from shared.lifecycle.sharing import DraftSharing
from shared.ports.store import Page
from tests.support.builders import ADA, BEN, POLICY, a_caller
from tests.support.documents import parsed
from tests.support.world import World

LIFE = timedelta(days=POLICY.draft_life_days)


@pytest.fixture
def sharing(world: World) -> DraftSharing:
    return world.phoenix.sharing


@pytest.fixture
def draft(world: World) -> Creation:
    for name in (BEN, "cyd"):
        world.phoenix.accounts.of(a_caller(name))
    return world.draft()


def secret_of(creation: Creation) -> str:
    assert creation.sharing.secret is not None
    return creation.sharing.secret


def test_link_stays_the_same_until_it_is_revoked(sharing: DraftSharing, draft: Creation) -> None:
    first = sharing.share(draft.creation_id, owner=ADA)
    again = sharing.share(draft.creation_id, owner=ADA, shows_prompt=True)
    sharing.unshare(draft.creation_id, owner=ADA)
    after = sharing.share(draft.creation_id, owner=ADA)

    assert secret_of(first) == secret_of(again) != secret_of(after)
    assert len(secret_of(first)) == len(secret_of(after)) == SECRET_LENGTH
    assert [each.sharing.shows_prompt for each in (first, again, after)] == [False, True, False]
    assert sharing.by_link(draft.creation_id, secret_of(after)).creation_id == draft.creation_id
    for wrong in (secret_of(first), "", "é", secret_of(after)[:-1], secret_of(after).upper()):
        with pytest.raises(CreationNotFound):
            sharing.by_link(draft.creation_id, wrong)


def test_empty_secret_does_not_open_an_unshared_creation(
    sharing: DraftSharing, draft: Creation
) -> None:
    with pytest.raises(CreationNotFound):
        sharing.by_link(draft.creation_id, "")


def test_link_that_was_made_and_revoked_meanwhile_has_another_secret(
    world: World, sharing: DraftSharing, draft: Creation
) -> None:
    """The first commit has no response, and its link is revoked before the request runs again."""
    revoked: list[str] = []

    def revoke() -> None:
        revoked.append(secret_of(world.now(draft)))
        sharing.unshare(draft.creation_id, owner=ADA)

    world.store.faults = ["lost", "before"]
    world.store.meanwhile = revoke
    shared = sharing.share(draft.creation_id, owner=ADA)

    assert revoked
    assert secret_of(shared) not in revoked


@pytest.mark.parametrize("status", [Status.PENDING, Status.PROCESSING, Status.FAILED])
def test_unready_creation_cannot_be_shared(
    world: World, sharing: DraftSharing, status: Status
) -> None:
    unready = world.creation_that_is(status)
    world.phoenix.accounts.of(a_caller(BEN))
    before = world.now(unready)

    with pytest.raises(IllegalTransition):
        sharing.share(unready.creation_id, owner=ADA)
    with pytest.raises(IllegalTransition):
        sharing.add_collaborator(unready.creation_id, BEN, owner=ADA)
    sharing.unshare(unready.creation_id, owner=ADA)
    sharing.remove_collaborator(unready.creation_id, BEN, owner=ADA)

    assert world.now(unready) == before


ENDS: dict[str, Callable[[DraftSharing, str], Creation]] = {
    "link": lambda sharing, id_: sharing.unshare(id_, owner=ADA),
    "collaborator": lambda sharing, id_: sharing.remove_collaborator(id_, BEN, owner=ADA),
}


@pytest.mark.parametrize("last", ENDS)
def test_shared_draft_expires_a_whole_life_after_its_last_reader_is_gone(
    world: World, sharing: DraftSharing, draft: Creation, last: str
) -> None:
    id_ = draft.creation_id
    assert world.now(draft).expires_at is not None
    shared = sharing.share(id_, owner=ADA)
    both = sharing.add_collaborator(id_, BEN, owner=ADA)
    world.clock.sleep(3600)
    first, second = (ENDS[each] for each in sorted(ENDS, key=lambda each: each == last))
    one = first(sharing, id_)
    at = world.clock.now()
    none = second(sharing, id_)

    assert [each.expires_at for each in (shared, both, one)] == [None] * 3
    assert none.expires_at is not None
    assert at + LIFE <= none.expires_at <= world.clock.now() + LIFE


def test_unpublished_creation_stays_shared_and_does_not_expire(
    world: World, sharing: DraftSharing
) -> None:
    published = world.published()
    shared = sharing.share(published.creation_id, owner=ADA)
    draft = world.phoenix.publishing.unpublish(published.creation_id, owner=ADA)

    assert draft.expires_at is None
    assert sharing.by_link(draft.creation_id, secret_of(shared)) == draft


def test_collaborator_is_added_and_removed_once(
    world: World, sharing: DraftSharing, draft: Creation
) -> None:
    id_ = draft.creation_id
    added = [sharing.add_collaborator(id_, BEN, owner=ADA) for _ in range(2)]
    [listed] = parsed(sharing.shared_with(BEN, Page(10)))
    removed = [sharing.remove_collaborator(id_, BEN, owner=ADA) for _ in range(2)]

    assert added[0] == added[1]
    assert added[0].sharing.collaborators == (BEN,)
    assert listed.creation_id == id_
    assert removed[0] == removed[1]
    assert sharing.shared_with(BEN, Page(10)) == []
    assert world.violations() == []


def test_eleventh_collaborator_is_refused_but_the_tenth_may_be_repeated(
    world: World, sharing: DraftSharing, draft: Creation
) -> None:
    names = [f"user-{number}" for number in range(COLLABORATORS_MAX + 1)]
    for name in names:
        world.phoenix.accounts.of(a_caller(name))
    *allowed, eleventh = names
    for name in (*allowed, allowed[-1]):
        full = sharing.add_collaborator(draft.creation_id, name, owner=ADA)

    with pytest.raises(TooManyCollaborators):
        sharing.add_collaborator(draft.creation_id, eleventh, owner=ADA)

    assert list(full.sharing.collaborators) == allowed
    assert world.now(draft) == full


@pytest.mark.parametrize("name", ["nobody", "", "a", "é", "a/b", "..", "__x__", "BEN", "x" * 2000])
def test_unknown_username_is_no_collaborator(
    sharing: DraftSharing, draft: Creation, name: str
) -> None:
    with pytest.raises(AccountNotFound):
        sharing.add_collaborator(draft.creation_id, name, owner=ADA)


def test_owner_is_no_collaborator(sharing: DraftSharing, draft: Creation) -> None:
    with pytest.raises(WrongField) as refusal:
        sharing.add_collaborator(draft.creation_id, ADA, owner=ADA)

    assert refusal.value.field == "username"


def test_deleted_creation_is_closed_for_all_readers(
    world: World, sharing: DraftSharing, draft: Creation
) -> None:
    shared = sharing.share(draft.creation_id, owner=ADA)
    sharing.add_collaborator(draft.creation_id, BEN, owner=ADA)
    world.phoenix.media_cleanup.delete_creation(draft.creation_id, owner=ADA)

    with pytest.raises(CreationNotFound):
        sharing.by_link(draft.creation_id, secret_of(shared))
    assert sharing.shared_with(BEN, Page(10)) == []
