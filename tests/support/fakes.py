"""Fakes of the ports."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from shared.domain.brief import Brief
from shared.domain.errors import (
    MediaRefused,
    MediaUnavailable,
    OutcomeUnknown,
    QueueUnavailable,
    StoreUnavailable,
)
from shared.domain.keys import CreationId, Key
from shared.domain.kind import Kind
from shared.domain.media import MediaFormat
from shared.ports.generator import CannotTell, NotFound, Operation, Ready, Refused, Running
from shared.ports.store import Decision, Found, ResultT, Store, unchanged
from shared.telemetry import traceparent
from shared.wiring import Phoenix
from tests.support.builders import NOON


class FakeClock:
    """A clock that moves only by `sleep`, which runs due heartbeats on the way."""

    def __init__(self, now: datetime = NOON) -> None:
        self._now = now
        self._beats: list[tuple[float, Callable[[], None], list[datetime]]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic_s(self) -> float:
        return (self._now - NOON).total_seconds()

    def sleep(self, seconds: float) -> None:
        end = self._now + timedelta(seconds=seconds)
        while due := [beat for beat in self._beats if beat[2][0] <= end]:
            interval_s, beat, next_at = min(due, key=lambda each: each[2][0])
            self._now = max(self._now, next_at[0])
            next_at[0] += timedelta(seconds=interval_s)
            beat()
        self._now = max(self._now, end)

    @contextmanager
    def every(self, seconds: float, beat: Callable[[], None]) -> Iterator[None]:
        entry = (seconds, beat, [self._now + timedelta(seconds=seconds)])
        self._beats.append(entry)
        try:
            yield
        finally:
            self._beats.remove(entry)


class CountingIds:
    """Unique ids, the same in every run."""

    def __init__(self) -> None:
        self._count = 0

    def random_id(self, length: int) -> str:
        self._count += 1
        return f"{self._count:b}".replace("0", "a").replace("1", "b").rjust(length, "c")

    def digits(self, length: int) -> str:
        self._count += 1
        return str(self._count).rjust(length, "0")


@dataclass
class FakeQueue:
    """A queue that records its tasks and can be down."""

    is_down: bool = False
    is_down_for: set[CreationId] = field(default_factory=set)
    tasks: dict[tuple[CreationId, int], datetime | None] = field(default_factory=dict)
    done: set[tuple[CreationId, int]] = field(default_factory=set)
    traces: list[str | None] = field(default_factory=list)
    withdrawn: list[tuple[CreationId, int]] = field(default_factory=list)
    withdrawal_error: QueueUnavailable | None = None
    rate_per_s: float = 1000.0

    def enqueue(
        self,
        creation_id: CreationId,
        *,
        kind: Kind,
        number: int,
        not_before: datetime | None = None,
    ) -> None:
        if self.is_down or creation_id in self.is_down_for:
            raise QueueUnavailable(reason="down")
        self.traces.append(traceparent())
        self.tasks.setdefault((creation_id, number), not_before)

    def withdraw(self, creation_id: CreationId, *, kind: Kind, number: int) -> None:
        if self.is_down:
            raise QueueUnavailable(reason="down")
        if self.withdrawal_error is not None:
            raise self.withdrawal_error
        self.withdrawn.append((creation_id, number))
        if (creation_id, number) in self.tasks:
            self.done.add((creation_id, number))

    def dispatches_per_s(self, kind: Kind) -> float:
        if self.is_down:
            raise QueueUnavailable(reason="down")
        return self.rate_per_s

    def waits(self, creation_id: CreationId, *, kind: Kind, number: int) -> bool:
        if self.is_down:
            raise QueueUnavailable(reason="down")
        return (creation_id, number) in self.tasks.keys() - self.done


@dataclass
class FakeExecutions:
    """Executions that run while a test lists them in `running`."""

    running: set[str] = field(default_factory=set)
    runs: list[CreationId] = field(default_factory=list)

    def is_running(self, execution_name: str, *, kind: Kind) -> bool:
        return execution_name in self.running

    def run(self, creation_id: CreationId, *, kind: Kind, debit_failed: bool = False) -> str:
        self.runs.append(creation_id)
        return f"execution-{len(self.runs)}"


class InTurn(Executor):
    """An executor without threads."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


def in_turn(phoenix: Phoenix) -> Phoenix:
    """Return the use cases without threads of their own."""
    phoenix.opening.admission.worker = InTurn()
    tasks = replace(phoenix.opening.tasks, workers=InTurn())
    opening = replace(phoenix.opening, tasks=tasks)
    sweeping = replace(phoenix.sweeping, workers=InTurn(), media_workers=InTurn())
    operating = replace(phoenix.operating, sweeping=sweeping)
    return replace(
        phoenix,
        opening=opening,
        sweeping=sweeping,
        operating=operating,
        replaying=replace(phoenix.replaying, opening=opening, operating=operating),
        bulk=replace(phoenix.bulk, workers=InTurn()),
        incremental_audit=replace(phoenix.incremental_audit, workers=InTurn()),
    )


@dataclass
class FaultyStore:
    """A store with injected faults of its next transactions.

    Each fault is used once, in order: "ok", "lost" (applied without a response), "unsent" (not applied,
    outcome unknown), "late" (not applied before `land`, outcome unknown), "down" (nothing written),
    "before" (`meanwhile` runs first, then ok). `afterwards` is called after every commit.
    """

    store: Store
    faults: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None
    afterwards: Callable[[], None] = lambda: None
    sent: list[tuple[Found, Decision[Any]]] = field(default_factory=list)
    """What late commits read and decided."""

    def land(self) -> None:
        """Apply each late commit, if nothing that it read has changed."""
        while self.sent:
            read, decision = self.sent.pop(0)
            written = [each.key for each in decision.writes]
            self.store.transact(
                list(dict.fromkeys([*read.documents, *written])),
                lambda found, read=read, decision=decision: (  # type: ignore[misc]  # bound now
                    decision if found == read else unchanged(None)
                ),
            )

    def transact(
        self, reading: Sequence[Key[Any]], decide: Callable[[Found], Decision[ResultT]]
    ) -> ResultT:
        fault = self.faults.pop(0) if self.faults else "ok"
        if fault == "down":
            raise StoreUnavailable(reason="planned")
        if fault == "unsent":
            raise OutcomeUnknown(reason="planned")
        if fault == "late":
            found = self.store.found(reading)
            self.sent.append((found, decide(found)))
            raise OutcomeUnknown(reason="planned")
        if fault == "before":
            self.meanwhile()
        result = self.store.transact(reading, decide)
        self.afterwards()
        if fault == "lost":
            raise OutcomeUnknown(reason="planned")
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@dataclass
class FakeGenerator:
    """A generator with scripted responses; the last one of each list is repeated."""

    starts: list[object] = field(default_factory=lambda: [Operation("operation-1")])
    polls: list[object] = field(default_factory=lambda: [Running(0.5), Ready("result")])
    found: list[object] = field(default_factory=lambda: [CannotTell()])
    fetches: list[object] = field(default_factory=lambda: [b"media"])
    model: str = "fake"
    started: int = 0
    polled: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    discarded: list[str] = field(default_factory=list)
    discarding: Callable[[], None] = lambda: None
    """Called after each `discard` was recorded."""

    def cost_usd(self, brief: Brief) -> float:
        return 0.25

    def start(self, brief: Brief, *, creation_id: CreationId, attempt: int) -> Operation | Ready:
        self.started += 1
        return _next(self.starts)

    def poll(self, operation: Operation) -> Running | Ready | Refused:
        self.polled.append(operation.name)
        return _next(self.polls)

    def fetch(self, result: Ready, path: Path, *, size_bytes_max: int) -> None:
        self.fetched.append(result.locator)
        path.write_bytes(_next(self.fetches))

    def discard(self, operation: Operation) -> None:
        self.discarded.append(operation.name)
        self.discarding()

    def find_output(
        self, creation_id: CreationId, *, attempt: int
    ) -> Ready | NotFound | CannotTell:
        return _next(self.found)


def _next(responses: list[Any]) -> Any:
    """Return or raise the next response; the last one is repeated."""
    response = responses.pop(0) if len(responses) > 1 else responses[0]
    if callable(response):
        response = response()
    if isinstance(response, BaseException):
        raise response
    return response


@dataclass
class FaultyMediaStore:
    """A media store with injected faults.

    The next `failures` puts fail, then `swallowed` puts do nothing; a key that contains `unstored` is
    never stored. While `is_refusing`, every put raises `MediaRefused`. A read breaks after
    `readable_bytes`; `open_reads` counts those that have begun and neither ended nor been closed.
    """

    media: Any
    failures: int = 0
    swallowed: int = 0
    unstored: str | None = None
    is_down: bool = False
    is_refusing: bool = False
    readable_bytes: int | None = None
    open_reads: int = 0
    after_put: Callable[[], None] = lambda: None

    def put(self, path: Path, key: str, *, media_format: MediaFormat) -> None:
        if self.is_refusing:
            raise MediaRefused(reason="planned")
        if self.unstored is not None and self.unstored in key:
            raise MediaUnavailable(reason="planned")
        if self.failures:
            self.failures -= 1
            raise MediaUnavailable(reason="planned")
        if self.swallowed:
            self.swallowed -= 1
            return
        self.media.put(path, key, media_format=media_format)
        self.after_put()

    def read(self, key: str) -> Iterator[bytes]:
        self._check()
        read_bytes = 0
        self.open_reads += 1
        try:
            for chunk in self.media.read(key):
                read_bytes += len(chunk)
                if self.readable_bytes is not None and read_bytes > self.readable_bytes:
                    raise MediaUnavailable(reason="planned")
                yield chunk
        finally:
            self.open_reads -= 1

    def publish(self, key: str, public_key: str) -> None:
        self._check()
        self.media.publish(key, public_key)

    def delete(self, key: str) -> None:
        self._check()
        self.media.delete(key)

    def _check(self) -> None:
        if self.is_down:
            raise MediaUnavailable(reason="planned")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.media, name)
