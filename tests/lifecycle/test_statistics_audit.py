"""The audit of the statistics reports each kind of damage, and only damage."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.ledger import Cost, RunOutcome
from shared.domain.statistics import HourStatistics, hour_id
from shared.lifecycle import statistics_audit
from shared.lifecycle.statistics_audit import FOLD_WITHIN, StatisticsCheck
from shared.lifecycle.violation import Violation
from tests.lifecycle.test_auditing import right_world, spoil
from tests.simulation.mutation import Edit, Mutant, broken
from tests.support.builders import NOON

READY = Cost(
    cost_id="ready",
    model="m",
    estimated_cost_usd=0.25,
    kind=Kind.VIDEO,
    created_at=NOON,
    outcome=RunOutcome.READY,
    seconds=80.0,
    cost_micro_usd=250_000,
)
FAILED = replace(
    READY,
    cost_id="failed",
    outcome=RunOutcome.FAILED,
    failure=FailureCode.INTERNAL,
    refund_lag_s=3.5,
    cost_micro_usd=0,
)
OLD = replace(READY, cost_id="old", outcome=None)
NEXT = replace(READY, cost_id="next", created_at=NOON + timedelta(hours=1))
HOUR = HourStatistics(hour_id=hour_id(NOON)).counted([READY, FAILED], at=NOON)
NEXT_HOUR = HourStatistics(hour_id=hour_id(NOON + timedelta(hours=1))).counted([NEXT], at=NOON)
RIGHT: list[Cost | HourStatistics] = [READY, FAILED, OLD, NEXT, HOUR, NEXT_HOUR]


def found(documents: Sequence[Cost | HourStatistics]) -> list[Violation]:
    check = StatisticsCheck()
    alone = [violation for each in documents for violation in check.add(each)]
    return [*alone, *check.violations()]


def hour_with(**changes: object) -> HourStatistics:
    return replace(HOUR, video=replace(HOUR.video, **changes))  # type: ignore[arg-type]  # real fields


def with_changes(*changed: Cost | HourStatistics) -> list[Cost | HourStatistics]:
    """Return the right documents, some of them replaced by their keys."""
    documents = {each.key: each for each in RIGHT} | {each.key: each for each in changed}
    return [*documents.values()]


def without(*removed: Cost | HourStatistics) -> list[Cost | HourStatistics]:
    return [each for each in RIGHT if each not in removed]


FORGOTTEN_AT = NOON - FOLD_WITHIN + timedelta(hours=1, seconds=-1)
FORGOTTEN = replace(READY, cost_id="forgotten", created_at=FORGOTTEN_AT, fold_at=FORGOTTEN_AT)
WAITING = replace(FORGOTTEN, created_at=NOON, fold_at=NOON)

DAMAGES: dict[str, list[Cost | HourStatistics]] = {
    "one ready too many": with_changes(hour_with(ready=2)),
    "another failure": with_changes(hour_with(failed={"cancelled": 1})),
    "another time": with_changes(hour_with(seconds={"5": 1})),
    "another lag": with_changes(hour_with(refund_lag_s={"30": 1})),
    "another longest lag": with_changes(hour_with(refund_lag_max_s=7.5)),
    "another cost": with_changes(hour_with(cost_micro_usd={"m": 1})),
    "another model": with_changes(hour_with(cost_micro_usd={"n": 250_000})),
    "a missing hour": without(HOUR),
    "an hour without outcomes": without(NEXT),
    "a missing outcome": without(FAILED),
    "an outcome of another hour": with_changes(replace(READY, created_at=NEXT.created_at)),
    "an outcome of another kind": with_changes(replace(FAILED, kind=Kind.IMAGE)),
    "an outcome with another cost": with_changes(replace(READY, cost_micro_usd=1)),
    "an outcome without a time": with_changes(replace(READY, created_at=None)),
    "an outcome without a kind": with_changes(replace(READY, kind=None)),
    "a ready outcome with a failure": with_changes(replace(READY, failure=FailureCode.INTERNAL)),
    "a failed outcome without a failure": with_changes(replace(FAILED, failure=None)),
    "a counted outcome that is not folded": with_changes(replace(READY, fold_at=NOON)),
    "a forgotten outcome": with_changes(FORGOTTEN),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_statistics_are_reported(damage: str) -> None:
    violations = found(DAMAGES[damage])

    assert violations
    assert {each.invariant for each in violations} == {"I21"}


@pytest.mark.parametrize("documents", [RIGHT, [*reversed(RIGHT)], [WAITING, *RIGHT], [WAITING]])
def test_right_statistics_and_waiting_outcomes_are_no_damage(
    documents: list[Cost | HourStatistics],
) -> None:
    assert found(documents) == []


def test_whole_audit_includes_the_statistics(tmp_path: Path) -> None:
    world = right_world(tmp_path)
    world.clock.sleep(1)
    world.phoenix.sweeping.sweep()
    assert [each.video.ready for each in world.sqlite.statistics("")] == [1]
    assert world.violations() == []

    spoil(world, "stats", "true", lambda d: d["video"].update(ready=2))
    [wrong] = world.violations()
    spoil(world, "stats", "true", lambda d: d.update(video=3))
    unreadable = world.violations()

    assert (wrong.invariant, wrong.document) == ("I21", "2026-11-21T12")
    assert wrong.what == "says ready 2 for videos, its outcomes say 1"
    assert (unreadable[0].invariant, unreadable[0].document) == ("I0", "stats/2026-11-21T12")


Change = tuple[object, str, str, str]
MUTANTS: dict[str, tuple[Change, str]] = {
    "hours are not compared": ((StatisticsCheck, "violations", "yield from _differences(replace(stored, folded_at=None), tally.total())", "pass"), "one ready too many"),
    "only stored hours are compared": ((StatisticsCheck, "violations", "self._hours.keys() | self._tallies.keys()", "self._hours.keys()"), "a missing hour"),
    "only hours with outcomes are compared": ((StatisticsCheck, "violations", "self._hours.keys() | self._tallies.keys()", "self._tallies.keys()"), "an hour without outcomes"),
    "outcomes are not checked alone": ((statistics_audit, "_inconsistency", "if is_failed != (outcome.failure is not None):", "if False:"), "a ready outcome with a failure"),
    "forgotten outcomes pass": ((StatisticsCheck, "violations", "oldest.fold_at + FOLD_WITHIN < newest", "False"), "a forgotten outcome"),
    "unfolded outcomes are added": ((StatisticsCheck, "_add_outcome", "if outcome.fold_at is None:", "if True:"), "a counted outcome that is not folded"),
    "costs are not compared": ((statistics_audit, "_differences", "if value != outcomes[name]:", 'if value != outcomes[name] and name != "cost_micro_usd":'), "an outcome with another cost"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_of_the_audit_is_noticed(name: str) -> None:
    (owner, function, old, new), damage = MUTANTS[name]
    check = partial(test_damaged_statistics_are_reported, damage)
    check()

    with (
        broken(Mutant(name, (Edit(owner, function, old, new),))),
        pytest.raises(AssertionError),
    ):
        check()
