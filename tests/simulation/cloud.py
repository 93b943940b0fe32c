"""Simulated TaskQueue and Executions: duplicated, late and lost tasks; crashing jobs."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.domain.errors import QueueUnavailable, WithdrawalRefused
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.policy import STOP_GRACE_S, Policy
from tests.simulation.scheduler import Actor, Crashed, Process, Simulation
from tests.support.builders import NOON

CLOCKS_DIFFER_S = 5.0
DISPATCH_S = 2.0
AMPLE_PER_S = 5.0
CROWDED_PER_S = 0.001
START_S = 8.0
TWICE_WITHIN_S = 400.0
HOURS_S = (1800.0, 9000.0)
RESTARTS_MAX = 2
RESTART_S = (1.0, 20.0)
SIGTERM_WITHIN_S = 120.0


class Job(Protocol):
    """The work of one process."""

    @property
    def needs_restart(self) -> bool: ...

    def run(self) -> None: ...

    def hand_back(self) -> None: ...


@dataclass(frozen=True)
class Start:
    """What the platform tells a process."""

    creation_id: CreationId
    kind: Kind
    lease_owner: LeaseOwner
    drains: bool


StartJob = Callable[[Start], Job]


def process(simulation: Simulation, name: str) -> Process:
    """Return a process with a clock offset of up to 5 s."""
    offset_s = (simulation.chance(name, "clock") * 2 - 1) * CLOCKS_DIFFER_S
    return Process(name, offset_s)


def _no_job(start: Start) -> Job:
    raise AssertionError(f"there is no job for {start}")


@dataclass(eq=False)
class _TaskAttempt:
    """One process of an execution."""

    process: Process
    job: Job | None = None
    has_exited: bool = False
    """It ended by itself, or after SIGTERM within its grace, and was not killed."""

    @property
    def is_settled(self) -> bool:
        return self.has_exited and self.job is not None and not self.job.needs_restart


@dataclass
class _Execution:
    """One execution of a job with all its task attempts."""

    name: str
    creation_id: CreationId
    kind: Kind
    drains: bool
    is_running: bool = True


class SimulatedExecutions:
    """Runs `job` as an actor: one process for each task attempt, restarted when it fails."""

    def __init__(self, simulation: Simulation, policy: Policy) -> None:
        self.job: StartJob = _no_job
        self.stopped: Callable[[str], None] = lambda _: None
        """Called with each process that has handed back what it held after SIGTERM."""
        self.count = 0
        self.run_s: list[float] = []
        """How long each process ran."""
        self._simulation = simulation
        self._policy = policy
        self._executions: dict[str, _Execution] = {}
        self._counts: Counter[CreationId] = Counter()

    def is_running(self, execution_name: str, *, kind: Kind) -> bool:
        step = self._simulation.call("executions.is_running")
        if step.fault == "down":
            raise QueueUnavailable(reason="simulated")
        execution = self._executions.get(execution_name)
        self._simulation.answered(step)
        return execution is not None and execution.is_running

    def run(self, creation_id: CreationId, *, kind: Kind, debit_failed: bool = False) -> str:
        step = self._simulation.call("executions.run")
        name = self.begin(creation_id, kind, drains=False)
        self._simulation.answered(step)
        return name

    def begin(self, creation_id: CreationId, kind: Kind, *, drains: bool = True) -> str:
        """Start an execution; its first task attempt follows within seconds."""
        self.count += 1
        self._counts[creation_id] += 1
        name = f"{kind}-job-{creation_id[:6]}-{self._counts[creation_id]}"
        self._executions[name] = execution = _Execution(name, creation_id, kind, drains)
        start_s = START_S * self._simulation.chance(name, "start") ** 3
        self._try(execution, task_attempt=0, after_s=start_s)
        return name

    def _try(self, execution: _Execution, *, task_attempt: int, after_s: float) -> None:
        simulation = self._simulation
        lease_owner = LeaseOwner(execution.name, task_attempt)
        host = process(simulation, str(lease_owner))
        task = _TaskAttempt(host)

        def body() -> None:
            task.job = self.job(
                Start(execution.creation_id, execution.kind, lease_owner, execution.drains)
            )
            try:
                task.job.run()
                task.has_exited = True
            finally:
                self.run_s.append(simulation.now_s - begins_s)
                simulation.at(simulation.now_s, end)

        def end() -> None:
            host.is_dead = True
            if task.is_settled or task_attempt == RESTARTS_MAX:
                execution.is_running = False
                return
            shortest, longest = RESTART_S
            wait_s = shortest + (longest - shortest) * simulation.chance(
                str(lease_owner), "restart"
            )
            self._try(execution, task_attempt=task_attempt + 1, after_s=wait_s)

        begins_s = simulation.now_s + after_s
        main = simulation.spawn(str(lease_owner), body, process=host, at_s=begins_s)
        host.died = lambda: simulation.interrupt(main, Crashed())
        stop_s = begins_s + self._policy.job_timeout_s(execution.kind)
        if simulation.fate(str(lease_owner), "job") == "sigterm":
            within_s = simulation.chance(str(lease_owner), "sigterm") * SIGTERM_WITHIN_S
            stop_s = min(stop_s, begins_s + within_s)
        simulation.at(stop_s, lambda: self._stop(main, task))

    def _stop(self, main: Actor, task: "_TaskAttempt") -> None:
        """Send SIGTERM: another actor of the process hands everything back and ends it."""
        simulation = self._simulation
        if main.has_ended or main.process.is_dead:
            return
        simulation.marks["sigterm"] += 1
        simulation.note(f"{main.name} SIGTERM")

        def stop() -> None:
            if task.job is not None:
                task.job.hand_back()
                task.has_exited = True
                self.stopped(main.process.name)
            simulation.at(simulation.now_s, lambda: self._kill(main))

        simulation.spawn(f"{main.name}.stop", stop, process=main.process)
        simulation.at(simulation.now_s + STOP_GRACE_S, lambda: self._kill(main))

    def _kill(self, main: Actor) -> None:
        main.process.is_dead = True
        self._simulation.interrupt(main, Crashed())


class SimulatedQueue:
    """Tasks by creation and number; each starts an execution, usually once and at once."""

    def __init__(self, simulation: Simulation, executions: SimulatedExecutions) -> None:
        self.seen: Callable[[str, CreationId, int], None] = lambda *_: None
        """Called before each create with the actor and the task."""
        self.withdrawing: Callable[[str, CreationId, int], None] = lambda *_: None
        """Called before each deletion that takes effect with the actor and the task."""
        self.count = 0
        self.pace_per_s: float | None = None
        """Dispatch rate of a strict queue; None: tasks are dispatched independently."""
        self._line: list[tuple[tuple[CreationId, int], Kind]] = []
        self._simulation = simulation
        self._executions = executions
        self._names: set[tuple[CreationId, int]] = set()
        self._waiting: set[tuple[CreationId, int]] = set()
        self._withdrawn: set[tuple[CreationId, int]] = set()
        self.acknowledged: set[tuple[CreationId, int]] = set()
        """The tasks of successful calls."""

    def enqueue(
        self,
        creation_id: CreationId,
        *,
        kind: Kind,
        number: int,
        not_before: datetime | None = None,
    ) -> None:
        simulation = self._simulation
        step = simulation.call("queue.enqueue")
        if step.fault == "refused":
            raise QueueUnavailable(reason="simulated")
        name = (creation_id, number)
        self.seen(simulation.actor.name, creation_id, number)
        if name not in self._names:
            self._names.add(name)
            self._create(name, kind, not_before, fault=step.fault, chance=step.chance)
        if step.fault == "applied":
            raise QueueUnavailable(reason="simulated: applied")
        self.acknowledged.add(name)
        simulation.answered(step)

    def knows(self, creation_id: CreationId, number: int) -> bool:
        """Return whether a task of this name exists or existed."""
        return (creation_id, number) in self._names

    def _create(
        self,
        name: tuple[CreationId, int],
        kind: Kind,
        not_before: datetime | None,
        *,
        fault: str | None,
        chance: float,
    ) -> None:
        simulation = self._simulation
        self.count += 1
        if fault == "vanishes":
            return
        self._waiting.add(name)
        if self.pace_per_s is not None:
            self._line.append((name, kind))
            if len(self._line) == 1:
                simulation.at(simulation.now_s + 1 / self.pace_per_s, self._dispatch_next)
            return
        at_s = simulation.now_s + DISPATCH_S * chance**3
        if fault == "hours":
            shortest, longest = HOURS_S
            at_s += shortest + (longest - shortest) * chance
        if not_before is not None:
            at_s = max(at_s, (not_before - NOON).total_seconds())
        simulation.at(at_s, lambda: self._dispatch(name, kind))
        if fault == "twice":
            again_s = at_s + TWICE_WITHIN_S * chance**2
            simulation.at(again_s, lambda: self._dispatch(name, kind))

    def _dispatch_next(self) -> None:
        """Dispatch the oldest waiting task; the next one follows at the queue's rate."""
        self._line = [each for each in self._line if each[0] not in self._withdrawn]
        if self._line and self.pace_per_s is not None:
            self._dispatch(*self._line.pop(0))
            if self._line:
                now_s = self._simulation.now_s
                self._simulation.at(now_s + 1 / self.pace_per_s, self._dispatch_next)

    def _dispatch(self, name: tuple[CreationId, int], kind: Kind) -> None:
        if name in self._withdrawn:
            return
        self._waiting.discard(name)
        self._executions.begin(name[0], kind)

    def withdraw(self, creation_id: CreationId, *, kind: Kind, number: int) -> None:
        simulation = self._simulation
        step = simulation.call("queue.withdraw")
        if step.fault == "refused":
            raise WithdrawalRefused(reason="simulated")
        if step.fault == "lost":
            raise QueueUnavailable(reason="simulated: lost")
        self.withdrawing(simulation.actor.process.name, creation_id, number)
        name = (creation_id, number)
        if name in self._waiting:
            simulation.marks["withdrawn"] += 1
        self._waiting.discard(name)
        if name in self._names and step.fault != "in_dispatch":
            self._withdrawn.add(name)
        if step.fault == "applied":
            raise QueueUnavailable(reason="simulated: applied")
        simulation.answered(step)

    def dispatches_per_s(self, kind: Kind) -> float:
        """Return an ample rate, or with a fault one at which a single task is too many."""
        step = self._simulation.call("queue.rate")
        if step.fault == "down":
            raise QueueUnavailable(reason="simulated")
        self._simulation.answered(step)
        return CROWDED_PER_S if step.fault == "crowded" else self.pace_per_s or AMPLE_PER_S

    def waits(self, creation_id: CreationId, *, kind: Kind, number: int) -> bool:
        step = self._simulation.call("queue.waits")
        if step.fault == "down":
            raise QueueUnavailable(reason="simulated")
        waits = (creation_id, number) in self._waiting
        self._simulation.answered(step)
        return waits
