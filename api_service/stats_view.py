"""The response body of the operators' numbers, and its window."""

from collections.abc import Mapping
from typing import Annotated, Self

from fastapi import Depends
from pydantic import WithJsonSchema

from api_service.responses import Time, View
from shared.domain.errors import WrongField
from shared.domain.kind import Kind
from shared.lifecycle.statistics import KindNumbers, Numbers

STATS_HOURS_MAX = 7 * 24
STATS_HOURS_DEFAULT = 24
WRONG_HOURS = WrongField(field="hours", reason=f"use 1 to {STATS_HOURS_MAX}")
_HOURS = WithJsonSchema(
    {
        "type": "integer",
        "minimum": 1,
        "maximum": STATS_HOURS_MAX,
        "default": STATS_HOURS_DEFAULT,
        "description": "The current UTC hour and those before it",
    }
)


def _hours(hours: Annotated[str | None, _HOURS] = None) -> int:
    if hours is None:
        return STATS_HOURS_DEFAULT
    if hours not in {str(count) for count in range(1, STATS_HOURS_MAX + 1)}:
        raise WRONG_HOURS
    return int(hours)


HoursDep = Annotated[int, Depends(_hours)]


class KindNumbersView(View):
    """The numbers of one kind; times are the upper bounds of their buckets."""

    ready: int
    failed: int
    failed_by_code: dict[str, int]
    success_rate: float | None
    median_s: float | None
    p95_s: float | None
    cost_micro_usd: int
    pending: int
    processing: int
    oldest_waiting_s: float | None
    is_paused: bool

    @classmethod
    def of(cls, numbers: KindNumbers, *, is_paused: bool) -> Self:
        return cls.from_document(numbers, is_paused=is_paused)


class MediansView(View):
    image: float | None
    video: float | None


class IntervalView(View):
    begins_at: Time
    ready: int
    failed: int
    median_s: MediansView
    cost_micro_usd: int


class StatsView(View):
    """What happened from `since` to `at`.

    `series` has an item for each hour; in a window longer than a day, one for each UTC day.
    """

    at: Time
    since: Time
    created: int
    ready: int
    failed: int
    failed_by_code: dict[str, int]
    success_rate: float | None
    refund_rate: float | None
    refund_lag_median_s: float | None
    refund_lag_p95_s: float | None
    refund_lag_max_s: float
    published: int
    published_share: float | None
    image: KindNumbersView
    video: KindNumbersView
    cost_micro_usd: int
    cost_micro_usd_by_model: dict[str, int]
    cost_micro_usd_by_day: dict[str, int]
    oldest_unfolded_s: float | None
    series: list[IntervalView]

    @classmethod
    def of(cls, numbers: Numbers, paused: Mapping[Kind, bool]) -> Self:
        return cls.from_document(
            numbers,
            image=KindNumbersView.of(numbers.image, is_paused=paused[Kind.IMAGE]),
            video=KindNumbersView.of(numbers.video, is_paused=paused[Kind.VIDEO]),
            series=[IntervalView(**vars(each)) for each in numbers.series],
        )
