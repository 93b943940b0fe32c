"""Limits of the sweep: its order and time, and what an error or an outage may take from it."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from shared.adapters.local.store import SQLiteStore
from shared.domain.creation import Creation
from shared.domain.errors import StoreUnavailable
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.media import MediaDeletion
from shared.domain.policy import SWEEP_LAST_CALL_S
from shared.domain.status import Stage, Status
from shared.domain.sweep_mark import SweepMark
from shared.lifecycle.duties import AT_ONCE
from shared.lifecycle.expiring import WALK
from shared.lifecycle.sweeping import interleaved
from shared.lifecycle.transactions import RERUNS_MAX
from shared.ports.store import Document, Page, write
from tests.lifecycle.test_auditing import spoil
from tests.lifecycle.test_sweeping import sweep
from tests.support.builders import POLICY, a_creation, seconds
from tests.support.world import World

USERS = ("ada", "ben", "cyd")
COMMIT_S = 2
WORK_S = POLICY.sweep_budget_s - SWEEP_LAST_CALL_S
OTHER_DUTIES = 7
REPAIRS_S = WORK_S - OTHER_DUTIES * POLICY.sweep_turn_s


def overdue_images(world: World, count: int, *, users: Sequence[str] = USERS) -> list[Creation]:
    """Open images a second apart, and return them when all are overdue."""
    opened = []
    for number in range(count):
        opened.append(world.open(kind=Kind.IMAGE, user=users[number % len(users)]).creation)
        world.clock.sleep(1)
    world.clock.sleep(POLICY.deadline_s)
    return opened


def put_deletions(world: World, count: int) -> None:
    at = world.clock.now()
    for number in range(count):
        put(world, MediaDeletion.at_once(f"{number:04}", ["k"], at=at, policy=POLICY))


def put(world: World, document: Document) -> None:
    world.sqlite.transact([document.key], lambda _: write(document, result=None))


def slow_commits(world: World) -> None:
    """Let each commit take two seconds, without those of the walk."""
    put(world, SweepMark(duty=WALK, has_ended=True))
    world.store.afterwards = lambda: world.clock.sleep(COMMIT_S)


# Order, number and time


def test_call_works_on_a_bounded_number_for_each_duty(new_world: Callable[..., World]) -> None:
    world = new_world(PHOENIX_POLICY_SWEEP_CREATIONS_MAX="16")
    overdue_images(world, 20)
    put_deletions(world, 20)

    assert sweep(world) == {"refunded": 16, "deleted": 16}
    assert sweep(world) == {"refunded": 4, "deleted": 4, "folded": 1}


def test_call_reads_many_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.lifecycle.paging.DUE_LIMIT", 7)
    overdue_images(world, 20)
    put_deletions(world, 20)

    assert sweep(world) == {"refunded": 20, "deleted": 20}


def test_call_that_runs_out_of_time_has_refunded_the_oldest_deadlines(world: World) -> None:
    opened = overdue_images(world, 50)
    for number, creation in enumerate(opened):  # as if swept in the reverse order before
        swept_at = world.now(creation).created_at + seconds(2 * (len(opened) - number))
        put(world, replace(world.now(creation), sweep_at=swept_at))
    slow_commits(world)

    assert sweep(world) == {"refunded": WORK_S / COMMIT_S}
    refunded = [world.now(each).refunded for each in opened]
    assert refunded == sorted(refunded, reverse=True)


def test_call_works_for_a_bounded_time(new_world: Callable[..., World]) -> None:
    budget = {"BUDGET_S": "15", "REPAIRS_S": "8"}
    world = new_world(**{f"PHOENIX_POLICY_SWEEP_{name}": value for name, value in budget.items()})
    overdue_images(world, 20)
    slow_commits(world)
    began_s = world.clock.monotonic_s()

    assert sweep(world) == {"refunded": 5}
    assert world.clock.monotonic_s() == began_s + 10


def test_deletions_have_their_turn_during_a_backlog_of_creations(world: World) -> None:
    overdue_images(world, 50)
    put_deletions(world, 50)
    slow_commits(world)

    counts = sweep(world)

    assert counts["refunded"] == REPAIRS_S / COMMIT_S
    assert counts["deleted"] == (WORK_S - REPAIRS_S) / COMMIT_S


def test_creations_are_refunded_first_during_a_backlog_of_deletions(world: World) -> None:
    put_deletions(world, 50)
    overdue_images(world, 5)
    slow_commits(world)

    counts = sweep(world)

    assert counts["refunded"] == 5
    assert counts["deleted"] == WORK_S / COMMIT_S - 5


def test_refunds_go_before_requeues(world: World) -> None:
    overdue_images(world, 15)
    waiting = world.open(user="dan").creation
    world.queue.tasks.clear()
    world.clock.sleep(60)
    put(world, replace(world.now(waiting), sweep_at=waiting.created_at - seconds(3600)))
    slow_commits(world)
    put_deletions(world, 50)

    counts = sweep(world)

    assert (counts["refunded"], counts.get("requeued", 0)) == (REPAIRS_S // COMMIT_S, 0)
    assert sweep(world)["requeued"] == 1


def test_accounts_take_turns_within_a_page() -> None:
    burst = [a_creation(str(number), user_id="ada") for number in range(20)]
    others = [a_creation(user_id=f"user-{number}") for number in range(5)]

    page = interleaved([*burst, *others])

    assert page == [burst[0], *others, *burst[1:]]


# Errors and outages


def test_unexpected_error_at_one_creation_does_not_stop_the_others(world: World) -> None:
    creations = [world.open(user=user).creation for user in ("ada", "ben", "cyd")]
    broken = creations[1]
    world.clock.sleep(60)

    def failing(creation_id: str, *, kind: Kind, number: int) -> bool:
        if creation_id == broken.creation_id:
            raise RuntimeError("planned")
        return False

    world.queue.waits = failing  # type: ignore[method-assign]  # a planned fault
    counts = world.phoenix.sweeping.sweep()

    assert (counts["errors"], counts["requeued"]) == (1, 2)
    assert [world.now(each).requeue_count for each in creations] == [1, 0, 1]


def test_sweep_creates_no_more_tasks_than_the_policy_allows(
    new_world: Callable[..., World],
) -> None:
    world = new_world(PHOENIX_POLICY_REQUEUES_MAX="2")
    policy = world.settings.policy
    creation = world.open().creation
    last = creation.task_number + policy.requeues_max

    while world.now(creation).is_unfinished:
        mark_as_dispatched(world, creation)
        world.clock.sleep(policy.sweep_every_s)
        world.phoenix.sweeping.sweep()

    settled = world.now(creation)
    assert (settled.status, settled.requeue_count) == (Status.FAILED, policy.requeues_max)
    assert max(number for _, number in world.queue.tasks) == settled.task_number == last


def test_outage_of_the_queue_does_not_delay_refunds(world: World, log_stream: io.StringIO) -> None:
    opened = overdue_images(world, AT_ONCE + 16, users=[f"user-{n}" for n in range(8)])
    world.queue.is_down = True
    tried = []
    withdraw = world.queue.withdraw

    def counted(creation_id: CreationId, *, kind: Kind, number: int) -> None:
        tried.append(creation_id)
        withdraw(creation_id, kind=kind, number=number)

    world.queue.withdraw = counted  # type: ignore[method-assign]  # a planned delay

    assert sweep(world) == {"refunded": len(opened)}
    assert len(tried) == AT_ONCE
    lines = [json.loads(line) for line in log_stream.getvalue().splitlines()]
    failed = [line for line in lines if line["message"] == "withdrawal_failed"]
    assert {line["creation_id"] for line in failed} == {each.creation_id for each in opened}


def test_outage_of_the_store_in_the_middle_costs_only_what_it_meets(world: World) -> None:
    opened = overdue_images(world, 5)
    world.store.faults = ["ok", *["down"] * (RERUNS_MAX + 1)]

    assert sweep(world) == {"refunded": 4, "errors": 1}
    assert [world.now(each).refunded for each in opened] == [True, False, True, True, True]
    assert sweep(world) == {"refunded": 1, "folded": 1}


def test_unreadable_list_does_not_stop_the_other_duties(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(now: datetime, page: Page) -> list[Creation]:
        raise StoreUnavailable(reason="planned")

    monkeypatch.setattr(SQLiteStore, "overdue", staticmethod(unreadable))
    put_deletions(world, 3)

    with pytest.raises(StoreUnavailable):
        world.phoenix.sweeping.sweep()

    assert all(each.due_at > world.clock.now() for each in world.deletions())


def test_unreadable_creation_stops_no_refund_of_others(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    unreadable, *others = overdue_images(world, 5)
    set_stage(world, unreadable, "of a later release")

    assert sweep(world) == {"refunded": 4}

    assert all(world.now(each).refunded for each in others)
    lines = [each for each in caplog.records if each.message == "document_unreadable"]
    assert {vars(each)["document"] for each in lines} == {unreadable.creation_id}
    set_stage(world, unreadable, Stage.QUEUED)
    assert sweep(world) == {"refunded": 1, "folded": 1}


def set_stage(world: World, creation: Creation, stage: str) -> None:
    spoil(world, "creations", f"id = '{creation.creation_id}'", lambda d: d.update(stage=stage))


def mark_as_dispatched(world: World, creation: Creation) -> None:
    """Let the current task vanish without a claim."""
    world.queue.done.add((creation.creation_id, world.now(creation).task_number))
