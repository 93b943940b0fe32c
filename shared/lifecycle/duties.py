"""Duties of the sweep: documents that are due, worked on in turns, many at once, until a time."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from contextvars import copy_context
from dataclasses import dataclass
from enum import StrEnum
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from shared.domain.errors import PhoenixError
from shared.domain.policy import SWEEP_LAST_CALL_S, Policy
from shared.ports.clock import Clock
from shared.ports.store import Document

log = logging.getLogger(__name__)

DueT = TypeVar("DueT", bound=Document)

AT_ONCE = 64
"""How many documents one call works on at the same time."""


class Outcome(StrEnum):
    """The result of one due document."""

    REFUNDED = "refunded"
    REQUEUED = "requeued"
    LEFT = "left"
    """It waits, it runs, or another process was faster."""
    DELETED = "deleted"
    ERROR = "errors"


@dataclass(frozen=True)
class Duty(Generic[DueT]):
    """Documents that are due, and what to do with one of them.

    `pages` reads the store when its next page is taken, in any thread; a page may be empty.
    """

    pages: Iterator[list[DueT]]
    handle: Callable[[DueT], Outcome]


class Turns:
    """One call's work on its duties.

    The first duty begins. Then each other one has at least `sweep_turn_s`, again and again until
    none of them has anything left; what remains of the time is the first one's.
    """

    def __init__(
        self, duties: Sequence[Duty[Any]], *, workers: Executor, clock: Clock, policy: Policy
    ) -> None:
        """Prepare a call; `workers` runs up to `AT_ONCE` documents, and reads the pages."""
        self.counts = Counter({str(outcome): 0 for outcome in Outcome})
        self._workers, self._clock, self._policy = workers, clock, policy
        most = policy.sweep_creations_max
        self._duties = [_Ahead(each, workers, documents_max=most) for each in duties]
        self._running = 0
        self._ended: SimpleQueue[Future[Outcome]] = SimpleQueue()
        self._unreadable: list[Exception] = []

    def work(self) -> None:
        """Work for `sweep_budget_s` at most; raise at the end if a duty could not be read."""
        policy, now_s = self._policy, self._clock.monotonic_s
        first, *others = self._duties
        end_s = now_s() + policy.sweep_budget_s
        stop_s = end_s - SWEEP_LAST_CALL_S
        others_s = policy.sweep_turn_s * len(others)
        self._turn(first, min(now_s() + policy.sweep_repairs_s, stop_s - others_s))
        waiting = deque(others)
        while waiting and self._has_room(stop_s):  # a turn begins with a free thread
            duty = waiting.popleft()
            self._turn(duty, min(now_s() + policy.sweep_turn_s, stop_s))
            if not duty.has_ended:
                waiting.append(duty)
        self._turn(first, stop_s)
        self._count(end_s, running_max=0)
        if self._running:  # nothing is lost: the next call repeats it
            log.warning("sweep_left_running", extra={"documents": self._running})
        for error in self._unreadable:
            raise error

    def _turn(self, duty: "_Ahead[Any]", until_s: float) -> None:
        """Begin a duty's documents, in their order, until it ends or until that time."""
        try:
            while not duty.has_ended and self._has_room(until_s):
                due = duty.take(self._left_s(until_s))
                if due is not None:
                    self._begin(duty.handle, due)
        except Exception as error:
            log.exception("sweep_unreadable")
            self._unreadable.append(error)
            duty.end()

    def _begin(self, handle: Callable[[DueT], Outcome], due: DueT) -> None:
        """Handle a document in a thread, whose log lines and tasks carry the call's trace."""
        future = self._workers.submit(copy_context().run, _handled, handle, due)
        self._running += 1
        future.add_done_callback(self._ended.put)

    def _has_room(self, until_s: float) -> bool:
        """Wait for a free thread; return whether there is one and time to use it."""
        self._count(until_s, running_max=AT_ONCE - 1)
        return self._running < AT_ONCE and self._left_s(until_s) > 0

    def _count(self, until_s: float, *, running_max: int) -> None:
        """Count outcomes until no more than this are missing, or until that time."""
        while self._running > running_max:
            try:
                future = self._ended.get(timeout=self._left_s(until_s))
            except Empty:
                return
            self._running -= 1
            self.counts[future.result()] += 1

    def _left_s(self, until_s: float) -> float:
        return max(0.0, until_s - self._clock.monotonic_s())


class _Ahead(Generic[DueT]):
    """A duty whose next page is read while its last one is worked on."""

    def __init__(self, duty: Duty[DueT], workers: Executor, *, documents_max: int) -> None:
        self.handle = duty.handle
        self._pages, self._workers, self._left = duty.pages, workers, documents_max
        self._page: deque[DueT] = deque()
        self._reading: Future[list[DueT] | None] | None = self._read()

    @property
    def has_ended(self) -> bool:
        return not self._page and self._reading is None

    def end(self) -> None:
        self._page.clear()
        self._reading = None

    def take(self, within_s: float) -> DueT | None:
        """Return the next document, or None if its page is empty or not read within this time."""
        if not self._page and self._reading is not None and wait([self._reading], within_s).done:
            reading, self._reading = self._reading, None
            page = reading.result()
            self._page.extend((page or [])[: self._left])
            self._left -= len(self._page)
            if page is not None and self._left:
                self._reading = self._read()
        return self._page.popleft() if self._page else None

    def _read(self) -> "Future[list[DueT] | None]":
        return self._workers.submit(next, self._pages, None)


def _handled(handle: Callable[[DueT], Outcome], due: DueT) -> Outcome:
    """Handle a document; its failure must not stop the others."""
    try:
        return handle(due)
    except PhoenixError as error:
        log.warning("sweep_error", extra={"document": due.key.id, "reason": repr(error)})
    except Exception:
        log.exception("sweep_error", extra={"document": due.key.id})
    return Outcome.ERROR
