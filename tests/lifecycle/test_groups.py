"""Variations: one request opens up to four images, all or none, and each then goes its own way."""

import threading
from collections.abc import Callable
from datetime import datetime

import pytest

from shared.domain.brief import creation_id_for
from shared.domain.creation import Creation, creation_key
from shared.domain.errors import (
    CreationGone,
    InsufficientTokens,
    KeyReused,
    NotQueued,
    OutcomeUnknown,
    Paused,
    QueueUnavailable,
    StorageFull,
    TooManyFree,
    TooManyOpened,
    TooManyUnfinished,
)
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.ledger import EntryType
from shared.domain.status import Status
from shared.lifecycle.opening import Opened
from tests.support.builders import ADA, NOON, a_brief, a_caller
from tests.support.fakes import FakeQueue
from tests.support.world import World

KEY = "k"
IDS = [creation_id_for(ADA, KEY, number) for number in (1, 2, 3, 4)]


def open_group(
    world: World, count: int = 4, *, key: str | None = KEY, prompt: str = "a fox"
) -> Opened:
    brief = a_brief(Kind.IMAGE, prompt, count=count)
    return world.phoenix.opening.open(brief, caller=a_caller(), idempotency_key=key)


def settle(world: World, creation_id: CreationId) -> None:
    claimed = world.claim(creation_id, kind=Kind.IMAGE)
    world.phoenix.failing.fail_attempt(claimed, FailureCode.INTERNAL, start_failed=False)


def delete(world: World, *ids: CreationId) -> None:
    for creation_id in ids:
        settle(world, creation_id)
        world.phoenix.media_cleanup.delete_creation(creation_id, owner=ADA)


def kept(world: World, creation_id: CreationId) -> Creation | None:
    return world.sqlite.get(creation_key(creation_id))


def entries(world: World) -> list[str]:
    return [each.entry_id for each in reversed(world.ledger())][1:]  # without the welcome


def test_group_is_debited_in_one_transaction_with_an_entry_for_each(world: World) -> None:
    world.open(kind=Kind.IMAGE)
    world.store.faults = ["ok", *["down"] * 5]

    opened = open_group(world)

    assert len(world.store.faults) == 5
    assert [each.creation_id for each in opened.creations] == IDS
    assert {each.group_id for each in opened.creations} == {IDS[0]}
    assert opened.balance_tokens == world.account().balance_tokens == 95
    assert world.account().in_flight.image == world.account().opened_hour.count == 5
    assert entries(world)[1:] == [f"{each}_debit_1" for each in IDS]
    assert [(each, 1) in world.queue.tasks for each in IDS] == [True] * 4
    assert world.violations() == []


def test_creation_that_is_opened_alone_has_no_group(world: World) -> None:
    assert open_group(world, 1).creation.group_id is None


def test_group_without_a_key_has_unrelated_ids(world: World) -> None:
    first, second = open_group(world, key=None), open_group(world, key=None)

    assert len({each.creation_id for each in (*first.creations, *second.creations)}) == 8
    assert {each.group_id for each in second.creations} == {second.creation.creation_id}


def test_price_of_the_whole_group_is_required(new_world: Callable[..., World]) -> None:
    world = new_world(PHOENIX_WELCOME_TOKENS="3")

    with pytest.raises(InsufficientTokens) as refusal:
        open_group(world)

    assert (refusal.value.required, refusal.value.balance) == (4, 3)
    assert entries(world) == []
    assert world.queue.tasks == {}
    assert len(open_group(world, 3, key="other").creations) == 3


def test_in_flight_limit_must_allow_the_whole_group(new_world: Callable[..., World]) -> None:
    world = new_world(PHOENIX_POLICY_IMAGES_IN_FLIGHT_MAX="5")
    open_group(world, 2)

    with pytest.raises(TooManyUnfinished):
        open_group(world, 4, key="other")
    open_group(world, 3, key="other")

    assert len(world.queue.tasks) == 5


def test_each_variation_counts_in_the_hour(new_world: Callable[..., World]) -> None:
    world = new_world(PHOENIX_POLICY_OPENED_PER_HOUR_MAX="5")
    open_group(world, 3)

    with pytest.raises(TooManyOpened):
        open_group(world, 3, key="other")
    open_group(world, 2, key="other")

    assert len(world.queue.tasks) == 5


def test_group_larger_than_an_hour_allows_is_refused_in_every_hour(
    new_world: Callable[..., World],
) -> None:
    world = new_world(PHOENIX_POLICY_OPENED_PER_HOUR_MAX="3")
    world.clock.sleep(7200)

    with pytest.raises(TooManyOpened) as refusal:
        open_group(world)

    assert refusal.value.retry_after_s == 3600


def test_group_is_refused_while_the_hour_of_free_outcomes_is_full(
    new_world: Callable[..., World],
) -> None:
    world = new_world(PHOENIX_POLICY_FREE_OUTCOMES_PER_HOUR_MAX="1")
    world.phoenix.failing.cancel(open_group(world, 2).creation.creation_id, owner=ADA)

    with pytest.raises(TooManyFree):
        open_group(world, key="other")


def test_paused_kind_refuses_a_group_but_not_its_replay(world: World) -> None:
    open_group(world)
    world.phoenix.operating.switch(Kind.IMAGE, is_paused=True)
    world.clock.sleep(world.settings.policy.gauges_every_s)

    with pytest.raises(Paused):
        open_group(world, key="other")
    assert open_group(world).is_replay


def test_storage_must_have_room_for_the_whole_group(world: World) -> None:
    asked: list[int] = []

    def has_room(size_bytes: int) -> bool:
        asked.append(size_bytes)
        return size_bytes <= 3 * world.settings.policy.room_bytes(Kind.IMAGE)

    setattr(world.media, "has_room", has_room)  # noqa: B010 (a nearly full disk)

    with pytest.raises(StorageFull):
        open_group(world)
    assert len(open_group(world, 3).creations) == 3
    assert asked == [each * world.settings.policy.room_bytes(Kind.IMAGE) for each in (4, 3)]


# Replays


def test_replay_writes_nothing_and_starts_nothing(world: World) -> None:
    first = open_group(world)
    world.queue.tasks.clear()

    again = open_group(world)

    assert (again.is_replay, first.is_replay) == (True, False)
    assert again.creations == first.creations
    assert len(entries(world)) == 4
    assert world.queue.tasks == {}


def test_replay_shows_those_that_are_left_in_order(world: World) -> None:
    open_group(world)
    delete(world, IDS[0], IDS[2])

    again = open_group(world)

    assert [each.creation_id for each in again.creations] == [IDS[1], IDS[3]]
    assert kept(world, IDS[0]) is None


def test_replay_is_gone_when_none_is_left(world: World) -> None:
    open_group(world)
    delete(world, *IDS)

    for count in (1, 2, 4):
        with pytest.raises(CreationGone):
            open_group(world, count)


@pytest.mark.parametrize("deleted", [[], [1, 2, 3], [0, 1, 2]])
def test_another_body_is_refused_while_any_variation_is_left(
    world: World, deleted: list[int]
) -> None:
    open_group(world)
    delete(world, *(IDS[each] for each in deleted))
    before = entries(world)

    for count, prompt in [(1, "a fox"), (2, "a fox"), (3, "a fox"), (4, "an owl")]:
        with pytest.raises(KeyReused):
            open_group(world, count, prompt=prompt)

    assert entries(world) == before


def test_key_of_a_single_creation_opens_no_group(world: World) -> None:
    open_group(world, 1)

    with pytest.raises(KeyReused):
        open_group(world)
    delete(world, IDS[0])
    with pytest.raises(CreationGone):
        open_group(world)

    assert [kept(world, each) for each in IDS] == [None] * 4


def test_group_whose_response_was_lost_is_recognised_after_one_was_claimed(world: World) -> None:
    world.open(kind=Kind.IMAGE)
    world.store.faults = ["lost"]
    world.store.afterwards = lambda: claim_once(world)

    opened = open_group(world)

    assert not opened.is_replay
    assert opened.balance_tokens == 95
    assert [(each, 1) in world.queue.tasks for each in IDS] == [True] * 4
    assert world.violations() == []


def claim_once(world: World) -> None:
    """Claim the first variation as soon as its debit is committed, as a draining job does."""
    world.store.afterwards = lambda: None
    world.claim(IDS[0], kind=Kind.IMAGE)


def test_unknown_outcome_names_the_first_variation(world: World) -> None:
    world.open(kind=Kind.IMAGE)
    world.store.faults = ["lost", *["down"] * 4]

    with pytest.raises(OutcomeUnknown) as refusal:
        open_group(world)

    assert refusal.value.creation_id == IDS[0]


# Tasks


def test_variation_without_a_task_is_refunded_and_the_others_continue(world: World) -> None:
    world.queue.is_down_for = {IDS[1]}

    opened = open_group(world)

    assert [each.status for each in opened.creations] == ["pending", "failed", "pending", "pending"]
    assert opened.creations[1] == kept(world, IDS[1])
    assert opened.creations[1].refunded
    assert opened.balance_tokens == world.account().balance_tokens == 97
    assert entries(world)[4:] == [f"{IDS[1]}_refund_1"]
    assert world.violations() == []


def test_group_without_any_task_is_refunded(world: World) -> None:
    world.queue.is_down = True

    with pytest.raises(NotQueued) as refusal:
        open_group(world)

    assert refusal.value.creation_id == IDS[0]
    assert entries(world)[4:] == [f"{each}_refund_1" for each in IDS]
    assert world.account().balance_tokens == 100
    assert world.account().in_flight.image == 0


def test_unknown_refund_of_one_variation_is_not_reported_as_a_state(world: World) -> None:
    world.open(kind=Kind.IMAGE)
    world.queue.is_down_for = {IDS[0]}
    world.store.faults = ["ok", *["down"] * 5]

    with pytest.raises(OutcomeUnknown) as refusal:
        open_group(world)

    assert refusal.value.creation_id == IDS[0]
    assert [each.status for each in open_group(world).creations] == ["pending"] * 4


def test_variation_that_a_job_claimed_without_its_task_is_kept(world: World) -> None:
    world.queue.is_down_for = {IDS[0], IDS[1]}
    world.store.faults = ["ok", "ok", "ok", "before"]
    world.store.meanwhile = lambda: claim_once(world)

    opened = open_group(world, 2)

    assert [each.status for each in opened.creations] == ["processing", "failed"]
    assert opened.balance_tokens == world.account().balance_tokens == 99


class MeetingQueue(FakeQueue):
    """Creates a task only while all tasks of a group are being created at once."""

    def __init__(self) -> None:
        super().__init__()
        self._all = threading.Barrier(4)

    def enqueue(
        self, creation_id: CreationId, *, kind: Kind, number: int,
        not_before: datetime | None = None,
    ) -> None:  # fmt: skip
        try:
            self._all.wait(timeout=10)
        except threading.BrokenBarrierError as error:
            raise QueueUnavailable(reason="called one after the other") from error
        super().enqueue(creation_id, kind=kind, number=number, not_before=not_before)


def test_tasks_of_a_group_are_created_at_once(world: World) -> None:
    queue = MeetingQueue()
    phoenix = world.over(world.sqlite, queue=queue)

    brief = a_brief(Kind.IMAGE, count=4)
    opened = phoenix.opening.open(brief, caller=a_caller(), idempotency_key=KEY)

    assert [each.status for each in opened.creations] == [Status.PENDING] * 4
    assert len(queue.tasks) == 4


def test_sweep_creates_every_task_of_a_group_after_a_crash(world: World) -> None:
    opened = open_group(world)
    world.queue.tasks.clear()
    world.clock.sleep(60)

    world.phoenix.sweeping.sweep()

    assert {creation_id for creation_id, _ in world.queue.tasks} == {*IDS}
    assert opened.creation.created_at == NOON


# Each goes its own way


def test_retry_cancel_and_delete_change_one_variation_only(world: World) -> None:
    opened = open_group(world)
    settle(world, IDS[0])
    world.phoenix.failing.cancel(IDS[1], owner=ADA)
    delete(world, IDS[2])

    retried = world.phoenix.opening.retry(IDS[0], owner=ADA)

    assert retried.creations == (kept(world, IDS[0]),)
    assert (retried.creation.run_number, retried.creation.group_id) == (2, IDS[0])
    assert [each and each.status for each in (kept(world, id_) for id_ in IDS)] == [
        *["pending", "failed", None, "pending"]
    ]
    assert kept(world, IDS[3]) == opened.creations[3]
    totals = [EntryType.GRANT, *[EntryType.DEBIT] * 4, *[EntryType.REFUND] * 3, EntryType.DEBIT]
    assert [each.entry_type for each in reversed(world.ledger())] == totals
    assert world.violations() == []
