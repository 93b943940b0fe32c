"""One history: two hours with faults, four without, then everything must be settled."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, partial
from typing import Any

from jobs.execution import Execution
from shared import settings, wiring
from shared.domain.creation import Creation
from shared.domain.errors import Unavailable
from shared.domain.keys import UserId
from shared.domain.kind import Kind
from shared.domain.policy import Policy
from shared.lifecycle.admission import Brake
from shared.settings import Settings
from shared.wiring import Phoenix
from shared.wiring.ports import Ports
from tests.simulation import bulks, operators, searches
from tests.simulation.clients import Clients
from tests.simulation.clock import SimulatedClock, SimulatedIds
from tests.simulation.cloud import SimulatedExecutions, SimulatedQueue, Start, process
from tests.simulation.crew import SimulatedCrew
from tests.simulation.draws import Site
from tests.simulation.faults import Faults
from tests.simulation.generators import SimulatedGenerator, SimulatedMediaStore, SimulatedPipeline
from tests.simulation.group_clients import GroupClients
from tests.simulation.inspector import BOOKS_EVERY, Inspector
from tests.simulation.retention import spawn_slow_sweep, with_some_life
from tests.simulation.scheduler import Crashed, Process, Simulation
from tests.simulation.store import SimulatedStore
from tests.simulation.welcomes import Welcomes
from tests.support.builders import ADA, BEN, NOON
from tests.support.fakes import in_turn

HOUR_S = 3600.0
FAULTS_END_S = 2 * HOUR_S
CALM_S = 4 * HOUR_S
AUDIT_S = 60.0
"""More than an audit takes at the end of a history."""
CLIENTS_BEGIN_WITHIN_S = 1200.0
POLICY = Policy(video_poll_s=15, image_poll_s=5, heartbeat_s=40)
"""Longer intervals than in production: more histories in the same time."""
WELCOME_TOKENS = (11, 25, 45)
CEILING = Brake(cost_usd_max=0.1, price_usd=lambda _: 0.0)
"""One start of a generator reaches the daily limit."""
CYD = UserId("cyd")
"""An owner who opens and cancels repeatedly."""

CROWD = 6
CROWD_PACE_PER_S = 1 / 20

Scenario = Callable[[Clients], None]


@dataclass(frozen=True)
class Outcome:
    """The result of one history."""

    seed: int
    violations: list[str]
    marks: Counter[str]
    endings: Counter[str]
    """Number of creations by last status and failure code."""
    tasks: int
    executions: int
    attempts: int
    starts: int
    waited_s: dict[UserId, list[float]]
    """From the first debit to the first claim, of each creation of each user."""
    most_running: Counter[Kind]
    """How many creations of a kind were processing at once at most."""
    run_s: list[float]
    """Of each process of an execution."""
    sites: list[Site]
    happened: list[tuple[Site, str]]
    operations: list[str]
    trace: list[str] | None

    @property
    def trace_hash(self) -> str:
        """Return the hash of the trace."""
        return hashlib.sha256("\n".join(self.trace or []).encode()).hexdigest()


@dataclass(frozen=True)
class Setup:
    """How one history's installation differs."""

    queue: Callable[[Simulation, SimulatedExecutions], SimulatedQueue] = SimulatedQueue
    policy: Policy = POLICY
    drains: bool = True
    image_takes_s: tuple[float, float] | None = None
    video_takes_s: tuple[float, float] | None = None
    is_audited: bool = True
    """Audit what moved twice in some histories, and at the end of each."""
    folds: bool = True
    """Let a sweep fold each outcome; otherwise, only those of sweeps with other work."""


def play(
    seed: int,
    *,
    faults: Faults | None = None,
    scenario: Scenario | None = None,
    skipped: frozenset[str] = frozenset(),
    is_traced: bool = False,
    books_every: int = BOOKS_EVERY,
    setup: Setup = Setup(),
) -> Outcome:
    """Play one history. The same arguments give the same history."""
    simulation = Simulation(seed, faults or Faults(seed), is_traced=is_traced)
    if scenario is None:
        setup = replace(setup, policy=with_some_life(setup.policy, simulation))
    installation = _Installation(simulation, setup, books_every=books_every)
    clients = Clients(
        simulation,
        installation.phoenix,
        installation.store,
        installation.inspector,
        installation.welcomes,
        skipped,
    )
    with _logs_as_marks(simulation):
        (scenario or random_journeys)(clients)
        simulation.at(0.0, installation.tick)
        if setup.is_audited:
            installation.audits_meanwhile()
        simulation.run(FAULTS_END_S)
        simulation.faults.are_off = True
        simulation.run(FAULTS_END_S + CALM_S)
        if setup.is_audited:
            installation.audits(simulation.now_s)
            simulation.run(FAULTS_END_S + CALM_S + AUDIT_S)
        simulation.end()
    installation.inspector.check_end()
    creations = [
        each for each in installation.store.documents.values() if isinstance(each, Creation)
    ]
    return Outcome(
        seed=seed,
        violations=installation.inspector.found,
        marks=simulation.marks,
        endings=Counter(
            f"{each.status} {each.error.code}" if each.error else str(each.status)
            for each in creations
        ),
        tasks=installation.queue.count,
        executions=installation.executions.count,
        attempts=sum(each.attempt for each in creations),
        starts=sum(len(each.starts) for each in installation.generators.values()),
        waited_s=installation.inspector.waited_s,
        most_running=installation.inspector.most_running,
        run_s=installation.executions.run_s,
        sites=simulation.sites,
        happened=simulation.faults.happened,
        operations=clients.operations,
        trace=simulation.trace,
    )


def random_journeys(clients: Clients) -> None:
    """Let one or two owners open up to three creations each."""
    simulation = clients.simulation
    journeys = {ADA: 1 + int(simulation.chance("ada", "journeys") ** 2 * 3)}
    if simulation.chance("ben", "is there") < 0.3:
        journeys[BEN] = 1
    for user, count in journeys.items():
        for number in range(count):
            _begin(clients, user, number)
    spawn_slow_sweep(clients)
    if simulation.chance("operator", "has a ceiling") < 0.1:
        clients.phoenix.opening.admission.brake = CEILING
    if simulation.chance("operator", "pauses") < 0.1:
        _spawn(clients, "operator", clients.pauses)
    operators.begin(clients)
    _spawn_some(clients, "cyd", 0.05, partial(clients.opens_and_keeps_one, CYD))
    _spawn_some(clients, "gus", 0.06, GroupClients(clients).journeys)

    bulks.begin(clients, ADA, spawn=partial(_spawn, clients))
    searches.begin(clients, ADA, spawn=partial(_spawn, clients))

    if simulation.chance("crowd", "is there") < 0.12:
        kind = Kind.VIDEO if simulation.chance("crowd", "kind") < 0.3 else Kind.IMAGE
        begins_s = simulation.chance("crowd", "begins") * CLIENTS_BEGIN_WITHIN_S
        crowd(clients, kind=kind, begins_s=begins_s)


def crowd(clients: Clients, *, kind: Kind, begins_s: float = 0.0) -> None:
    """Let six owners open three images each, or a video, within a minute, before a slow queue."""
    clients.slow_queue(CROWD_PACE_PER_S)
    for owner in range(CROWD):
        for number in range(1 if kind is Kind.VIDEO else 3):
            user, name = UserId(f"crowd {owner}"), f"crowd {owner}.{number}"
            at_s = begins_s + 60 * clients.simulation.chance(name, "begins")
            clients.opens_at(at_s, name, user, kind)


def _begin(clients: Clients, user: UserId, number: int) -> None:
    _spawn(clients, f"{user}.{number}", partial(clients.journey, user, number))


def _spawn_some(clients: Clients, name: str, share: float, run: Callable[[], None]) -> None:
    """Spawn an actor in this share of the histories."""
    if clients.simulation.chance(name, "is there") < share:
        _spawn(clients, name, run)


def _spawn(clients: Clients, name: str, run: Callable[[], None]) -> None:
    clients.simulation.spawn(
        name,
        run,
        process=Process(name),
        at_s=clients.simulation.chance(name, "begins") * CLIENTS_BEGIN_WITHIN_S,
    )


def two_posts(clients: Clients) -> None:
    """Let two racing POSTs with one key open one video."""
    for name in ("first", "second"):
        clients.simulation.spawn(
            name,
            partial(clients.open, name, ADA, "key", Kind.VIDEO),
            process=Process(name),
        )


def ten_abusers(clients: Clients) -> None:
    """Let ten owners open and cancel 60 videos each; then an eleventh opens one.

    Ten tasks are dispatched in a minute, as in the cloud. Each owner has a verified address and
    therefore the tokens of a welcome grant.
    """
    clients.welcomes.late_share = 0
    clients.slow_queue(1 / 6)
    for number in range(10):
        user = UserId(f"abuser {number}")
        _spawn(clients, user, partial(clients.opens_and_cancels, user, kind=Kind.VIDEO, count=60))
    clients.simulation.spawn(
        "eve",
        partial(clients.open, "eve", UserId("eve"), "key", Kind.VIDEO),
        process=Process("eve"),
        at_s=CLIENTS_BEGIN_WITHIN_S + 120,
    )


class _Installation:
    """The real use cases and jobs over simulated ports."""

    def __init__(self, simulation: Simulation, setup: Setup, *, books_every: int) -> None:
        self.simulation, self.setup = simulation, setup
        self.store = SimulatedStore(simulation, simulation)
        self.store.wakes_to_fold = setup.folds
        self.media = SimulatedMediaStore(simulation)
        self.executions = SimulatedExecutions(simulation, setup.policy)
        self.executions.job = self._job
        self.queue = setup.queue(simulation, self.executions)
        self.generators = {kind: SimulatedGenerator(simulation, kind) for kind in Kind}
        self.generators[Kind.IMAGE].takes_s = setup.image_takes_s
        self.generators[Kind.VIDEO].takes_s = setup.video_takes_s
        self.inspector = Inspector(
            simulation,
            self.store,
            self.media,
            self.queue,
            self.generators,
            setup.policy,
            books_every=books_every,
        )
        self.executions.stopped = self.inspector.stopped
        self.welcomes = Welcomes(simulation, POLICY)
        self.inspector.welcomes = self.welcomes
        self.phoenix = self._assembled()

    def _assembled(self) -> Phoenix:
        clock = SimulatedClock(self.simulation)
        unused_identity: Any = None
        tokens = WELCOME_TOKENS[int(self.simulation.chance("welcome", "tokens") * 3)]
        self.store.begin_with(self.welcomes.documents(tokens))
        ports = Ports(
            store=self.store,
            queue=self.queue,
            media=self.media,
            executions=self.executions,
            identity=unused_identity,
            service_identity=unused_identity,
            clock=clock,
            ids=SimulatedIds(self.simulation),
            generator=self.generators.__getitem__,
            close=lambda: None,
        )
        phoenix = wiring.assembled(_settings(tokens, self.setup.policy), ports, local=None)
        phoenix.opening.admission.wait_max_s = 0  # the scheduler itself waits for each thread
        return in_turn(phoenix)

    def _job(self, start: Start) -> "_Job":
        self.inspector.began_s[str(start.lease_owner)] = self.simulation.now_s
        execution = Execution(
            self.phoenix,
            SimulatedCrew(self.simulation),
            partial(SimulatedPipeline, start.kind, self.simulation),
            kind=start.kind,
            lease_owner=start.lease_owner,
            began_s=self.simulation.now_s,
        )
        drains = start.drains and self.setup.drains
        return _Job(execution, replace(start, drains=drains), self.inspector)

    def tick(self) -> None:
        """Run the sweep, as the scheduler does every minute, if any document is due.

        Schedule the next tick unless nothing can happen any more.
        """
        simulation = self.simulation
        minute = round(simulation.now_s / POLICY.sweep_every_s)
        next_due = self.store.next_due()
        is_due = next_due <= self.inspector.now
        fate = simulation.fate(f"sweep {minute}", "sweep") if is_due else "missed"
        if fate != "missed":
            for half in ("a", "b") if fate == "doubled" else ("a",):
                name = f"sweep {minute}{half}"
                simulation.spawn(name, self._sweep, process=process(simulation, name))
        ends_at = NOON + timedelta(seconds=FAULTS_END_S + CALM_S)
        if not simulation.is_idle or next_due <= ends_at:
            simulation.at(simulation.now_s + POLICY.sweep_every_s, self.tick)

    def _sweep(self) -> None:
        self._noted("sweep", self.phoenix.sweeping.sweep)

    def audits_meanwhile(self) -> None:
        simulation = self.simulation
        if simulation.chance("auditor", "is there") < 0.15:
            for when in ("a", "b"):
                self.audits(simulation.chance("auditor", when) * FAULTS_END_S)

    def audits(self, at_s: float) -> None:
        name = f"audit {round(at_s)}"
        self.simulation.spawn(name, self._audit, process=process(self.simulation, name), at_s=at_s)

    def _audit(self) -> None:
        self._noted("audit", self._report_violations)

    def _report_violations(self) -> None:
        for violation in self.phoenix.incremental_audit.audit().violations:
            if self.inspector.counts(violation):
                what = f"audit: {violation.document} {violation.what}"
                self.inspector.report(violation.invariant, what)

    def _noted(self, name: str, run: Callable[[], object]) -> None:
        is_calm = self.simulation.faults.are_off
        try:
            run()
        except Crashed:
            raise
        except Exception as error:
            self.simulation.marks[f"{name}_raised"] += 1
            self.simulation.note(f"{name} raised {error!r}")
            if name == "audit" and is_calm:
                self.inspector.report("I0", f"the audit raised {error!r}")


@dataclass(frozen=True)
class _Job:
    """What `jobs/worker.py` does in a process that a task started."""

    execution: Execution
    start: Start
    inspector: Inspector

    @property
    def needs_restart(self) -> bool:
        return self.execution.needs_restart

    def run(self) -> None:
        try:
            self.execution.run(self.start.creation_id, drains=self.start.drains)
        except Unavailable:
            return
        except Exception as error:
            self.inspector.report("I10", f"{self.start} raised {error!r}")

    def hand_back(self) -> None:
        self.execution.hand_back()


@cache
def _settings(tokens: int, policy: Policy) -> Settings:
    environment = {"PHOENIX_DATA": "unused", "PHOENIX_WELCOME_TOKENS": str(tokens)}
    return replace(settings.load(environment), policy=policy)


class _Marks(logging.Handler):
    """Counts log lines by message, to show which rare branches were reached."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__()
        self._simulation = simulation

    def handle(self, record: logging.LogRecord) -> bool:
        facts: Mapping[str, object] = vars(record)
        self._simulation.marks[record.msg] += 1
        if record.msg == "creation_failed":
            self._simulation.marks[f"refunded_by_{facts['actor']}"] += 1
            self._simulation.marks[f"failed_{facts['failure']}"] += 1
        elif record.msg == "lease_lost" and self._simulation.actor.counts["media.put"]:
            self._simulation.marks["fenced_complete"] += 1
        return True


@contextmanager
def _logs_as_marks(simulation: Simulation) -> Iterator[None]:
    marks = _Marks(simulation)
    loggers = [logging.getLogger(name) for name in ("shared", "jobs")]
    before = [(each.level, each.propagate) for each in loggers]
    for each in loggers:
        each.addHandler(marks)
        each.setLevel(logging.INFO)
        each.propagate = False
    try:
        yield
    finally:
        for each, (level, propagate) in zip(loggers, before, strict=True):
            each.removeHandler(marks)
            each.setLevel(level)
            each.propagate = propagate
