"""The numbers of a window, from folded outcomes and from what is unfinished."""

from datetime import timedelta

import pytest

from shared.domain.kind import Kind
from shared.lifecycle.statistics import HOURS_MAX, Numbers
from tests.support.builders import NOON
from tests.support.world import World


def swept(world: World, *, hours: int = 1) -> Numbers:
    world.clock.sleep(1)
    world.phoenix.sweeping.sweep()
    return world.phoenix.statistics.of(hours)


def test_nothing_settled_has_no_rates(world: World) -> None:
    numbers = world.phoenix.statistics.of(24)

    assert (numbers.created, numbers.ready, numbers.failed, numbers.published) == (0, 0, 0, 0)
    assert numbers.success_rate is numbers.refund_rate is numbers.published_share is None
    assert (
        numbers.refund_lag_median_s is numbers.image.median_s is numbers.oldest_unfolded_s is None
    )
    assert len(numbers.series) == 24
    assert numbers.since == NOON - timedelta(hours=23)


def test_numbers_include_settled_and_unfinished_creations(world: World) -> None:
    world.published()
    world.draft()
    world.failed()
    cancelled = world.open(user="ben").creation
    world.phoenix.failing.cancel(cancelled.creation_id, owner=cancelled.user_id)
    world.claim(world.open(user="ben").creation)
    world.open(user="ben", kind=Kind.IMAGE)
    world.clock.sleep(30)

    numbers = swept(world)

    assert (numbers.created, numbers.ready, numbers.failed) == (6, 2, 2)
    assert numbers.failed_by_code == {"internal": 1, "cancelled": 1}
    assert numbers.success_rate == pytest.approx(2 / 3), "without what its owner cancelled"
    assert numbers.refund_rate == 0.5
    assert (numbers.published, numbers.published_share) == (1, 0.5)
    assert (numbers.video.pending, numbers.video.processing) == (0, 1)
    assert (numbers.image.pending, numbers.image.processing) == (1, 0)
    assert (numbers.image.oldest_waiting_s, numbers.video.oldest_waiting_s) == (31, None)
    assert numbers.video.median_s == 1


def test_number_of_created_ones_does_not_fall_while_they_settle(world: World) -> None:
    statistics, opened = world.phoenix.statistics, world.open().creation
    created = [statistics.of(1).created]
    world.phoenix.failing.cancel(opened.creation_id, owner=opened.user_id)
    created.append(statistics.of(1).created)
    created.append(swept(world).created)

    assert created == [1, 1, 1]


def test_late_refunds_are_measured_from_the_deadline(world: World) -> None:
    world.open()
    world.clock.sleep(945)
    world.phoenix.sweeping.sweep()

    numbers = swept(world)

    lags = numbers.refund_lag_median_s, numbers.refund_lag_p95_s, numbers.refund_lag_max_s
    assert lags == (45, 45, 45), "a bucket ends at the longest"


def test_unfolded_outcomes_are_not_counted_and_their_age_is_known(world: World) -> None:
    world.draft()
    world.clock.sleep(40)

    numbers = world.phoenix.statistics.of(1)

    assert (numbers.ready, numbers.oldest_unfolded_s) == (0, 40)


def test_cost_is_summed_by_model_and_day(world: World) -> None:
    for _ in range(2):
        claimed = world.claim(world.open().creation)
        claim = world.held(claimed)
        claim.record_intent(model="m", cost_usd=0.1)
        world.phoenix.failing.fail_overdue(world.now(claimed), at=world.clock.now() + timedelta(1))
        world.phoenix.sweeping.sweep()
        world.clock.sleep(24 * 3600)

    numbers = swept(world, hours=72)

    assert numbers.cost_micro_usd == numbers.video.cost_micro_usd == 200_000
    assert numbers.cost_micro_usd_by_model == {"m": 200_000}
    assert numbers.cost_micro_usd_by_day == {"2026-11-21": 100_000, "2026-11-22": 100_000}


def test_window_begins_with_an_hour(world: World) -> None:
    world.draft()
    world.clock.sleep(3601)
    world.draft(user="ben")

    assert swept(world, hours=1).ready == 1
    assert swept(world, hours=2).ready == 2


def test_series_has_hours_for_a_day_and_days_for_a_week(world: World) -> None:
    world.draft()
    world.clock.sleep(30 * 3600)
    world.failed(user="ben")

    day, week = swept(world, hours=24), swept(world, hours=24 * 7)

    assert [(each.ready, each.failed) for each in day.series] == [(0, 0)] * 23 + [(0, 1)]
    assert [each.begins_at for each in day.series][-1] == NOON + timedelta(hours=30)
    assert [(each.ready, each.failed) for each in week.series][-2:] == [(1, 0), (0, 1)]
    assert len({each.begins_at.date() for each in week.series}) == len(week.series) == 8
    assert sum(each.ready + each.failed for each in week.series) == week.ready + week.failed == 2


@pytest.mark.parametrize("hours", [0, -1, HOURS_MAX + 1])
def test_impossible_window_is_refused(world: World, hours: int) -> None:
    with pytest.raises(ValueError, match="hours"):
        world.phoenix.statistics.of(hours)
