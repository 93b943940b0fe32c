"""Duties of the sweep: documents that are due, worked on in turns, many at once, until a time."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from contextvars import copy_context
from dataclasses import dataclass
from enum import StrEnum
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from shared.domain.errors import PhoenixError
from shared.domain.keys import Key
from shared.domain.policy import SWEEP_LAST_CALL_S, Policy
from shared.ports.clock import Clock

log = logging.getLogger(__name__)


class Due(Protocol):
    """A document that is due, or several that are handled together under one key."""

    @property
    def key(self) -> Key[Any]: ...


DueT = TypeVar("DueT", bound=Due)

AT_ONCE = 64
"""How many documents one call works on at the same time, without those that need the object store."""
DELETIONS_AT_ONCE, EXPIRIES_AT_ONCE, COPIES_AT_ONCE = 24, 16, 8
"""How many deletions of files, expiries and scheduled publications one call works on."""
MEDIA_AT_ONCE = DELETIONS_AT_ONCE + EXPIRIES_AT_ONCE + COPIES_AT_ONCE
"""The threads for what needs the object store: while it hangs, neither refunds nor lists wait for one."""


class Outcome(StrEnum):
    """The result of one due document."""

    REFUNDED = "refunded"
    REQUEUED = "requeued"
    LEFT = "left"
    """It waits, it runs, or another process was faster."""
    DELETED = "deleted"
    FOLDED = "folded"
    """The outcomes of one hour."""
    COUNTED = "counted"
    """A creation's likes were counted."""
    EXPIRED = "expired"
    PUBLISHED = "published"
    ERROR = "errors"


@dataclass(frozen=True)
class Duty(Generic[DueT]):
    """Documents that are due, and what to do with one of them.

    `pages` reads the store when its next page is taken, in any thread; a page may be empty.
    """

    pages: Iterator[list[DueT]]
    handle: Callable[[DueT], Outcome | None]
    """None: there is nothing to count."""
    media_at_once: int | None = None
    """How many of its documents are worked on at once, if that needs the object store."""


class Turns:
    """One call's work on its duties.

    The first duty begins. Then each other one has at least `sweep_turn_s`, again and again until
    none of them has anything left; what remains of the time is the first one's, and so is the time
    in which all others wait for the object store.
    """

    def __init__(
        self,
        duties: Sequence[Duty[Any]],
        *,
        workers: Executor,
        media_workers: Executor,
        clock: Clock,
        policy: Policy,
    ) -> None:
        """Prepare a call; `workers` runs up to `AT_ONCE` documents, and reads the pages."""
        self.counts = Counter({str(outcome): 0 for outcome in Outcome})
        self._workers, self._media_workers = workers, media_workers
        self._clock, self._policy = clock, policy
        most = policy.sweep_creations_max
        self._duties = [_Ahead(each, workers, documents_max=most) for each in duties]
        self._running: dict[Future[Outcome | None], _Ahead[Any]] = {}
        self._ended: SimpleQueue[Future[Outcome | None]] = SimpleQueue()
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
        while waiting and self._waited(lambda: self._may_begin(first, waiting), stop_s):
            duty = next((each for each in waiting if self._has_room(each)), first)
            self._turn(duty, min(now_s() + policy.sweep_turn_s, stop_s))
            if duty is not first:
                waiting.remove(duty)
                waiting.extend([] if duty.has_ended else [duty])
        self._turn(first, stop_s)
        if not self._waited(lambda: not self._running, end_s):
            self._leave()
        for error in self._unreadable:
            raise error

    def _turn(self, duty: "_Ahead[Any]", until_s: float) -> None:
        """Begin a duty's documents, in their order, until it ends or until that time."""
        try:
            while not duty.has_ended and self._waited(lambda: self._has_room(duty), until_s):
                due = duty.take(self._left_s(until_s))
                if due is not None:
                    self._begin(duty, due)
        except Exception as error:
            log.exception("sweep_unreadable")
            self._unreadable.append(error)
            duty.end()

    def _begin(self, duty: "_Ahead[DueT]", due: DueT) -> None:
        """Handle a document in a thread, whose log lines and tasks carry the call's trace."""
        workers = self._workers if duty.media_at_once is None else self._media_workers
        future = workers.submit(copy_context().run, _handled, duty.handle, due)
        self._running[future] = duty
        future.add_done_callback(self._ended.put)

    def _may_begin(self, first: "_Ahead[Any]", others: Iterable["_Ahead[Any]"]) -> bool:
        """Return whether a turn can begin with a free thread."""
        return any(not each.has_ended and self._has_room(each) for each in (first, *others))

    def _has_room(self, duty: "_Ahead[Any]") -> bool:
        if duty.media_at_once is not None:
            return sum(each is duty for each in self._running.values()) < duty.media_at_once
        return sum(each.media_at_once is None for each in self._running.values()) < AT_ONCE

    def _waited(self, is_so: Callable[[], bool], until_s: float) -> bool:
        """Count outcomes until something is so; return whether it is, and in time."""
        while not is_so():
            try:
                future = self._ended.get(timeout=self._left_s(until_s))
            except Empty:
                return False
            del self._running[future]
            if (outcome := future.result()) is not None:
                self.counts[outcome] += 1
        return self._left_s(until_s) > 0

    def _leave(self) -> None:
        """Leave what has not returned: the next call repeats it, and also what has not begun."""
        if self._running:
            log.warning("sweep_left_running", extra={"documents": len(self._running)})
        for future in list(self._running):
            future.cancel()

    def _left_s(self, until_s: float) -> float:
        return max(0.0, until_s - self._clock.monotonic_s())


class _Ahead(Generic[DueT]):
    """A duty whose next page is read while its last one is worked on."""

    def __init__(self, duty: Duty[DueT], workers: Executor, *, documents_max: int) -> None:
        self.handle, self.media_at_once = duty.handle, duty.media_at_once
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


def _handled(handle: Callable[[DueT], Outcome | None], due: DueT) -> Outcome | None:
    """Handle a document; its failure must not stop the others."""
    try:
        return handle(due)
    except PhoenixError as error:
        log.warning("sweep_error", extra={"document": due.key.id, "reason": repr(error)})
    except Exception:
        log.exception("sweep_error", extra={"document": due.key.id})
    return Outcome.ERROR
