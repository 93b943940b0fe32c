"""Admission: the switches, the day's cost and the queue decide whether a creation may be opened.

The gauges are read outside requests, never in their transactions: a transaction writes every
document it reads, and one that all of them write would be a bottleneck. Creations opened between
two readings can therefore exceed a limit. A gauge that cannot be read refuses nothing; a request
waits a few seconds for the first reading, or the first after a quiet time, then continues without.
"""

import logging
import math
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import Enum, auto
from functools import partial
from threading import Condition

from shared.domain.errors import Paused, QueueFull, SpendingLimit, Unavailable
from shared.domain.kind import Kind
from shared.domain.operating import switch_key
from shared.domain.policy import Policy
from shared.domain.status import Status
from shared.ports.clock import Clock
from shared.ports.store import Store
from shared.ports.task_queue import TaskQueue

log = logging.getLogger(__name__)

FIRST_READ_S = 5.0
"""How long a request waits for a switch and a cost that are unknown or too old."""


class Gauge(Enum):
    PAUSED = auto()
    COST_USD = auto()
    """The day's cost so far, plus the price of everything unfinished."""
    WAIT_S = auto()
    """How long a new task would wait in the queue."""


@dataclass(frozen=True)
class Measurement:
    """A gauge's value, and when it was read by both clocks."""

    value: float
    at_s: float
    at: datetime


Measurements = Mapping[tuple[Gauge, Kind | None], Measurement]
COST = (Gauge.COST_USD, None)


@dataclass(frozen=True, kw_only=True)
class Brake:
    """The ceiling on the day's vendor cost, and the price of one creation of each kind."""

    cost_usd_max: float | None
    price_usd: Callable[[Kind], float]


@dataclass(eq=False)
class Admission:
    """Refuses new creations; a replay is not refused."""

    store: Store
    queue: TaskQueue
    clock: Clock
    policy: Policy
    brake: Brake
    worker: Executor
    wait_max_s: float = FIRST_READ_S
    _changed: Condition = field(default_factory=Condition, init=False)
    _last: Measurements = field(default_factory=dict, init=False)
    _began_s: float = field(default=-math.inf, init=False)
    _is_reading: bool = field(default=False, init=False)

    def warm_up(self) -> None:
        """Read all gauges, so that the first request need not wait for them."""
        self._begin_if_due()
        self._await(lambda: not self._is_reading)

    def refusal(self, kind: Kind) -> Unavailable | None:
        """Return why nothing new of this kind may be opened, or None."""
        self._refresh(kind)
        return self._refusal(kind)

    def _refusal(self, kind: Kind) -> Unavailable | None:
        last, at = self._last, self.clock.now()
        switch = last.get((Gauge.PAUSED, kind))
        if switch is not None and switch.value:
            return Paused(kind=kind)
        ceiling_usd, cost_usd = self.brake.cost_usd_max, last.get(COST)
        is_of_today = cost_usd is not None and cost_usd.at.date() == at.date()
        if ceiling_usd is not None and cost_usd and is_of_today and cost_usd.value >= ceiling_usd:
            until_midnight = midnight(at) + timedelta(days=1) - at
            return SpendingLimit(retry_after_s=math.ceil(until_midnight.total_seconds()))
        wait_s = last.get((Gauge.WAIT_S, kind))
        if wait_s is None or self._age_s(wait_s) > self.policy.gauges_life_s:
            return None
        too_long_s = wait_s.value - self.policy.queue_room_s(kind)
        if too_long_s <= 0:
            return None
        retry_after_s = min(max(too_long_s, self.policy.gauges_every_s), self.policy.deadline_s)
        return QueueFull(kind=kind, retry_after_s=math.ceil(retry_after_s))

    def _age_s(self, measurement: Measurement) -> float:
        return self.clock.monotonic_s() - measurement.at_s

    def _refresh(self, kind: Kind) -> None:
        """Begin the next reading when it is due, in one thread at a time.

        A request waits for it only if the switch of its kind, or the day's cost, is so old that it
        may have changed long ago: at the first request, and after a time without any.
        """
        for _ in range(2):  # a reading in progress may have begun long ago
            self._begin_if_due()
            is_in_time = self._await(lambda: not self._is_reading or self._is_fresh(kind))
            if not is_in_time or self._is_fresh(kind):
                return

    def _await(self, is_enough: Callable[[], bool]) -> bool:
        with self._changed:
            return self._changed.wait_for(is_enough, timeout=self.wait_max_s)

    def _is_fresh(self, kind: Kind) -> bool:
        needed = [self._last.get((Gauge.PAUSED, kind))]
        if self.brake.cost_usd_max is not None:
            needed.append(self._last.get(COST))
        old_s = 2 * self.policy.gauges_every_s
        return all(each is not None and self._age_s(each) <= old_s for each in needed)

    def _begin_if_due(self) -> None:
        now_s = self.clock.monotonic_s()
        with self._changed:
            if self._is_reading or now_s - self._began_s < self.policy.gauges_every_s:
                return
            self._is_reading, self._began_s = True, now_s
        try:
            self.worker.submit(self._read)
        except RuntimeError:  # the process is ending, and its workers accept nothing more
            self._end()

    def _end(self) -> None:
        with self._changed:
            self._is_reading = False
            self._changed.notify_all()

    def _read(self) -> None:
        """Read every gauge, the ones that stop everything first; each applies once it is known."""
        try:
            for kind in Kind:
                self._measure(Gauge.PAUSED, kind, partial(self._is_paused, kind))
            self._measure(Gauge.COST_USD, None, self._cost_usd)
            for kind in Kind:
                self._measure(Gauge.WAIT_S, kind, partial(self._wait_s, kind))
            self._log_brakes()
        finally:
            self._end()

    def _measure(self, gauge: Gauge, kind: Kind | None, read: Callable[[datetime], float]) -> None:
        """Publish a gauge's value; if it cannot be read, keep the last one, but drop a wait."""
        key, at_s, at = (gauge, kind), self.clock.monotonic_s(), self.clock.now()
        last = dict(self._last)
        try:
            last[key] = Measurement(read(at), at_s, at)
        except Exception as error:  # noqa: BLE001 (a broken gauge decides nothing)
            log.warning("gauge_unreadable", extra={"reason": repr(error)})
            if gauge is Gauge.WAIT_S:
                last.pop(key, None)
        with self._changed:
            self._last = last
            self._changed.notify_all()

    def _log_brakes(self) -> None:
        for kind in Kind:
            refusal = self._refusal(kind)
            if refusal is not None:
                cost, wait = self._last.get(COST), self._last.get((Gauge.WAIT_S, kind))
                facts = {"cost_usd": cost.value if cost else 0.0, "wait_s": wait and wait.value}
                log.warning("brake_on", extra={"kind": kind, "code": refusal.code, **facts})

    def _is_paused(self, kind: Kind, _: datetime) -> bool:
        switch = self.store.get(switch_key(kind))
        return switch is not None and switch.is_paused

    def _wait_s(self, kind: Kind, at: datetime) -> float:
        """Return how long a task created now would wait: the tasks before it, divided by the rate.

        The rate is the queue's, or that of recently settled runs if it is higher.
        """
        within_s = self.policy.settled_within_s
        pending = self.store.unfinished(kind, Status.PENDING)
        settled = self.store.settled_since(kind, at - timedelta(seconds=within_s))
        rate_per_s = max(self.queue.dispatches_per_s(kind), settled / within_s)
        return (pending + 1) / rate_per_s if rate_per_s > 0 else 0.0

    def _cost_usd(self, at: datetime) -> float:
        """Return the day's cost plus the price of everything unfinished; 0 without a ceiling."""
        if self.brake.cost_usd_max is None:
            return 0.0
        cost_usd = self.store.cost_usd_since(midnight(at))
        return cost_usd + sum(
            self.store.unfinished(kind, status) * self.brake.price_usd(kind)
            for kind in Kind
            for status in (Status.PENDING, Status.PROCESSING)
        )


def midnight(at: datetime) -> datetime:
    """Return the start of the UTC day."""
    return datetime.combine(at.astimezone(UTC).date(), time(), tzinfo=UTC)
