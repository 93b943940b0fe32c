import io
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.creation import Creation
from shared.domain.errors import CreationNotFound, IllegalTransition, Paused, WrongField
from shared.domain.kind import Kind
from shared.domain.operating import OperatorAct, Verb, switch_key
from shared.domain.status import Status
from shared.ports.store import Page, write
from tests.support.builders import ADA, BEN, POLICY, a_caller, a_creation_id
from tests.support.world import World


def acts(world: World) -> list[OperatorAct]:
    return [each for each in world.sqlite.everything() if isinstance(each, OperatorAct)]


def recorded(world: World, creation: Creation, verb: Verb) -> OperatorAct:
    return OperatorAct(
        act_id=f"{creation.creation_id}_{verb}_{creation.publication_count}",
        verb=verb,
        creation_id=creation.creation_id,
        user_id=ADA,
        reason="a face without consent",
        created_at=world.clock.now(),
    )


@pytest.mark.parametrize("faults", [[], ["lost"], ["unsent", "lost"]])
def test_operator_unpublishes_a_creation_with_its_public_copy(
    world: World, faults: list[str]
) -> None:
    published = world.published()
    public = set(published.public_keys.values())
    assert public <= world.stored_keys()
    record = recorded(world, published, Verb.UNPUBLISH)
    world.store.faults = faults

    world.phoenix.operating.unpublish(published.creation_id, reason=" a face without consent ")

    assert world.now(published).status is Status.DRAFT
    assert not public & world.stored_keys()
    assert acts(world) == [record]


def test_republished_creation_can_be_unpublished_again(world: World) -> None:
    published = world.published()
    for _ in range(2):
        world.phoenix.operating.unpublish(published.creation_id, reason="spam")
        world.phoenix.publishing.publish(published.creation_id, owner=ADA, caption=None)

    assert len(acts(world)) == 2


@pytest.mark.parametrize("faults", [[], ["lost"], ["unsent", "lost"]])
@pytest.mark.parametrize("status", ["draft", "published"])
def test_operator_closes_the_link_and_removes_collaborators(
    world: World, status: str, faults: list[str]
) -> None:
    world.phoenix.accounts.of(a_caller(BEN))
    creation, sharing = world.creation_that_is(status), world.phoenix.sharing
    secret = str(sharing.share(creation.creation_id, owner=ADA).sharing.secret)
    sharing.add_collaborator(creation.creation_id, BEN, owner=ADA)
    world.store.faults = list(faults)

    world.phoenix.operating.unpublish(creation.creation_id, reason="a face without consent")

    with pytest.raises(CreationNotFound):
        sharing.by_link(creation.creation_id, secret)
    assert sharing.shared_with(BEN, Page(10)) == []
    current = world.now(creation)
    life = timedelta(days=POLICY.draft_life_days)
    assert current.expires_at == current.updated_at + life
    [act] = acts(world)
    assert (act.verb, act.creation_id) == (Verb.UNPUBLISH, creation.creation_id)
    assert world.violations() == []
    assert sharing.share(creation.creation_id, owner=ADA).sharing.secret != secret


def test_each_withdrawn_schedule_is_recorded_and_in_the_timeline(world: World) -> None:
    draft, phoenix = world.draft(), world.phoenix
    for reason in ("first", "second"):
        at = world.clock.now() + timedelta(hours=1)
        phoenix.scheduling.schedule(draft.creation_id, owner=ADA, publish_at=at)
        phoenix.operating.unpublish(draft.creation_id, reason=reason)

    assert world.now(draft).schedule is None
    assert {each.reason for each in acts(world)} == {"first", "second"}
    timeline = phoenix.timelines.of(draft.creation_id)
    details = {each.detail for each in timeline.moments if each.what == "unpublish"}
    assert details == {"cli: first", "cli: second"}


def test_timeline_of_a_deleted_creation_names_who_deleted_it(world: World) -> None:
    published, phoenix = world.published(), world.phoenix
    many = replace(world.now(published), publication_count=60)
    world.sqlite.transact([many.key], lambda _: write(many, result=None))

    phoenix.operating.delete(published.creation_id, reason="spam")

    timeline = phoenix.timelines.of(published.creation_id)
    assert [each.detail for each in timeline.moments if each.what == "delete"] == ["cli: spam"]


def test_takedown_closes_the_link_although_its_owner_unpublished_meanwhile(world: World) -> None:
    published = world.published()
    world.phoenix.sharing.share(published.creation_id, owner=ADA)
    world.store.faults = ["unsent", "before"]

    def unpublish() -> None:
        world.phoenix.publishing.unpublish(published.creation_id, owner=ADA)

    world.store.meanwhile = unpublish

    world.phoenix.operating.unpublish(published.creation_id, reason="spam")

    current = world.now(published)
    assert (current.status, current.sharing.is_shared) == (Status.DRAFT, False)
    assert [each.verb for each in acts(world)] == [Verb.UNPUBLISH]


def test_owners_own_unpublishing_keeps_the_sharing(world: World) -> None:
    published = world.published()
    shared = world.phoenix.sharing.share(published.creation_id, owner=ADA)

    draft = world.phoenix.publishing.unpublish(published.creation_id, owner=ADA)

    assert draft.sharing == shared.sharing


def test_unpublished_creation_is_left_unchanged(world: World) -> None:
    draft, pending = world.draft(), world.open().creation

    world.phoenix.operating.unpublish(draft.creation_id, reason="spam")
    with pytest.raises(IllegalTransition):
        world.phoenix.operating.unpublish(pending.creation_id, reason="spam")

    assert world.now(draft) == draft
    assert acts(world) == []


@pytest.mark.parametrize("faults", [[], ["lost"], ["unsent", "lost"]])
@pytest.mark.parametrize("status", ["draft", "published", "failed"])
def test_deleted_creation_leaves_its_ledger_and_a_record(
    world: World, status: str, faults: list[str]
) -> None:
    creation = world.creation_that_is(status)
    ledger, record = world.ledger(), recorded(world, creation, Verb.DELETE)
    world.store.faults = faults

    world.phoenix.operating.delete(creation.creation_id, reason="a face without consent")

    assert world.sqlite.get(creation.key) is None
    assert world.stored_keys() == set()
    assert world.ledger() == ledger
    assert acts(world) == [record]


@pytest.mark.parametrize("status", ["pending", "processing"])
def test_unfinished_creation_is_not_deleted(world: World, status: str) -> None:
    creation = world.creation_that_is(status)

    with pytest.raises(IllegalTransition):
        world.phoenix.operating.delete(creation.creation_id, reason="spam")

    assert acts(world) == []


@pytest.mark.parametrize("creation_id", ["", "x", "../users/ada", a_creation_id("other")])
def test_unknown_creation_is_not_found(world: World, creation_id: str) -> None:
    for act in (world.phoenix.operating.unpublish, world.phoenix.operating.delete):
        with pytest.raises(CreationNotFound):
            act(creation_id, reason="spam")


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 501, "\udcff"])
def test_reason_is_required(world: World, reason: str) -> None:
    published = world.published()

    for act in (world.phoenix.operating.unpublish, world.phoenix.operating.delete):
        with pytest.raises(WrongField, match="reason"):
            act(published.creation_id, reason=reason)

    assert world.now(published) == published


def test_owners_own_act_is_not_recorded(world: World) -> None:
    published = world.published()
    world.phoenix.publishing.unpublish(published.creation_id, owner=ADA)
    world.phoenix.media_cleanup.delete_creation(published.creation_id, owner=ADA)

    assert acts(world) == []


def test_act_is_logged_with_its_reason(world: World, log_stream: io.StringIO) -> None:
    published = world.published()

    world.phoenix.operating.unpublish(published.creation_id, reason="spam")
    world.phoenix.operating.unpublish(published.creation_id, reason="once more")
    world.phoenix.operating.delete(published.creation_id, reason="spam")

    lines = [json.loads(line) for line in log_stream.getvalue().splitlines()]
    logged = [line for line in lines if line["message"] == "operator_action"]
    assert [(line["verb"], line["reason"]) for line in logged] == [
        ("unpublish", "spam"),
        ("delete", "spam"),
    ]
    assert {line["creation_id"] for line in logged} == {published.creation_id}


@pytest.mark.parametrize("faults", [[], ["lost"], ["unsent", "lost"]])
def test_kind_is_paused_and_resumed(world: World, faults: list[str]) -> None:
    for is_paused in (True, True, False, False, True):
        world.store.faults = list(faults)
        world.phoenix.operating.switch(Kind.VIDEO, is_paused=is_paused)
        world.clock.sleep(1)

    switch = world.sqlite.get(switch_key(Kind.VIDEO))
    assert switch is not None
    assert (switch.is_paused, switch.kind) == (True, Kind.VIDEO)
    assert world.sqlite.get(switch_key(Kind.IMAGE)) is None
    with pytest.raises(Paused):
        world.open()
    world.open(kind=Kind.IMAGE)
