from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.ledger import Cost, RunOutcome
from shared.domain.statistics import (
    LAG_BOUNDS,
    MORE,
    NO_MODEL,
    SECONDS_BOUNDS,
    HourStatistics,
    KindStatistics,
    added,
    bucket,
    hour_id,
    quantile_s,
)
from tests.support.builders import NOON

HOUR = HourStatistics(hour_id=hour_id(NOON))


def outcome(**changes: object) -> Cost:
    ready = Cost(
        cost_id="c",
        model="m",
        estimated_cost_usd=0.25,
        kind=Kind.VIDEO,
        created_at=NOON,
        outcome=RunOutcome.READY,
        seconds=80.0,
        cost_micro_usd=250_000,
    )
    return replace(ready, **changes)  # type: ignore[arg-type]  # a test names real fields


def failed(code: FailureCode, **changes: object) -> Cost:
    return outcome(outcome=RunOutcome.FAILED, failure=code, **changes)


def test_outcomes_are_counted_by_kind_code_bucket_and_model() -> None:
    counted = HOUR.counted(
        [
            outcome(),
            outcome(seconds=90.0),
            outcome(kind=Kind.IMAGE, seconds=9.2, model="n", cost_micro_usd=3),
            failed(FailureCode.INTERNAL, refund_lag_s=61.5, model=None),
            failed(FailureCode.CANCELLED, cost_micro_usd=0),
        ],
        at=NOON,
    )

    assert counted == HourStatistics(
        hour_id="2026-11-21T12",
        image=KindStatistics(ready=1, seconds={"10": 1}, cost_micro_usd={"n": 3}),
        video=KindStatistics(
            ready=2,
            failed={"internal": 1, "cancelled": 1},
            seconds={"90": 2},
            refund_lag_s={"90": 1, "0": 1},
            refund_lag_max_s=61.5,
            cost_micro_usd={"m": 500_000, NO_MODEL: 250_000},
        ),
        folded_at=NOON,
    )


def test_counting_in_parts_and_in_any_order_has_one_result() -> None:
    outcomes = [outcome(seconds=float(n), cost_micro_usd=n) for n in range(100)]

    at_once = HOUR.counted(outcomes, at=NOON)
    in_parts = HOUR.counted(outcomes[50:], at=NOON).counted(reversed(outcomes[:50]), at=NOON)

    assert in_parts == at_once
    assert at_once.video.total_micro_usd == sum(range(100))


def test_outcome_of_an_earlier_release_is_refused() -> None:
    with pytest.raises(ValueError, match="no outcome"):
        HOUR.counted([outcome(outcome=None)], at=NOON)


def test_hours_are_those_of_utc_and_sort_like_their_ids() -> None:
    east = timezone(timedelta(hours=9))
    assert hour_id(datetime(2026, 11, 29, 0, 30, tzinfo=east)) == "2026-11-28T15"
    assert HourStatistics(hour_id="2026-11-28T15").begins_at == datetime(
        2026, 11, 28, 15, tzinfo=UTC
    )
    ids = [hour_id(NOON + timedelta(hours=n)) for n in range(800)]
    assert ids == sorted(ids)


def test_bucket_includes_its_bound() -> None:
    assert [bucket(s, LAG_BOUNDS) for s in (0, 0.001, 10, 10.001, 86_401)] == [
        *("0", "10", "10", "30", MORE),
    ]
    assert list(SECONDS_BOUNDS) == sorted(set(SECONDS_BOUNDS))
    assert list(LAG_BOUNDS) == sorted(set(LAG_BOUNDS))


@pytest.mark.parametrize(
    ("counts", "median", "most"),
    [
        ({}, None, None),
        ({"5": 1}, 5, 5),
        ({"5": 1, "10": 1}, 5, 10),
        ({"10": 95, "120": 5}, 10, 10),
        ({"120": 6, "10": 94}, 10, 120),
        ({MORE: 3, "90": 2}, SECONDS_BOUNDS[-1], SECONDS_BOUNDS[-1]),
        ({"7": 1, "8": 1, "9": 1}, 8, 9),
    ],
)
def test_quantile_is_the_bound_of_its_bucket(
    counts: dict[str, int], median: float | None, most: float | None
) -> None:
    assert quantile_s(counts, 0.5, SECONDS_BOUNDS) == median
    assert quantile_s(counts, 0.95, SECONDS_BOUNDS) == most


def test_parts_are_added_field_by_field() -> None:
    one = HOUR.counted([outcome(), failed(FailureCode.INTERNAL, refund_lag_s=9.0)], at=NOON).video
    two = HOUR.counted([outcome(model="n")], at=NOON).video

    assert added([one, two]) == KindStatistics(
        ready=2,
        failed={"internal": 1},
        seconds={"90": 2},
        refund_lag_s={"10": 1},
        refund_lag_max_s=9.0,
        cost_micro_usd={"m": 500_000, "n": 250_000},
    )
