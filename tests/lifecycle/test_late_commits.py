"""Commits of unknown outcome that land late: never after an answered, opposite request.

A commit without a response lands later if nothing that it read has changed by then.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest

from shared.domain import retention
from shared.domain.creation import Creation
from shared.domain.errors import OutcomeUnknown
from shared.domain.status import Status
from shared.lifecycle import liking, publishing, scheduling, sharing
from shared.lifecycle.transactions import RERUNS_MAX
from tests.simulation.mutation import Mutant, broken, one
from tests.support.builders import ADA, BEN, NOON, POLICY, a_caller
from tests.support.world import World

Act = Callable[[World, str], object]
SOON = NOON + timedelta(hours=1)


def keep(world: World, id_: str) -> object:
    return world.phoenix.keeping.keep(id_, owner=ADA)


def stop_keeping(world: World, id_: str) -> object:
    return world.phoenix.keeping.stop_keeping(id_, owner=ADA)


def share(world: World, id_: str) -> object:
    return world.phoenix.sharing.share(id_, owner=ADA)


def unshare(world: World, id_: str) -> object:
    return world.phoenix.sharing.unshare(id_, owner=ADA)


def invite(world: World, id_: str) -> object:
    return world.phoenix.sharing.add_collaborator(id_, BEN, owner=ADA)


def remove(world: World, id_: str) -> object:
    return world.phoenix.sharing.remove_collaborator(id_, BEN, owner=ADA)


def schedule(world: World, id_: str) -> object:
    return world.phoenix.scheduling.schedule(id_, owner=ADA, publish_at=SOON)


def unschedule(world: World, id_: str) -> object:
    return world.phoenix.scheduling.unschedule(id_, owner=ADA)


def publish(world: World, id_: str, caption: str | None = None) -> object:
    return world.phoenix.publishing.publish(id_, owner=ADA, caption=caption)


def unpublish(world: World, id_: str) -> object:
    return world.phoenix.publishing.unpublish(id_, owner=ADA)


def like(world: World, id_: str) -> None:
    world.phoenix.liking.like(id_, BEN)


def unlike(world: World, id_: str) -> None:
    world.phoenix.liking.unlike(id_, BEN)


@dataclass(frozen=True)
class Case:
    before: Sequence[Act]
    """They fulfil the wish of `answered`."""
    late: Act
    answered: Act
    commits: int = 1
    """How many commits `late` sends; the last one is late."""


captioned = partial(publish, caption="old")
CASES = {
    "stop keeping, then keep": Case([keep], stop_keeping, keep),
    "keep, then stop keeping": Case([], keep, stop_keeping),
    "unshare, then share": Case([share], unshare, share),
    "share, then unshare": Case([], share, unshare),
    "remove, then invite": Case([invite], remove, invite),
    "invite, then remove": Case([], invite, remove),
    "unschedule, then schedule": Case([schedule], unschedule, schedule),
    "schedule, then unschedule": Case([], schedule, unschedule),
    "schedule, then unpublish": Case([], schedule, unpublish),
    "unpublish, then schedule": Case([schedule], unpublish, schedule),
    "unpublish, then publish": Case([publish], unpublish, publish),
    "publish, then unpublish": Case([], publish, unpublish, commits=2),
    "publish, then unschedule": Case([], publish, unschedule, commits=2),
    "new caption, then the old one": Case([captioned], partial(publish, caption="new"), captioned),
    "unlike, then like": Case([publish, like], unlike, like),
    "like, then unlike": Case([publish], like, unlike),
    "like, then unlike again": Case([publish, like, unlike], like, unlike),
}


def wishes(world: World, creation: Creation) -> tuple[object, ...]:
    current = world.now(creation)
    liked = world.phoenix.liking.liked([creation.creation_id], BEN)
    facts = current.status, current.caption, current.is_kept, current.schedule, current.sharing
    return *facts, current.expires_at is None, liked


def send_late(world: World, case: Case) -> tuple[Creation, tuple[object, ...]]:
    """Send a request whose commit is late; return its creation and the wishes before."""
    creation = world.draft()
    for act in case.before:
        act(world, creation.creation_id)
    wished = wishes(world, creation)
    world.store.faults = ["ok"] * (case.commits - 1) + ["late"] * (RERUNS_MAX + 1)
    with pytest.raises(OutcomeUnknown):
        case.late(world, creation.creation_id)
    return creation, wished


@pytest.fixture(autouse=True)
def ben(world: World) -> None:
    world.phoenix.accounts.of(a_caller(BEN))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_late_commit_does_not_land_after_an_answered_opposite_request(
    world: World, case: Case
) -> None:
    creation, wished = send_late(world, case)

    case.answered(world, creation.creation_id)
    world.store.land()

    assert wishes(world, creation) == wished


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_late_commit_lands_if_nothing_was_answered_since(world: World, case: Case) -> None:
    """Without this, the test above would show nothing."""
    creation, wished = send_late(world, case)

    world.store.land()

    assert wishes(world, creation) != wished


def test_link_whose_commit_lands_as_it_is_revoked_is_closed(world: World) -> None:
    """The request reads the creation without a link, which lands before its transaction."""
    creation, _ = send_late(world, Case([], share, unshare))
    world.store.faults, world.store.meanwhile = ["before"], world.store.land

    unshare(world, creation.creation_id)

    assert not world.now(creation).sharing.is_shared


def test_publication_that_another_one_overtook_outlasts_a_late_unpublication(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repeat publishes during the first request's copy, and an unpublication reads that."""
    draft, copied = world.draft(), list[str]()

    def copy(key: str, public_key: str) -> None:
        world.files.publish(key, public_key)
        copied.append(key)
        if len(copied) == 1:
            publish(world, draft.creation_id)
            world.store.faults = ["late"] * (RERUNS_MAX + 1)
            with pytest.raises(OutcomeUnknown):
                unpublish(world, draft.creation_id)

    monkeypatch.setattr(world.media, "publish", copy)

    publish(world, draft.creation_id)
    world.store.land()

    assert world.now(draft).status is Status.PUBLISHED
    world.clock.sleep(POLICY.deletion_delay_s)
    world.phoenix.sweeping.sweep()
    assert world.violations() == []


BEGUN = "publish, then unpublish"
OTHERWISE = {"unpublish, then publish", "new caption, then the old one", BEGUN} | {
    name for name in CASES if "like" in name
}
"""These write their caption, their publication's number or their like again."""
NO_FENCE = one(
    "a fulfilled wish changes nothing",
    retention,
    "fenced",
    "replace(creation, updated_at=at)",
    "creation",
    *(publishing, scheduling, sharing),
)
STOPS_NOTHING = one(
    "an unpublication leaves a begun publication as it is",
    retention,
    "without_begun_publication",
    "replace(fenced(creation, at=at), publication_count=begun)",
    "creation",
    publishing,
)
LIKE_ONCE = one(
    "a like that is there is not written again",
    liking.Liking,
    "_write",
    "lambda _: write(like, result=None)",
    "lambda found: unchanged(None) if (found.get(like.key) or like).is_liked == is_liked"
    " else write(like, result=None)",
)


@pytest.mark.parametrize(
    ("mutant", "name"),
    [
        *((NO_FENCE, name) for name in CASES if name not in OTHERWISE),
        (LIKE_ONCE, "unlike, then like"),
        (STOPS_NOTHING, BEGUN),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_mutant_lets_a_late_commit_land(world: World, mutant: Mutant, name: str) -> None:
    case = CASES[name]
    creation, wished = send_late(world, case)

    with broken(mutant):
        case.answered(world, creation.creation_id)
    world.store.land()

    assert wishes(world, creation) != wished
