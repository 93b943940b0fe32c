"""Timelines: one line of time from the history, the ledger and the acts of operators."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.status import Stage
from shared.lifecycle.replaying import ReplayRequest
from shared.lifecycle.timelines import WHY, Moment
from tests.support.builders import ADA, LEASE_OWNER, NOON, a_brief, a_caller, seconds, stored_media
from tests.support.documents import put
from tests.support.world import World


def moments_of(world: World, creation: Creation) -> list[Moment]:
    return [*world.phoenix.timelines.of(creation.creation_id).moments]


def summary(moments: list[Moment]) -> list[tuple[str, str]]:
    return [(each.what, each.actor) for each in moments]


def test_video_from_its_debit_to_its_publication(world: World) -> None:
    video = world.open().creation
    world.clock.sleep(1)
    claim = world.held(world.claim(video))
    world.clock.sleep(1)
    claim.record_intent(model="omni", cost_usd=0.5)
    claim.record_operation("operations/7")
    world.clock.sleep(1)
    claim.enter(Stage.UPLOADING)
    world.store_files(claim.creation)
    claim.complete(stored_media(claim.creation))
    world.clock.sleep(1)
    world.phoenix.publishing.publish(video.creation_id, owner=ADA)
    world.clock.sleep(1)
    world.phoenix.operating.unpublish(video.creation_id, reason="spam", who="olga")

    moments = moments_of(world, video)

    assert summary(moments) == [
        ("debit", "owner"),
        ("task", "owner"),
        ("claimed", "job"),
        ("intent", "job"),
        ("operation", "job"),
        ("stage", "job"),
        ("completed", "job"),
        ("published", "owner"),
        ("unpublish", "operator"),
    ]
    details = {each.what: each.detail for each in moments}
    assert details["debit"] == "10 tokens charged; balance 90"
    assert details["claimed"] == f"attempt 1 {LEASE_OWNER}"
    assert (details["intent"], details["operation"]) == ("omni", "operations/7")
    assert details["unpublish"] == "olga: spam"


def test_publication_by_its_schedule_is_the_sweeps(world: World) -> None:
    draft = world.draft()
    publish_at = world.clock.now() + timedelta(minutes=5)
    world.phoenix.scheduling.schedule(draft.creation_id, owner=ADA, publish_at=publish_at)
    world.clock.sleep(5 * 60)
    world.phoenix.sweeping.sweep()

    published = moments_of(world, draft)[-1]

    assert (published.what, published.actor) == ("published", "sweep")
    assert published.detail == "number 1, as scheduled"


def test_each_refund_says_why_and_a_replay_says_who(world: World) -> None:
    video = world.failed()
    world.clock.sleep(1)
    request = ReplayRequest(code=FailureCode.INTERNAL, since=NOON, is_granted=True, who="olga")
    list(world.phoenix.replaying.replay(request))
    world.clock.sleep(1)
    world.phoenix.failing.cancel(video.creation_id, owner=ADA)

    moments = moments_of(world, video)

    assert summary(moments) == [
        ("debit", "owner"),
        ("task", "owner"),
        ("claimed", "job"),
        ("failed", "job"),
        ("refund", "job"),
        ("grant", "operator"),
        ("debit", "operator"),
        ("task", "operator"),
        ("replay", "operator"),
        ("failed", "owner"),
        ("refund", "owner"),
    ]
    first, second = (each.detail for each in moments if each.what == "refund")
    assert first == "10 tokens came back because of an error on our side; balance 100"
    assert second == "10 tokens came back because its owner cancelled it; balance 110"


def test_every_failure_has_its_reason_in_words() -> None:
    assert WHY.keys() == {*FailureCode}


@pytest.mark.parametrize("kind", Kind)
def test_creation_of_an_older_release_shows_its_ledger_and_fields(world: World, kind: Kind) -> None:
    opened = world.phoenix.opening.open(a_brief(kind), caller=a_caller()).creation
    claim = world.held(world.claim(opened, kind=kind))
    claim.record_intent(model="omni", cost_usd=0.5)
    world.clock.sleep(1)
    claim.fail(FailureCode.GENERATOR_SILENT, start_failed=False)
    put(world.sqlite, replace(world.now(opened), history=()))

    moments = moments_of(world, opened)

    assert summary(moments) == [
        ("debit", "owner"),
        ("intent", "job"),
        ("failed", "job"),
        ("refund", "job"),
    ]
    assert WHY[FailureCode.GENERATOR_SILENT] in moments[-1].detail
    assert moments[-1].at == NOON + seconds(1)
