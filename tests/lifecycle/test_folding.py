"""Folding: every outcome is in the statistics of the hour in which it settled, exactly once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.ledger import Cost, RunOutcome
from shared.domain.policy import SWEEP_LAST_CALL_S
from shared.domain.statistics import HourStatistics, hour_id, hour_key
from shared.lifecycle import folding
from shared.lifecycle.folding import FOLD_SIZE, Folding
from shared.ports.store import Page
from tests.support.builders import NOON, POLICY, seconds
from tests.support.documents import put
from tests.support.world import World

CROWD = 2 * FOLD_SIZE + 50


def costs(world: World) -> list[Cost]:
    return [each for each in world.sqlite.everything() if isinstance(each, Cost)]


def hours(world: World) -> dict[str, HourStatistics]:
    return {each.hour_id: each for each in world.sqlite.statistics("")}


def settle(world: World, count: int, *, every_s: float = 0.0) -> None:
    """Write the outcomes of so many videos, the last one now."""
    now = world.clock.now()
    outcomes = [
        Cost(
            cost_id=f"{number:05}_1",
            model="m",
            estimated_cost_usd=0.25,
            kind=Kind.VIDEO,
            was_claimed=True,
            created_at=(at := now - seconds(every_s * (count - 1 - number))),
            outcome=RunOutcome.READY,
            seconds=80.0,
            cost_micro_usd=250_000,
            fold_at=at,
        )
        for number in range(count)
    ]
    put(world.sqlite, *outcomes)


def test_ready_and_failed_runs_are_folded_into_their_hour(world: World) -> None:
    world.draft()
    world.failed(user="ben")
    world.clock.sleep(60)

    assert world.phoenix.sweeping.sweep()["folded"] == 1

    [hour] = hours(world).values()
    assert hour.hour_id == hour_id(NOON)
    assert hour.folded_at == world.clock.now()
    assert (hour.video.ready, hour.video.failed) == (1, {"internal": 1})
    assert [each.fold_at for each in costs(world)] == [None, None]
    assert world.violations() == []


def test_outcome_records_how_late_its_refund_was(world: World) -> None:
    creation = world.open().creation
    world.clock.sleep(931.5)
    world.phoenix.sweeping.sweep()

    [outcome] = costs(world)
    assert outcome == Cost(
        cost_id=f"{creation.creation_id}_1",
        model=None,
        estimated_cost_usd=0.0,
        kind=Kind.VIDEO,
        created_at=world.clock.now(),
        creation_id=creation.creation_id,
        outcome=RunOutcome.FAILED,
        failure=FailureCode.DEADLINE_EXCEEDED,
        seconds=931.5,
        refund_lag_s=31.5,
        fold_at=world.clock.now(),
    )


def test_each_run_of_a_creation_has_its_own_outcome(world: World) -> None:
    failed = world.failed()
    world.clock.sleep(60)
    world.phoenix.sweeping.sweep()
    world.phoenix.opening.retry(failed.creation_id, owner=failed.user_id)
    world.clock.sleep(900)
    world.phoenix.sweeping.sweep()
    world.phoenix.sweeping.sweep()

    assert hours(world)[hour_id(NOON)].video.failed == {"internal": 1, "deadline_exceeded": 1}


def test_deleted_creation_keeps_its_outcome(world: World) -> None:
    draft = world.draft()
    world.phoenix.media_cleanup.delete_creation(draft.creation_id, owner=draft.user_id)
    world.clock.sleep(60)
    world.phoenix.sweeping.sweep()

    assert hours(world)[hour_id(NOON)].video.ready == 1
    assert world.violations() == []


def test_outcome_belongs_to_the_hour_of_settling_however_late_it_is_folded(world: World) -> None:
    settle(world, 1)
    world.clock.sleep(3 * 3600)
    world.phoenix.sweeping.sweep()

    assert [*hours(world)] == [hour_id(NOON)]


def test_second_sweep_adds_nothing(world: World) -> None:
    settle(world, 3)
    world.phoenix.sweeping.sweep()
    before = hours(world)
    world.clock.sleep(60)

    assert world.phoenix.sweeping.sweep()["folded"] == 0
    assert hours(world) == before


def test_outcome_of_an_earlier_release_is_not_counted(world: World) -> None:
    old = Cost(cost_id="old", model="m", estimated_cost_usd=1, kind=Kind.VIDEO, created_at=NOON)
    put(world.sqlite, old)
    world.clock.sleep(60)
    world.phoenix.sweeping.sweep()

    assert hours(world) == {}
    assert world.violations() == []


def test_backlog_over_several_hours_is_folded_by_one_sweep(world: World) -> None:
    settle(world, CROWD, every_s=30)

    assert world.phoenix.sweeping.sweep()["folded"] == len(hours(world)) > 3

    assert sum(each.video.ready for each in hours(world).values()) == CROWD
    assert world.sqlite.unfolded(world.clock.now(), Page(1)) == []
    assert world.violations() == []


@pytest.mark.parametrize("faults", [["lost"], ["unsent"], ["lost", "down", "lost"], ["down"]])
def test_fold_of_unknown_outcome_counts_once(world: World, faults: list[str]) -> None:
    settle(world, FOLD_SIZE)
    world.store.faults = faults

    world.phoenix.sweeping.sweep()

    assert hours(world)[hour_id(NOON)].video.ready == FOLD_SIZE
    assert world.violations() == []


def test_sweep_that_comes_between_reading_and_writing_counts_once(world: World) -> None:
    settle(world, 5)
    other = Folding(world.phoenix.failing.transactions, world.clock, POLICY)
    keys = [each.key for each in costs(world)]

    def meanwhile() -> None:
        world.store.faults, world.store.meanwhile = [], lambda: None
        assert other.fold(hour_key(hour_id(NOON)), keys[:3]) == 3

    world.store.faults, world.store.meanwhile = ["before"], meanwhile

    assert world.phoenix.sweeping.sweep()["folded"] == 1
    assert hours(world)[hour_id(NOON)].video.ready == 5
    assert world.violations() == []


def test_many_overlapping_folds_count_each_outcome_once(world: World) -> None:
    settle(world, 60)
    keys = [each.key for each in costs(world)]
    shared_fold = Folding(world.phoenix.failing.transactions, world.clock, POLICY)
    together = threading.Barrier(8)

    def fold(number: int) -> int:
        together.wait()
        overlapping = [keys[(5 * number + n) % 60] for n in range(40)]
        return shared_fold.fold(hour_key(hour_id(NOON)), overlapping)

    with ThreadPoolExecutor(8) as folds:
        counted = sum(folds.map(fold, range(8)))

    assert counted == hours(world)[hour_id(NOON)].video.ready == 60


def test_fold_begins_no_transaction_when_the_sweep_must_end(world: World) -> None:
    settle(world, 3 * FOLD_SIZE)
    world.store.afterwards = lambda: world.clock.sleep(
        POLICY.sweep_budget_s - SWEEP_LAST_CALL_S - 1
    )

    world.phoenix.sweeping.sweep()

    assert hours(world)[hour_id(NOON)].video.ready == 2 * FOLD_SIZE
    world.store.afterwards = lambda: None
    world.phoenix.sweeping.sweep()
    assert hours(world)[hour_id(NOON)].video.ready == 3 * FOLD_SIZE


def test_sweep_folds_a_bounded_number(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "FOLD_SIZE", 7)
    settle(world, 40)
    few = replace(POLICY, sweep_creations_max=16)
    world.phoenix = replace(world.phoenix, sweeping=replace(world.phoenix.sweeping, policy=few))

    world.phoenix.sweeping.sweep()

    assert hours(world)[hour_id(NOON)].video.ready == 16


def test_outcome_that_is_ahead_of_the_clock_waits(world: World) -> None:
    settle(world, 1)
    [outcome] = costs(world)
    ahead = NOON + timedelta(seconds=10)
    put(world.sqlite, replace(outcome, created_at=ahead, fold_at=ahead))

    assert world.phoenix.sweeping.sweep()["folded"] == 0
    world.clock.sleep(10)
    assert world.phoenix.sweeping.sweep()["folded"] == 1


def test_damaged_outcome_keeps_no_other_out_of_the_statistics(world: World) -> None:
    settle(world, 3)
    damaged = replace(costs(world)[1], outcome=None)
    put(world.sqlite, damaged)

    assert world.phoenix.sweeping.sweep()["folded"] == 1

    [hour] = hours(world).values()
    assert hour.video.ready == 2
    assert world.sqlite.get(damaged.key) == damaged
