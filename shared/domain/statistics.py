"""Statistics: the outcomes of one UTC hour, counted.

Counts and micro-dollars are exact. Times are counted in fixed buckets, so that a quantile is known to
its bucket.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.domain.keys import Collection, Key
from shared.domain.kind import Kind
from shared.domain.ledger import Cost, RunOutcome

Counts = Mapping[str, int]

SECONDS_BOUNDS = (
    *(1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 75, 90, 105, 120, 150, 180, 240),
    *(300, 360, 420, 480, 600, 720, 900, 1200),
)
"""The upper bounds of the buckets of the seconds from a debit to its draft."""
LAG_BOUNDS = (0, 10, 30, 60, 90, 120, 180, 300, 600, 1800, 3600, 21_600, 86_400)
"""Of the seconds from a deadline to its refund; 0 is in time."""
MORE = "more"
"""The bucket above the last bound."""
NO_MODEL = "none"
"""The name in `cost_micro_usd` of an outcome without a model."""


@dataclass(frozen=True, kw_only=True)
class KindStatistics:
    """The outcomes of one kind. Buckets are named by their upper bounds."""

    ready: int = 0
    failed: Counts = field(default_factory=dict)
    """By failure code."""
    seconds: Counts = field(default_factory=dict)
    """Of the ready ones, by bucket."""
    refund_lag_s: Counts = field(default_factory=dict)
    """Of the failed ones, by bucket."""
    refund_lag_max_s: float = 0.0
    cost_micro_usd: Counts = field(default_factory=dict)
    """By model."""

    @property
    def failed_count(self) -> int:
        return sum(self.failed.values())

    @property
    def settled_count(self) -> int:
        return self.ready + self.failed_count

    @property
    def total_micro_usd(self) -> int:
        return sum(self.cost_micro_usd.values())


@dataclass(frozen=True, kw_only=True)
class HourStatistics:
    """What settled in one hour, as far as it is folded."""

    hour_id: str
    image: KindStatistics = field(default_factory=KindStatistics)
    video: KindStatistics = field(default_factory=KindStatistics)
    folded_at: datetime | None = None
    """When outcomes were last added."""

    @property
    def key(self) -> Key["HourStatistics"]:
        return hour_key(self.hour_id)

    @property
    def begins_at(self) -> datetime:
        return datetime.strptime(self.hour_id, HOUR_FORMAT).replace(tzinfo=UTC)

    def of(self, kind: Kind) -> KindStatistics:
        return self.video if kind is Kind.VIDEO else self.image

    def counted(self, outcomes: Iterable[Cost], *, at: datetime) -> "HourStatistics":
        tally = HourTally(self)
        for outcome in outcomes:
            tally.add(outcome)
        return tally.total(folded_at=at)


HOUR_FORMAT = "%Y-%m-%dT%H"


def hour_id(at: datetime) -> str:
    """Return the id of a time's hour, such as `2026-11-28T14`: ids sort like the hours."""
    return f"{at.astimezone(UTC):{HOUR_FORMAT}}"


def hour_key(id_: str) -> Key[HourStatistics]:
    return Key(Collection.STATISTICS, id_)


def bucket(seconds: float, bounds: Sequence[int]) -> str:
    """Return the name of the first bucket whose bound is not exceeded."""
    return next((str(bound) for bound in bounds if seconds <= bound), MORE)


def quantile_s(counts: Counts, share: float, bounds: Sequence[int]) -> float | None:
    """Return the upper bound of the bucket with this quantile, and for the last bucket its lower one.

    None if nothing is counted.
    """
    left = math.ceil(share * sum(counts.values()))
    for name in sorted(counts, key=_bound):
        left -= counts[name]
        if left <= 0:
            return bounds[-1] if name == MORE else _bound(name)
    return None


def _bound(name: str) -> float:
    return math.inf if name == MORE else float(name)


def added(parts: Iterable[KindStatistics]) -> KindStatistics:
    total = _KindTally(KindStatistics())
    for part in parts:
        total.merge(part)
    return total.total()


class HourTally:
    """The statistics of one hour while outcomes are added."""

    def __init__(self, start: HourStatistics) -> None:
        self._hour_id = start.hour_id
        self._kinds = {kind: _KindTally(start.of(kind)) for kind in Kind}

    def add(self, outcome: Cost) -> None:
        """Count an outcome, which has a kind and a result."""
        if outcome.kind is None or outcome.outcome is None:
            raise ValueError(f"{outcome.cost_id} is no outcome")
        self._kinds[outcome.kind].add(outcome)

    def total(self, *, folded_at: datetime | None = None) -> HourStatistics:
        image, video = (self._kinds[kind].total() for kind in (Kind.IMAGE, Kind.VIDEO))
        return HourStatistics(hour_id=self._hour_id, image=image, video=video, folded_at=folded_at)


class _KindTally:
    def __init__(self, start: KindStatistics) -> None:
        self.ready = start.ready
        self.failed, self.seconds = Counter(start.failed), Counter(start.seconds)
        self.lags, self.costs = Counter(start.refund_lag_s), Counter(start.cost_micro_usd)
        self.lag_max_s = start.refund_lag_max_s

    def add(self, outcome: Cost) -> None:
        if outcome.outcome is RunOutcome.READY:
            self.ready += 1
            self.seconds[bucket(outcome.seconds, SECONDS_BOUNDS)] += 1
        else:
            self.failed[str(outcome.failure)] += 1
            self.lags[bucket(outcome.refund_lag_s, LAG_BOUNDS)] += 1
            self.lag_max_s = max(self.lag_max_s, outcome.refund_lag_s)
        if outcome.cost_micro_usd:
            self.costs[outcome.model or NO_MODEL] += outcome.cost_micro_usd

    def merge(self, part: KindStatistics) -> None:
        self.ready += part.ready
        self.failed.update(part.failed)
        self.seconds.update(part.seconds)
        self.lags.update(part.refund_lag_s)
        self.costs.update(part.cost_micro_usd)
        self.lag_max_s = max(self.lag_max_s, part.refund_lag_max_s)

    def total(self) -> KindStatistics:
        return KindStatistics(
            ready=self.ready,
            failed=dict(self.failed),
            seconds=dict(self.seconds),
            refund_lag_s=dict(self.lags),
            refund_lag_max_s=self.lag_max_s,
            cost_micro_usd=dict(self.costs),
        )
