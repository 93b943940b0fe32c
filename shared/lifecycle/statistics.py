"""The numbers of the last hours: from the folded statistics, and from what is unfinished now.

What settled a moment ago and is not folded yet counts only as created: the sweep folds every minute.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.failure import CAUSED_BY_OWNER
from shared.domain.kind import Kind, PerKind
from shared.domain.statistics import (
    LAG_BOUNDS,
    SECONDS_BOUNDS,
    Counts,
    HourStatistics,
    KindStatistics,
    added,
    hour_id,
    quantile_s,
)
from shared.domain.status import Status
from shared.ports.clock import Clock
from shared.ports.store import Page, Store

HOURS_MAX = 24 * 31
"""The longest window."""
HOURLY_MAX = 24
"""The longest window whose series has an item for each hour; a longer one has one for each day."""
MEDIAN, MOST = 0.5, 0.95


@dataclass(frozen=True, kw_only=True)
class KindNumbers:
    """The numbers of one kind. Times are the upper bounds of their buckets."""

    ready: int
    failed: int
    failed_by_code: Counts
    success_rate: float | None
    """The ready ones among the settled ones, without those that their owners made fail."""
    median_s: float | None
    """From the debit to the draft; None without any."""
    p95_s: float | None
    cost_micro_usd: int
    pending: int
    processing: int
    oldest_waiting_s: float | None
    """Of those that a job could claim now; None if nothing waits."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """One item of the series: an hour or a UTC day, as far as the window includes it."""

    begins_at: datetime
    ready: int
    failed: int
    median_s: PerKind[float | None]
    cost_micro_usd: int


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What happened from `since` to `at`."""

    at: datetime
    since: datetime
    """The start of an hour (UTC)."""
    created: int
    """What settled in the window and what is unfinished now."""
    ready: int
    failed: int
    failed_by_code: Counts
    success_rate: float | None
    refund_rate: float | None
    """The failed ones among the settled ones: each is refunded."""
    refund_lag_median_s: float | None
    refund_lag_p95_s: float | None
    refund_lag_max_s: float
    published: int
    """What is published now and was published in the window."""
    published_share: float | None
    """For each one that became ready in the window."""
    image: KindNumbers
    video: KindNumbers
    cost_micro_usd: int
    cost_micro_usd_by_model: Counts
    cost_micro_usd_by_day: Counts
    oldest_unfolded_s: float | None
    """The age of the oldest outcome that is not counted yet; None without any."""
    series: Sequence[Interval]


@dataclass(frozen=True)
class Statistics:
    store: Store
    clock: Clock

    def of(self, hours: int) -> Numbers:
        """Return the numbers of the current UTC hour and of those before it, `hours` in all.

        Raises:
            StoreUnavailable: something could not be read.
        """
        if not 1 <= hours <= HOURS_MAX:
            raise ValueError(f"hours must be from 1 to {HOURS_MAX}")
        at = self.clock.now()
        since = start_of_hour(at) - timedelta(hours=hours - 1)
        found = self.store.statistics(hour_id(since))
        total = added(each.of(kind) for each in found for kind in Kind)
        unfolded = self.store.unfolded_since(since)  # before the unfinished ones: none counts twice
        image, video = (self._of_kind(kind, found, at) for kind in (Kind.IMAGE, Kind.VIDEO))
        unfinished = sum(each.pending + each.processing for each in (image, video))
        published = self.store.published_since(since)
        return Numbers(
            at=at,
            since=since,
            created=total.settled_count + unfolded + unfinished,
            ready=total.ready,
            failed=total.failed_count,
            failed_by_code=total.failed,
            success_rate=_success_rate(total),
            refund_rate=_share(total.failed_count, total.settled_count),
            refund_lag_median_s=_lag_s(total, MEDIAN),
            refund_lag_p95_s=_lag_s(total, MOST),
            refund_lag_max_s=total.refund_lag_max_s,
            published=published,
            published_share=_share(published, total.ready),
            image=image,
            video=video,
            cost_micro_usd=total.total_micro_usd,
            cost_micro_usd_by_model=total.cost_micro_usd,
            cost_micro_usd_by_day=_by_day(found),
            oldest_unfolded_s=self._oldest_unfolded_s(at),
            series=_series(found, since, hours),
        )

    def _of_kind(self, kind: Kind, found: Iterable[HourStatistics], at: datetime) -> KindNumbers:
        total = added(each.of(kind) for each in found)
        waiting = self.store.waiting(kind, at, Page(1))
        since = waiting[0].available_at if waiting else None
        return KindNumbers(
            ready=total.ready,
            failed=total.failed_count,
            failed_by_code=total.failed,
            success_rate=_success_rate(total),
            median_s=quantile_s(total.seconds, MEDIAN, SECONDS_BOUNDS),
            p95_s=quantile_s(total.seconds, MOST, SECONDS_BOUNDS),
            cost_micro_usd=total.total_micro_usd,
            pending=self.store.unfinished(kind, Status.PENDING),
            processing=self.store.unfinished(kind, Status.PROCESSING),
            oldest_waiting_s=(at - since).total_seconds() if since else None,
        )

    def _oldest_unfolded_s(self, at: datetime) -> float | None:
        for oldest in self.store.unfolded(at, Page(1)):
            if oldest.fold_at is not None:
                return (at - oldest.fold_at).total_seconds()
        return None


def start_of_hour(at: datetime) -> datetime:
    return HourStatistics(hour_id=hour_id(at)).begins_at


def _success_rate(total: KindStatistics) -> float | None:
    by_owners = sum(total.failed.get(code, 0) for code in CAUSED_BY_OWNER)
    return _share(total.ready, total.settled_count - by_owners)


def _lag_s(total: KindStatistics, share: float) -> float | None:
    """Return a quantile of the refunds' lags; the last bucket ends at the longest one."""
    lag_s = quantile_s(total.refund_lag_s, share, LAG_BOUNDS)
    return None if lag_s is None else min(lag_s, total.refund_lag_max_s)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _by_day(found: Iterable[HourStatistics]) -> dict[str, int]:
    days: dict[str, int] = {}
    for each in found:
        cost = sum(each.of(kind).total_micro_usd for kind in Kind)
        day = each.begins_at.date().isoformat()
        days[day] = days.get(day, 0) + cost
    return days


def _series(found: Iterable[HourStatistics], since: datetime, hours: int) -> list[Interval]:
    """Return an item for each hour or day of the window, also for those without outcomes."""
    intervals: dict[datetime, list[HourStatistics]] = {}
    for number in range(hours):
        begins_at = since + timedelta(hours=number)
        intervals.setdefault(_interval_of(begins_at, hours), [])
    for each in found:
        if (key := _interval_of(each.begins_at, hours)) in intervals:
            intervals[key].append(each)
    return [_interval(begins_at, parts) for begins_at, parts in intervals.items()]


def _interval_of(hour: datetime, hours: int) -> datetime:
    return hour if hours <= HOURLY_MAX else hour.replace(hour=0)


def _interval(begins_at: datetime, parts: Iterable[HourStatistics]) -> Interval:
    kinds = {kind: added(each.of(kind) for each in parts) for kind in Kind}
    total = added(kinds.values())
    return Interval(
        begins_at=begins_at,
        ready=total.ready,
        failed=total.failed_count,
        median_s=PerKind(
            image=quantile_s(kinds[Kind.IMAGE].seconds, MEDIAN, SECONDS_BOUNDS),
            video=quantile_s(kinds[Kind.VIDEO].seconds, MEDIAN, SECONDS_BOUNDS),
        ),
        cost_micro_usd=total.total_micro_usd,
    )
