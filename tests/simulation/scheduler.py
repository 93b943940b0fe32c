"""Virtual time and actors: greenlets in one thread that yield at every port call.

An actor belongs to a process. When the process dies, `Crashed` is raised in each of its actors where
it waits, and again at each port call of its `finally` blocks.
"""

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from greenlet import getcurrent, greenlet

from tests.simulation.draws import Site, draws
from tests.simulation.faults import Faults

LATENCY_S_MAX = 0.4
PAUSE_S = (5.0, 1200.0)
FREEZE_S = (1800.0, 5400.0)
ENDED = -1


class Crashed(BaseException):
    """The process died: SIGKILL, or a lost machine."""


@dataclass(eq=False)
class Process:
    """A process: its actors die together and share one clock offset."""

    name: str
    offset_s: float = 0.0
    is_dead: bool = False
    died: Callable[[], None] = lambda: None
    """Called as an event when one of its actors crashes."""
    stopped_until_s: float = 0.0
    """Until then the process is stopped (SIGSTOP, or a starved machine)."""


@dataclass(eq=False)
class Actor:
    """A thread of a simulated process."""

    name: str
    process: Process
    run: Callable[[], None]
    counts: Counter[str] = field(default_factory=Counter)
    wakes: int = 0
    """The number of the valid wake-up; earlier ones are stale."""
    thread: greenlet = field(default_factory=greenlet)

    @property
    def has_ended(self) -> bool:
        return self.wakes == ENDED


@dataclass(frozen=True)
class Step:
    """The outcome drawn for one port call."""

    site: Site
    fault: str | None
    chance: float


class Simulation:
    """Time, events and random draws of one history."""

    def __init__(self, seed: int, faults: Faults, *, is_traced: bool = False) -> None:
        self.seed = seed
        self.faults = faults
        self.now_s = 0.0
        self.trace: list[str] | None = [] if is_traced else None
        self.sites: list[Site] = []
        self.marks: Counter[str] = Counter()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._hub = getcurrent()
        self._current: Actor | None = None
        self._alive: set[Actor] = set()

    @property
    def actor(self) -> Actor:
        if self._current is None:
            raise AssertionError("only actors make port calls")
        return self._current

    # Time

    def at(self, time_s: float, action: Callable[[], None]) -> None:
        """Schedule an action outside any actor."""
        heapq.heappush(self._events, (time_s, next(self._order), action))

    @property
    def is_idle(self) -> bool:
        return not self._events

    def spawn(
        self, name: str, run: Callable[[], None], *, process: Process, at_s: float | None = None
    ) -> Actor:
        """Start an actor."""
        actor = Actor(name, process, run)
        actor.thread = greenlet(self._body(actor), parent=self._hub)
        self._alive.add(actor)
        self._wake_at(actor, self.now_s if at_s is None else at_s)
        return actor

    def _body(self, actor: Actor) -> Callable[[], None]:
        def body() -> None:
            try:
                if not actor.process.is_dead:
                    actor.run()
            except Crashed:
                actor.process.is_dead = True
                self.at(self.now_s, actor.process.died)
            finally:
                actor.wakes = ENDED
                self._alive.discard(actor)

        return body

    def _wake_at(self, actor: Actor, time_s: float) -> None:
        actor.wakes += 1
        wake = actor.wakes
        self.at(time_s, lambda: self._resume(actor, wake))

    def _resume(self, actor: Actor, wake: int) -> None:
        if actor.wakes != wake:
            return
        if actor.process.stopped_until_s > self.now_s and not actor.process.is_dead:
            self.at(actor.process.stopped_until_s, lambda: self._resume(actor, wake))
            return
        self._current = actor
        actor.thread.switch()
        self._current = None

    def wake(self, actor: Actor) -> None:
        """End the sleep of an actor now."""
        self._wake_at(actor, self.now_s)

    def interrupt(self, actor: Actor, error: BaseException) -> None:
        """Raise an error in a waiting actor. Call it from an event, not from an actor.

        A stopped process gets it when it resumes, unless it is killed.
        """
        process = actor.process
        if process.stopped_until_s > self.now_s and not process.is_dead:
            self.at(process.stopped_until_s, lambda: self.interrupt(actor, error))
        elif not actor.has_ended:
            actor.wakes += 1
            self._current = actor
            actor.thread.throw(error)
            self._current = None

    def end(self) -> None:
        """Kill all remaining actors."""
        for actor in sorted(self._alive, key=lambda each: each.name):
            actor.process.is_dead = True
            self.interrupt(actor, Crashed())

    def run(self, until_s: float) -> None:
        """Run all events until this time."""
        events = self._events
        while events and events[0][0] <= until_s:
            self.now_s, _, action = heapq.heappop(events)
            action()
        self.now_s = until_s

    def sleep(self, seconds: float) -> None:
        actor = self.actor
        if actor.process.is_dead:
            raise Crashed
        self._wake_at(actor, self.now_s + seconds)
        self._hub.switch()
        if actor.process.is_dead:
            raise Crashed

    # Port calls

    def call(self, kind: str) -> Step:
        """Yield for the latency of a port call and return its step; the process may die first."""
        actor = self.actor
        if actor.process.is_dead:
            raise Crashed
        actor.counts[kind] += 1
        site = Site(actor.name, kind, actor.counts[kind])
        latency, chance, parameter, chance_anywhere = draws(self.seed, site)
        fault = self.faults.at(site, chance, chance_anywhere)
        self.sites.append(site)
        if self.trace is not None:
            self.trace.append(f"{self.now_s:.3f} {actor.name} {kind} {fault or ''}")
        if fault == "crash_before":
            actor.process.is_dead = True
            raise Crashed
        if fault in ("pause", "freeze"):
            span = PAUSE_S if fault == "pause" else FREEZE_S
            actor.process.stopped_until_s = self.now_s + _within(span, parameter)
        self.sleep(latency * latency * LATENCY_S_MAX)
        return Step(site, fault, parameter)

    def answered(self, step: Step) -> None:
        """End a port call that took effect; the process may die or pause before it returns."""
        if step.fault == "crash_after":
            self.actor.process.is_dead = True
            raise Crashed
        if step.fault == "pause_after":
            self.actor.process.stopped_until_s = self.now_s + _within(PAUSE_S, step.chance)
            self.sleep(0)

    def chance(self, actor: str, kind: str, nth: int = 0) -> float:
        """Return a number from 0 to 1 for a decision outside port calls."""
        return draws(self.seed, Site(actor, kind, nth))[0]

    def fate(self, actor: str, kind: str, nth: int = 0) -> str | None:
        """Return the fault of an event without an actor, such as a dispatch."""
        site = Site(actor, kind, nth)
        _, chance, _, _ = draws(self.seed, site)
        self.sites.append(site)
        return self.faults.at(site, chance, 1.0)

    def note(self, text: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.now_s:.3f} {text}")


def _within(span: tuple[float, float], chance: float) -> float:
    shortest, longest = span
    return shortest + (longest - shortest) * chance**3
