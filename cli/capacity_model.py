"""What a number of creations a day needs and costs: rates times times, for each kind.

Half of a day's creations arrive at the peak rate, the other half evenly in the rest of the day. By
Little's law, arrivals a second times the seconds of a creation are in progress at once.

Below the queue's rate every task starts an execution at once, so that draining changes nothing.
Above it, the queue starts executions at its rate, and they share all creations; if `drain_s` is too
short for that, more must start.

Executions that share end when looks find nothing. That is about equally probable at every look, so
that their lengths are exponentially distributed: many are short, even if the mean is not, and each
short one is billed for a whole minute.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from cli import quotas
from cli.capacity_pages import Pages
from shared.domain.kind import Kind
from shared.domain.policy import Policy

DAY_S = 86_400
DAYS_PER_MONTH = 30
MINUTE_S = 60
PER_DAY_MAX = 10**9
ROUNDING = 1e-9
ACCOUNT_WRITES_PER_OPEN = 2
"""The debit, and the end of the run."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """Creations a day; `peak` is the peak rate over the day's mean, at least 1."""

    per_day: float
    peak: float
    video_share: float

    def mean_per_s(self, kind: Kind) -> float:
        share = self.video_share if kind is Kind.VIDEO else 1 - self.video_share
        return self.per_day * share / DAY_S

    def peak_per_s(self, kind: Kind) -> float:
        return self.mean_per_s(kind) * self.peak

    @property
    def peak_per_s_of_all(self) -> float:
        return self.per_day * self.peak / DAY_S

    def phases(self) -> Iterator[tuple[float, float]]:
        """Yield the seconds of each part of a month, and its rate over the mean."""
        peak_share = 1 / (2 * self.peak)
        month_s = DAYS_PER_MONTH * DAY_S
        yield month_s * peak_share, self.peak
        yield month_s * (1 - peak_share), 1 / (2 * (1 - peak_share))


@dataclass(frozen=True)
class Executions:
    """How many start in a second, and their times.

    Each runs for at least `shortest_s`, and for `more_s` in addition: the mean of an exponential
    distribution, or 0 if all run equally long.
    """

    per_s: float
    shortest_s: float
    more_s: float = 0

    @property
    def run_s(self) -> float:
        return self.shortest_s + self.more_s

    @property
    def billed_s(self) -> float:
        """Return the mean of the seconds billed: the longer of the run and a minute."""
        below_s = quotas.JOB_BILLED_S_MIN.value - self.shortest_s
        if below_s <= 0:
            return self.run_s
        share_above = math.exp(-below_s / self.more_s) if self.more_s else 0
        return quotas.JOB_BILLED_S_MIN.value + self.more_s * share_above

    @property
    def at_once(self) -> float:
        return self.per_s * self.run_s


@dataclass(frozen=True, kw_only=True)
class Wall:
    """A limit; `load` is what a demand needs of it at its peak, in the same unit."""

    what: str
    limit: float
    load: Callable[[Demand], float]
    past: str
    """What happens past it, or what to raise."""

    def holds_up_to(self, demand: Demand) -> int | None:
        """Return the most creations a day that it allows, or None if it never binds."""

        def holds(per_day: int) -> bool:
            scaled = replace(demand, per_day=per_day)
            return self.load(scaled) <= self.limit * (1 + ROUNDING)

        if holds(PER_DAY_MAX):
            return None
        below, above = 0, PER_DAY_MAX
        while above - below > 1:
            middle = (below + above) // 2
            below, above = (middle, above) if holds(middle) else (below, middle)
        return below


@dataclass(frozen=True, kw_only=True)
class Model:
    """One installation, with executions that drain or with one for each creation."""

    policy: Policy
    drains: bool
    is_veo: bool = False

    def executions(self, kind: Kind, arrivals_per_s: float) -> Executions:
        own_s = quotas.START_S + self.policy.typical_s(kind)
        dispatches_per_s = quotas.DISPATCHES_PER_MIN[kind] / MINUTE_S
        if not self.drains or arrivals_per_s <= dispatches_per_s:
            return Executions(arrivals_per_s, own_s)
        longest_s = self.policy.typical_s(kind) + self.policy.drain_s(kind)
        work = arrivals_per_s * self.policy.typical_s(kind)
        work /= self.policy.at_once(kind) * quotas.OCCUPANCY[kind]
        per_s = max(dispatches_per_s, work / longest_s)
        return Executions(per_s, quotas.START_S, work / per_s)

    def heartbeats(self, kind: Kind) -> int:
        return int(self.policy.typical_s(kind) // self.policy.heartbeat_s)

    def writes(self, kind: Kind) -> float:
        return quotas.WRITES[kind] + 2 * self.heartbeats(kind) + quotas.FOLD_WRITES

    def index_writes(self, field: str, kind: Kind) -> int:
        renewed = self.heartbeats(kind) if field == quotas.LEASE_INDEX else 0
        return quotas.INDEX_WRITES[field] + renewed

    def reads(self, kind: Kind, arrivals_per_s: float) -> float:
        """Return the documents read for one creation: by the lifecycle, its page and the looks."""
        heartbeats = self.heartbeats(kind)
        lifecycle = quotas.READS[kind] + 2 * heartbeats + quotas.FOLD_READS
        page = quotas.STREAM_READS + quotas.SHOWN_WRITES[kind] + heartbeats
        crowding = arrivals_per_s * MINUTE_S / quotas.DISPATCHES_PER_MIN[kind]
        looks = quotas.DRAIN_READS + quotas.DRAIN_READS_PER_CROWDING * crowding
        return lifecycle + page + (looks if self.drains else 0)

    def pages(self, demand: Demand, factor: float) -> Pages:
        """Return the open pages at a rate that is the mean times this factor."""
        rates = {kind: demand.mean_per_s(kind) * factor for kind in Kind}
        return Pages(policy=self.policy, opened_per_s=rates)

    def walls(self) -> list[Wall]:
        return [*self._starts(), *self._brakes(), *self._store(), *self._api(), *self._generator()]

    def _starts(self) -> Iterator[Wall]:
        for kind, per_min in quotas.DISPATCHES_PER_MIN.items():
            yield Wall(
                what=f"{kind} starts a minute",
                limit=per_min,
                load=partial(self._starts_per_min, [kind]),
                past="tasks wait; raise its rate",
            )
        yield Wall(
            what="jobs:run a minute",
            limit=quotas.STARTS_PER_MIN.value,
            load=partial(self._starts_per_min, [*Kind]),
            past="429, retried; raise the quota",
        )
        yield Wall(
            what="running executions",
            limit=quotas.EXECUTIONS_MAX.value,
            load=self._running,
            past="429, retried; raise the quota",
        )

    def _brakes(self) -> Iterator[Wall]:
        for kind in Kind if self.drains else ():
            yield Wall(
                what=f"{kind}s processing (brake)",
                limit=self.policy.running_max(kind),
                load=partial(self._in_progress, kind),
                past=f"no more is taken; {kind.upper()}S_RUNNING_MAX",
            )

    def _store(self) -> Iterator[Wall]:
        def total(of: Callable[[Kind], float]) -> Callable[[Demand], float]:
            return lambda demand: sum(demand.peak_per_s(kind) * of(kind) for kind in Kind)

        opened_per_s = self.policy.opened_per_hour_max / 3600
        yield Wall(
            what="Firestore writes a second",
            limit=quotas.WRITES_PER_S.value,
            load=total(self.writes),
            past="latency; a second database",
        )
        for field in quotas.INDEX_WRITES:
            yield Wall(
                what=f"index {field}",
                limit=quotas.INDEX_WRITES_PER_S.value,
                load=total(partial(self.index_writes, field)),
                past="slower writes; shard it",
            )
        yield Wall(
            what="writes of an account a second",
            limit=quotas.DOCUMENT_WRITES_PER_S.value,
            load=lambda _: opened_per_s * ACCOUNT_WRITES_PER_OPEN,
            past="its opens are retried",
        )
        yield Wall(
            what="refunds a minute in an outage",
            limit=self.policy.sweep_creations_max * MINUTE_S / self.policy.sweep_every_s,
            load=lambda demand: MINUTE_S * demand.peak_per_s_of_all,
            past="refunds are late",
        )

    def _api(self) -> Iterator[Wall]:
        yield Wall(
            what="API instances",
            limit=quotas.API_INSTANCES_MAX,
            load=lambda demand: self.pages(demand, demand.peak).instances(),
            past="pages poll; --max-instances",
        )

    def _generator(self) -> Iterator[Wall]:
        if self.is_veo:
            yield Wall(
                what="Veo starts a minute",
                limit=quotas.VEO_STARTS_PER_MIN.value,
                load=lambda demand: MINUTE_S * demand.peak_per_s(Kind.VIDEO),
                past="429 and pauses; raise the quota",
            )

    def _starts_per_min(self, kinds: Sequence[Kind], demand: Demand) -> float:
        return MINUTE_S * sum(self._peak(kind, demand).per_s for kind in kinds)

    def _running(self, demand: Demand) -> float:
        return sum(self._peak(kind, demand).at_once for kind in Kind)

    def _peak(self, kind: Kind, demand: Demand) -> Executions:
        return self.executions(kind, demand.peak_per_s(kind))

    def _in_progress(self, kind: Kind, demand: Demand) -> float:
        return demand.peak_per_s(kind) * self.policy.typical_s(kind)


def to_raise(walls: list[Wall], demand: Demand) -> dict[str, int]:
    """Return the limits that this demand exceeds, with the least values that would hold."""
    loads = {wall: wall.load(demand) for wall in walls}
    return {
        wall.what: math.ceil(load * (1 - ROUNDING))
        for wall, load in loads.items()
        if load > wall.limit * (1 + ROUNDING)
    }


def in_order(walls: list[Wall], demand: Demand) -> list[tuple[Wall, int]]:
    """Return the walls that bind at some number of creations a day, the first one first."""
    binding = [(wall, at) for wall in walls if (at := wall.holds_up_to(demand)) is not None]
    return sorted(binding, key=lambda each: each[1])


def draining_begins_at(demand: Demand) -> dict[Kind, float]:
    """Return the creations a day of both kinds at which the peak of a kind exceeds its queue."""
    shares = {Kind.IMAGE: 1 - demand.video_share, Kind.VIDEO: demand.video_share}
    return {
        kind: quotas.DISPATCHES_PER_MIN[kind] / MINUTE_S * DAY_S / demand.peak / share
        if share
        else math.inf
        for kind, share in shares.items()
    }
