"""What a number of creations a day needs and costs: rates times times, for each kind.

Half of a day's creations arrive at the peak rate, the other half evenly in the rest of the day. By
Little's law, arrivals a second times the seconds of a creation are in progress at once.

Below the queue's rate every task starts an execution at once, so that draining changes nothing.
Above it, the queue starts executions at its rate, and they share all creations.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cli import quotas
from shared.domain.kind import Kind
from shared.domain.policy import Policy

DAY_S = 86_400
DAYS_PER_MONTH = 30
MINUTE_S = 60
BINDS_AT_MAX = 10**9
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
    """How many start in a second, how long each runs, and how many seconds of it are billed."""

    per_s: float
    run_s: float

    @property
    def billed_s(self) -> float:
        return max(quotas.JOB_BILLED_S_MIN.value, self.run_s)

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

    def binds_at(self, demand: Demand) -> int | None:
        """Return the creations a day at which it binds, or None if it never does."""

        def binds(per_day: int) -> bool:
            scaled = Demand(per_day=per_day, peak=demand.peak, video_share=demand.video_share)
            return self.load(scaled) > self.limit

        if not binds(BINDS_AT_MAX):
            return None
        below, above = 0, BINDS_AT_MAX
        while above - below > 1:
            middle = (below + above) // 2
            below, above = (below, middle) if binds(middle) else (middle, above)
        return above


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
        places = self.policy.at_once(kind) * quotas.OCCUPANCY
        shared_s = arrivals_per_s * self.policy.typical_s(kind) / (dispatches_per_s * places)
        longest_s = self.policy.drain_s(kind) + own_s
        return Executions(dispatches_per_s, min(longest_s, max(own_s, quotas.START_S + shared_s)))

    def heartbeats(self, kind: Kind) -> int:
        return int(self.policy.typical_s(kind) // self.policy.heartbeat_s)

    def writes(self, kind: Kind) -> int:
        return quotas.WRITES[kind] + 2 * self.heartbeats(kind)

    def sweep_at_writes(self, kind: Kind) -> int:
        return quotas.SWEEP_AT_WRITES[kind] + self.heartbeats(kind)

    def reads(self, kind: Kind, arrivals_per_s: float) -> float:
        """Return the documents read for one creation: by the lifecycle, its page and the looks."""
        heartbeats = self.heartbeats(kind)
        lifecycle = quotas.READS[kind] + 2 * heartbeats
        page = quotas.STREAM_READS + quotas.SHOWN_WRITES[kind] + heartbeats
        crowding = arrivals_per_s * MINUTE_S / quotas.DISPATCHES_PER_MIN[kind]
        looks = quotas.DRAIN_READS + quotas.DRAIN_READS_PER_CROWDING * crowding
        return lifecycle + page + (looks if self.drains else 0)

    def api_instances(self, arrivals_per_s: float) -> float:
        """Return the mean number of instances that are billed at this rate."""
        streams = arrivals_per_s * quotas.WATCHED_S
        needed = max(
            min(1.0, streams),
            streams / quotas.STREAMS_PER_INSTANCE,
            arrivals_per_s * api_cpu_s() / quotas.CPU_SHARE_MAX,
        )
        return min(quotas.API_INSTANCES_MAX, needed)

    def walls(self) -> list[Wall]:
        return [*self._starts(), *self._at_once(), *self._store(), *self._api(), *self._generator()]

    def _starts(self) -> Iterator[Wall]:
        for kind, per_min in quotas.DISPATCHES_PER_MIN.items():
            yield Wall(
                what=f"{kind} queue, starts a minute",
                limit=per_min,
                load=lambda demand, kind=kind: MINUTE_S * self._peak(kind, demand).per_s,
                past="tasks wait until their deadline; raise the queue's rate",
            )
        yield Wall(
            what="jobs:run a minute",
            limit=quotas.STARTS_PER_MIN.value,
            load=lambda demand: MINUTE_S * sum(self._peak(kind, demand).per_s for kind in Kind),
            past="429, the queue retries; raise the quota",
        )
        yield Wall(
            what="running executions",
            limit=quotas.EXECUTIONS_MAX.value,
            load=lambda demand: sum(self._peak(kind, demand).at_once for kind in Kind),
            past="429, the queue retries; raise the quota",
        )

    def _at_once(self) -> Iterator[Wall]:
        if not self.drains:
            return
        for kind in Kind:
            run_s = quotas.START_S + self.policy.typical_s(kind) + self.policy.drain_s(kind)
            executions = quotas.DISPATCHES_PER_MIN[kind] / MINUTE_S * run_s
            yield Wall(
                what=f"{kind}s that executions hold at once",
                limit=executions * self.policy.at_once(kind) * quotas.OCCUPANCY,
                load=lambda demand, kind=kind: self._in_progress(kind, demand),
                past="tasks wait until their deadline; raise the queue's rate",
            )
            yield Wall(
                what=f"{kind}s processing, the brake",
                limit=self.policy.running_max(kind),
                load=lambda demand, kind=kind: self._in_progress(kind, demand),
                past=f"executions take only their own; PHOENIX_POLICY_{kind.upper()}S_RUNNING_MAX",
            )

    def _store(self) -> Iterator[Wall]:
        def total(of: Callable[[Kind], int]) -> Callable[[Demand], float]:
            return lambda demand: sum(demand.peak_per_s(kind) * of(kind) for kind in Kind)

        opened_per_s = self.policy.opened_per_hour_max / 3600
        yield Wall(
            what="Firestore writes a second",
            limit=quotas.WRITES_PER_S.value,
            load=total(self.writes),
            past="higher latency; a second database",
        )
        yield Wall(
            what="writes of the index on sweepAt a second",
            limit=quotas.INDEX_WRITES_PER_S.value,
            load=total(self.sweep_at_writes),
            past="contention; spread the index over shards",
        )
        yield Wall(
            what="writes of one account a second",
            limit=quotas.DOCUMENT_WRITES_PER_S.value,
            load=lambda _: opened_per_s * ACCOUNT_WRITES_PER_OPEN,
            past="contention: opens of this account are retried",
        )
        yield Wall(
            what="refunds of the sweep a minute, in an outage",
            limit=self.policy.sweep_creations_max * MINUTE_S / self.policy.sweep_every_s,
            load=lambda demand: MINUTE_S * demand.peak_per_s_of_all,
            past="refunds are late while the outage lasts",
        )

    def _api(self) -> Iterator[Wall]:
        yield Wall(
            what="event streams",
            limit=quotas.API_INSTANCES_MAX * quotas.STREAMS_PER_INSTANCE,
            load=lambda demand: demand.peak_per_s_of_all * quotas.WATCHED_S,
            past="pages poll; more API instances",
        )
        yield Wall(
            what="vCPUs of the API",
            limit=quotas.API_INSTANCES_MAX * quotas.CPU_SHARE_MAX,
            load=lambda demand: demand.peak_per_s_of_all * api_cpu_s(),
            past="slow answers, then 429; more API instances",
        )

    def _generator(self) -> Iterator[Wall]:
        if self.is_veo:
            yield Wall(
                what="video starts of the generator a minute",
                limit=quotas.VEO_STARTS_PER_MIN.value,
                load=lambda demand: MINUTE_S * demand.peak_per_s(Kind.VIDEO),
                past="429, executions slow down; raise the quota",
            )

    def _peak(self, kind: Kind, demand: Demand) -> Executions:
        return self.executions(kind, demand.peak_per_s(kind))

    def _in_progress(self, kind: Kind, demand: Demand) -> float:
        return demand.peak_per_s(kind) * self.policy.typical_s(kind)


def api_cpu_s() -> float:
    """Return the API's CPU seconds for one creation."""
    return quotas.POST_CPU_S + (quotas.REQUESTS - 1) * quotas.READ_CPU_S


def first_to_bind(walls: list[Wall], demand: Demand) -> tuple[Wall, int] | None:
    """Return the wall with the fewest creations a day, if any binds."""
    binding = [(wall, at) for wall in walls if (at := wall.binds_at(demand)) is not None]
    return min(binding, key=lambda each: each[1], default=None)


def draining_begins_at(demand: Demand) -> dict[Kind, float]:
    """Return the creations a day of both kinds at which the peak of a kind exceeds its queue."""
    shares = {Kind.IMAGE: 1 - demand.video_share, Kind.VIDEO: demand.video_share}
    return {
        kind: quotas.DISPATCHES_PER_MIN[kind] / MINUTE_S * DAY_S / demand.peak / share
        if share
        else math.inf
        for kind, share in shares.items()
    }
