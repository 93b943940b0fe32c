"""Whether a new creation may be opened at all: the switches, the day's cost, and the queue.

The gauges are read outside the requests, never in their transactions: a document that a transaction
reads is written too, and one that all of them write would be hot. So a limit may be exceeded by
what is opened between two readings. A gauge that cannot be read refuses nobody new; a request waits
some seconds for the first reading, and for one after a quiet time, before it goes on without.
"""

import logging
import math
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from threading import Condition
from typing import Generic, TypeVar

from shared.domain.errors import Paused, QueueFull, SpendingLimit, Unavailable
from shared.domain.kind import Kind
from shared.domain.operating import switch_key
from shared.domain.policy import Policy
from shared.domain.status import Status
from shared.ports.clock import Clock
from shared.ports.store import Store
from shared.ports.task_queue import TaskQueue

log = logging.getLogger(__name__)

ValueT = TypeVar("ValueT")
OtherT = TypeVar("OtherT")

NEVER = datetime.min.replace(tzinfo=UTC)
FIRST_READ_S = 5.0
"""How long a request waits at most for a switch and a cost that are unknown, or too old to go by."""


@dataclass(frozen=True)
class Seen(Generic[ValueT]):
    """What a gauge showed when it was last read."""

    value: ValueT
    at_s: float = -math.inf
    """When it was asked, on the monotonic clock."""
    at: datetime = NEVER


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the gauges showed; an empty one knows nothing."""

    paused: Mapping[Kind, Seen[bool]] = field(default_factory=dict)
    cost_usd: Seen[float] = Seen(0.0)
    """The day's cost so far, with what is unfinished."""
    waits_s: Mapping[Kind, Seen[float]] = field(default_factory=dict)
    """How long a new task would wait in the queue; no entry where that is unknown."""

    def is_paused(self, kind: Kind) -> bool:
        """Tell whether the switch was off; one that was never read is on."""
        return kind in self.paused and self.paused[kind].value


@dataclass(frozen=True, kw_only=True)
class Brake:
    """The ceiling on the day's vendor cost, and the price of one creation of each kind."""

    cost_usd_max: float | None
    price_usd: Callable[[Kind], float]


class Admission:
    """Refuses new creations: a replay asks for nothing and is not refused."""

    def __init__(
        self,
        store: Store,
        queue: TaskQueue,
        clock: Clock,
        policy: Policy,
        *,
        brake: Brake,
        worker: Executor,
    ) -> None:
        """Read nothing yet; `worker` runs one reading at a time."""
        self.worker = worker
        self.patience_s = FIRST_READ_S
        self._store = store
        self._queue = queue
        self._clock = clock
        self._policy = policy
        self.brake = brake
        self._changed = Condition()
        self._reading = Reading()
        self._began_s = -math.inf
        self._is_reading = False

    def warm_up(self) -> None:
        """Read all gauges, so that the first request need not wait for that."""
        self._begin_if_due()
        self._await(lambda: not self._is_reading)

    def refusal(self, kind: Kind) -> Unavailable | None:
        """Return why nothing new of this kind may be opened, or None."""
        return self._refusal(kind, self._current(kind))

    def _refusal(self, kind: Kind, reading: Reading) -> Unavailable | None:
        at = self._clock.now()
        if reading.is_paused(kind):
            return Paused(kind=kind)
        ceiling_usd, cost_usd = self.brake.cost_usd_max, reading.cost_usd
        is_of_today = cost_usd.at.date() == at.date()
        if ceiling_usd is not None and is_of_today and cost_usd.value >= ceiling_usd:
            until_midnight = midnight(at) + timedelta(days=1) - at
            return SpendingLimit(retry_after_s=math.ceil(until_midnight.total_seconds()))
        wait_s = reading.waits_s.get(kind)
        if wait_s is None or self._age_s(wait_s) > self._policy.gauges_life_s:
            return None
        too_long_s = wait_s.value - self._policy.queue_room_s(kind)
        if too_long_s > 0:
            return QueueFull(kind=kind, retry_after_s=self._retry_after_s(too_long_s))
        return None

    def _age_s(self, seen: Seen[ValueT]) -> float:
        return self._clock.monotonic_s() - seen.at_s

    def _retry_after_s(self, too_long_s: float) -> int:
        shortest_s, longest_s = self._policy.gauges_every_s, self._policy.deadline_s
        return math.ceil(min(max(too_long_s, shortest_s), longest_s))

    # Reading

    def _current(self, kind: Kind) -> Reading:
        """Return the last reading; have the next one made when it is due, by one thread at a time.

        A request waits for that only if the switch of its kind, or the day's cost, is so old that
        it may long be another: at the first request, and after a time without any.
        """
        for _ in range(2):  # what was under way may have begun long ago
            self._begin_if_due()
            is_in_time = self._await(lambda: not self._is_reading or self._is_fresh(kind))
            if not is_in_time or self._is_fresh(kind):
                break
        return self._reading

    def _await(self, is_enough: Callable[[], bool]) -> bool:
        """Wait while a reading is under way; tell whether it came so far in time."""
        with self._changed:
            return self._changed.wait_for(is_enough, timeout=self.patience_s)

    def _is_fresh(self, kind: Kind) -> bool:
        old_s = 2 * self._policy.gauges_every_s
        switch, cost_usd = self._reading.paused.get(kind), self._reading.cost_usd
        has_ceiling = self.brake.cost_usd_max is not None
        is_cost_fresh = not has_ceiling or self._age_s(cost_usd) <= old_s
        return switch is not None and self._age_s(switch) <= old_s and is_cost_fresh

    def _begin_if_due(self) -> None:
        """Have the next reading made, unless one is under way."""
        if not self._begins():
            return
        try:
            self.worker.submit(self._read)
        except RuntimeError:  # the process is ending, and its workers take nothing more
            self._end()

    def _begins(self) -> bool:
        """Tell whether the caller is the one who has the next reading made: others wait for it."""
        now_s = self._clock.monotonic_s()
        with self._changed:
            if self._is_reading or now_s - self._began_s < self._policy.gauges_every_s:
                return False
            self._is_reading, self._began_s = True, now_s
            return True

    def _end(self) -> None:
        with self._changed:
            self._is_reading = False
            self._changed.notify_all()

    def _read(self) -> None:
        """Read every gauge, first what stops everything: each counts as soon as it is known."""
        try:
            for kind in Kind:
                self._read_one(partial(self._with_switch, kind))
            self._read_one(self._with_cost)
            for kind in Kind:
                self._read_one(partial(self._with_wait, kind))
            self._log_brakes(self._reading)
        finally:
            self._end()

    def _read_one(self, gauge: Callable[[Reading], Reading]) -> None:
        """Publish what a gauge shows; one that cannot be read is as it was last."""
        last = self._reading
        reading = _known(partial(gauge, last), last)
        with self._changed:
            self._reading = reading
            self._changed.notify_all()

    def _log_brakes(self, reading: Reading) -> None:
        for kind in Kind:
            refusal = self._refusal(kind, reading)
            if refusal is not None:
                wait_s = reading.waits_s.get(kind)
                facts = {
                    "cost_usd": reading.cost_usd.value,
                    "wait_s": None if wait_s is None else wait_s.value,
                }
                log.warning("brake_on", extra={"kind": kind, "code": refusal.code, **facts})

    # The gauges

    def _with_switch(self, kind: Kind, last: Reading) -> Reading:
        is_paused = self._seen(lambda _: self._is_paused(kind))
        return replace(last, paused={**last.paused, kind: is_paused})

    def _with_cost(self, last: Reading) -> Reading:
        return replace(last, cost_usd=self._seen(self._cost_usd))

    def _with_wait(self, kind: Kind, last: Reading) -> Reading:
        """Return the reading with a new wait, or with none: an old one says nothing any more."""
        wait_s = _known(lambda: self._seen(partial(self._wait_s, kind)), None)
        others = {each: seen for each, seen in last.waits_s.items() if each is not kind}
        return replace(last, waits_s=others if wait_s is None else {**others, kind: wait_s})

    def _seen(self, read: Callable[[datetime], ValueT]) -> Seen[ValueT]:
        at_s, at = self._clock.monotonic_s(), self._clock.now()
        return Seen(read(at), at_s, at)

    def _is_paused(self, kind: Kind) -> bool:
        switch = self._store.get(switch_key(kind))
        return switch is not None and switch.is_paused

    def _wait_s(self, kind: Kind, at: datetime) -> float:
        """Return how long a task that is created now waits: what is before it, by the pace.

        The pace is the queue's, or what the jobs have really done if that is more.
        """
        within_s = self._policy.settled_within_s
        pending = self._store.unfinished(kind, Status.PENDING)
        settled = self._store.settled_since(kind, at - timedelta(seconds=within_s))
        pace_per_s = max(self._queue.dispatches_per_s(kind), settled / within_s)
        return (pending + 1) / pace_per_s if pace_per_s > 0 else 0.0

    def _cost_usd(self, at: datetime) -> float:
        """Return the day's cost with the price of all that is unfinished; 0 without a ceiling."""
        if self.brake.cost_usd_max is None:
            return 0.0
        cost_usd = self._store.cost_usd_since(midnight(at))
        for kind in Kind:
            unfinished = sum(
                self._store.unfinished(kind, status)
                for status in (Status.PENDING, Status.PROCESSING)
            )
            cost_usd += unfinished * self.brake.price_usd(kind)
        return cost_usd


def midnight(at: datetime) -> datetime:
    """Return the beginning of the UTC day."""
    return datetime.combine(at.astimezone(UTC).date(), time(), tzinfo=UTC)


def _known(read: Callable[[], ValueT], otherwise: OtherT) -> ValueT | OtherT:
    """Return what a gauge shows, or the other value if it cannot be read."""
    try:
        return read()
    except Exception as error:  # noqa: BLE001 (a gauge decides nothing when it is broken)
        log.warning("gauge_unreadable", extra={"reason": repr(error)})
        return otherwise
