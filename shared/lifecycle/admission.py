"""Whether a new creation may be opened at all: the switches, the day's cost, and the queue.

The gauges are read outside the requests, never in their transactions: a document that a transaction
reads is written too, and one that all of them write would be hot. So a limit may be exceeded by
what is opened between two readings. A gauge that cannot be read refuses nobody new.
"""

import logging
import math
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import partial
from threading import Lock
from typing import TypeVar

from shared.domain.errors import Paused, QueueFull, SpendingLimit, Unavailable
from shared.domain.operating import switch_key
from shared.domain.policy import Kind, Policy
from shared.domain.status import Status
from shared.ports.clock import Clock
from shared.ports.store import Store
from shared.ports.task_queue import TaskQueue

log = logging.getLogger(__name__)

ValueT = TypeVar("ValueT")
OtherT = TypeVar("OtherT")

NEVER = datetime.min.replace(tzinfo=UTC)
FIRST_READ_S = 1.0
"""How long a request waits for a reading, when there is none or it is too old to go by."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the gauges showed; an empty one knows nothing."""

    at_s: float = -math.inf
    """When it was read, on the monotonic clock."""
    at: datetime = NEVER
    waits_s: Mapping[Kind, float] = field(default_factory=dict)
    """How long a new task would wait in the queue; no entry where that is unknown."""
    paused: Mapping[Kind, bool] = field(default_factory=dict)
    cost_usd: float = 0.0
    """The day's cost so far, with what is unfinished."""


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
        self._store = store
        self._queue = queue
        self._clock = clock
        self._policy = policy
        self.brake = brake
        self._lock = Lock()
        self._reading = Reading()
        self._began_s = -math.inf
        self._is_reading = False
        self._under_way: Future[None] | None = None

    def warm_up(self) -> None:
        """Read the gauges, so that the first request need not wait for that."""
        self._current()

    def refusal(self, kind: Kind) -> Unavailable | None:
        """Return why nothing new of this kind may be opened, or None."""
        return self._refusal(kind, self._current())

    def _refusal(self, kind: Kind, reading: Reading) -> Unavailable | None:
        at = self._clock.now()
        if reading.paused.get(kind, False):
            return Paused(kind=kind)
        ceiling_usd = self.brake.cost_usd_max
        is_of_today = reading.at.date() == at.date()
        if ceiling_usd is not None and is_of_today and reading.cost_usd >= ceiling_usd:
            until_midnight = midnight(at) + timedelta(days=1) - at
            return SpendingLimit(retry_after_s=math.ceil(until_midnight.total_seconds()))
        is_old = self._clock.monotonic_s() - reading.at_s > self._policy.gauges_life_s
        too_long_s = reading.waits_s.get(kind, 0.0) - self._policy.queue_room_s(kind)
        if too_long_s > 0 and not is_old:
            return QueueFull(kind=kind, retry_after_s=self._retry_after_s(too_long_s))
        return None

    def _retry_after_s(self, too_long_s: float) -> int:
        shortest_s, longest_s = self._policy.gauges_every_s, self._policy.deadline_s
        return math.ceil(min(max(too_long_s, shortest_s), longest_s))

    # Reading

    def _current(self) -> Reading:
        """Return the last reading; have it made anew when it is due, by one thread at a time.

        A request waits for that only if the last one is so old that a switch or the day's cost
        may long be another: at the first request, and after a time without any.
        """
        now_s, every_s = self._clock.monotonic_s(), self._policy.gauges_every_s
        if self._begins(now_s):
            try:
                self._under_way = self.worker.submit(self._read)
            except RuntimeError:  # the process is ending, and its workers take nothing more
                self._end()
        under_way = self._under_way
        if under_way is not None and now_s - self._reading.at_s > 2 * every_s:
            wait([under_way], timeout=FIRST_READ_S)
        return self._reading

    def _begins(self, now_s: float) -> bool:
        """Tell whether the caller is the one who has the next reading made."""
        with self._lock:
            is_due = now_s - self._began_s >= self._policy.gauges_every_s
            if self._is_reading or not is_due:
                return False
            self._is_reading, self._began_s = True, now_s
            return True

    def _end(self) -> None:
        with self._lock:
            self._is_reading = False

    def _read(self) -> None:
        try:
            reading = self._read_all(self._reading)
            with self._lock:
                if reading.at_s >= self._reading.at_s:
                    self._reading = reading
            for kind in Kind:
                refusal = self._refusal(kind, reading)
                if refusal is not None:
                    facts = {"cost_usd": reading.cost_usd, "wait_s": reading.waits_s.get(kind)}
                    log.warning("brake_on", extra={"kind": kind, "code": refusal.code, **facts})
        finally:
            self._end()

    def _read_all(self, last: Reading) -> Reading:
        """Return a new reading; a switch or a cost that cannot be read is as it was last."""
        at_s, at = self._clock.monotonic_s(), self._clock.now()
        paused, waits_s = {}, {}
        for kind in Kind:
            paused[kind] = _known(partial(self._is_paused, kind), last.paused.get(kind, False))
            wait_s = _known(partial(self._wait_s, kind, at), None)
            if wait_s is not None:
                waits_s[kind] = wait_s
        is_same_day = last.at.date() == at.date()
        cost_usd = _known(partial(self._cost_usd, at), last.cost_usd if is_same_day else 0.0)
        return Reading(at_s=at_s, at=at, waits_s=waits_s, paused=paused, cost_usd=cost_usd)

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
