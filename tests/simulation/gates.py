"""Availability gates: the least share of creations that must succeed under given faults."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import mean
from typing import Any

from shared.domain.keys import UserId
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.policy import Policy
from tests.simulation.clients import Clients
from tests.simulation.crowds import images, poisoned
from tests.simulation.faults import Faults
from tests.simulation.history import (
    CROWD_PACE_PER_S,
    POLICY,
    Outcome,
    Scenario,
    Setup,
    crowd,
    play,
)
from tests.simulation.like_gate import LikesGate
from tests.simulation.scheduler import Process

EVE = UserId("eve")
SHORT_LEASES = replace(POLICY, lease_s=60, heartbeat_s=20, lease_grace_s=10)
STEAL_AT_S = 100.0


@dataclass(frozen=True)
class Gate:
    """Under these faults only, at least this share of creations must become drafts."""

    name: str
    rates: Mapping[str, float]
    drafts_share_min: float
    histories: int = 400
    scenario: Scenario | None = None
    is_effort_least: bool = False
    """Also require one task, one execution and one attempt for each creation."""

    def failing(self) -> str | None:
        """Return why the gate fails, as soon as it is certain, or None.

        Each history opens one creation and waits.
        """
        missing, missing_max = 0, (1 - self.drafts_share_min) * self.histories
        for seed in range(self.histories):
            faults = Faults(seed, rates=self.rates, is_only=True)
            outcome = play(seed, faults=faults, scenario=self.scenario or one_open)
            missing += 1 - outcome.endings["draft"]
            if outcome.violations:
                return outcome.violations[0]
            if missing > missing_max:
                return f"{missing} of {seed + 1} creations did not become drafts"
            if self.is_effort_least and _effort(outcome) != (1, 1, 1):
                return "more than one task, execution or attempt"
        return None


@dataclass(frozen=True)
class CrowdGate:
    """Under these faults only, a waiting crowd must become drafts with little more than one attempt."""

    name: str
    kind: Kind
    drafts_share_min: float = 1.0
    attempts_share_max: float = 1.0
    starts_share_max: float = 1.0
    rates: Mapping[str, float] = field(default_factory=dict)
    policy: Policy = POLICY
    histories: int = 40
    is_robbed: bool = False
    """One lease is taken away from the process that renews it."""
    at_once_max: int | None = None
    """How many operations the vendor runs at once; the response to one more is a 429."""
    down_until_s: float = 0.0
    """How long a gateway responds to each start."""

    def failing(self) -> str | None:
        """Return why the gate fails, or None."""
        creations = drafts = attempts = starts = 0
        for seed in range(self.histories):
            faults = Faults(seed, rates=self.rates, is_only=True)
            setup = Setup(policy=self.policy)
            outcome = play(seed, faults=faults, scenario=self._scenario, setup=setup)
            if outcome.violations:
                return outcome.violations[0]
            if kept := outcome.marks["kept_after_sigterm"]:
                return f"{kept} leases were kept after SIGTERM"
            creations += outcome.endings.total()
            drafts += outcome.endings["draft"]
            attempts += outcome.attempts
            starts += outcome.starts
        shares = drafts / creations, attempts / creations, starts / creations
        is_right = (
            shares[0] >= self.drafts_share_min
            and shares[1] <= self.attempts_share_max
            and shares[2] <= self.starts_share_max
        )
        return None if is_right else f"drafts, attempts and starts for each: {shares}"

    def _scenario(self, clients: Clients) -> None:
        clients.welcomes.late_share = 0
        crowd(clients, kind=self.kind)
        generator: Any = clients.phoenix.ports.generator(self.kind)
        generator.at_once_max, generator.down_until_s = self.at_once_max, self.down_until_s
        if self.is_robbed:
            clients.simulation.at(STEAL_AT_S, partial(_steal, clients))


def _steal(clients: Clients) -> None:
    """Take the lease of one creation in progress, and do nothing with it."""
    processing = clients.store.processing()
    if len(processing) > 1 and (owner := processing[0].lease_owner) is not None:
        thief = LeaseOwner(owner.execution, owner.task_attempt + 1)
        creation_id, kind = processing[0].creation_id, processing[0].kind

        def claim() -> None:
            clients.phoenix.claims.claim(creation_id, kind=kind, lease_owner=thief)

        clients.simulation.spawn(str(thief), claim, process=Process(str(thief)))


@dataclass(frozen=True)
class PoisonGate:
    """One image that crashes its processes takes each companion along once at most."""

    name: str = "one image of 300 crashes its processes"
    images: int = 300
    extra_attempts_max: int = 9
    """One for each of seven companions; a second image start may need one more."""

    def failing(self) -> str | None:
        for seed in (1, 2, 3):
            outcome = poisoned(self.images, seed=seed)
            if outcome.violations:
                return outcome.violations[0]
            extra = outcome.attempts - self.images - (POLICY.attempts_max - 1)
            if outcome.endings["draft"] < self.images - 1 or extra > self.extra_attempts_max:
                return f"{outcome.endings['draft']} drafts, {extra} more attempts"
        return None


@dataclass(frozen=True)
class FairGate:
    """Who opens one image waits less than an account that opened twenty a moment earlier."""

    name: str = "one account opens twenty images before ten others open one each"
    wait_share_max: float = 0.65
    """Mean wait of the others' images, as a share of that account's."""
    histories: int = 40

    def failing(self) -> str | None:
        many_s: list[float] = []
        one_s: list[float] = []
        for seed in range(self.histories):
            outcome = play(seed, faults=Faults(seed, is_exact=True), scenario=twenty_and_one)
            if outcome.violations:
                return outcome.violations[0]
            for user, waited_s in outcome.waited_s.items():
                (many_s if user == EVE else one_s).extend(waited_s)
        waits_s = f"waits of {mean(one_s):.1f} s and {mean(many_s):.1f} s"
        return None if mean(one_s) <= self.wait_share_max * mean(many_s) else waits_s


@dataclass(frozen=True)
class BrakeGate:
    """Little more than `images_running_max` images are processing at once."""

    name: str = "thirty of 500 images may be processing"
    images: int = 500
    running_max: int = 30
    most_running_max: int = 90
    """Executions that look at the same moment pass the brake together."""

    def failing(self) -> str | None:
        policy = Policy(images_running_max=self.running_max)
        outcome = images(self.images, policy=policy).outcome
        if outcome.violations:
            return outcome.violations[0]
        most = outcome.most_running[Kind.IMAGE]
        return None if most <= self.most_running_max else f"{most} were processing at once"


def one_open(clients: Clients) -> None:
    """Let one owner open one creation, retrying until there is a response."""
    clients.welcomes.late_share = 0
    kind = Kind.VIDEO if clients.simulation.seed % 2 else Kind.IMAGE
    clients.simulation.spawn(EVE, lambda: clients.open(EVE, EVE, "key", kind), process=Process(EVE))


def twenty_and_one(clients: Clients) -> None:
    """Let one account open twenty images; soon after, ten others open one each."""
    clients.welcomes.late_share = 0
    clients.slow_queue(CROWD_PACE_PER_S)
    opened = [(EVE, f"eve {number}", 0.0) for number in range(20)]
    opened += [(UserId(f"other {number}"), f"other {number}", 15.0) for number in range(10)]
    for user, name, at_s in opened:
        clients.opens_at(at_s, name, user, Kind.IMAGE)


def cancel_and_retry(clients: Clients) -> None:
    """Let one owner cancel and retry one creation in two tabs."""
    clients.welcomes.late_share = 0
    run = partial(clients.opens_cancels_and_retries, EVE, "key", Kind.VIDEO)
    clients.simulation.spawn(EVE, run, process=Process(EVE))


def _effort(outcome: Outcome) -> tuple[int, int, int]:
    return outcome.tasks, outcome.executions, outcome.attempts


AnyGate = Gate | CrowdGate | PoisonGate | FairGate | BrakeGate | LikesGate
GATES: list[AnyGate] = [
    Gate("no faults", {}, 1.0, is_effort_least=True),
    Gate("processes die", {"crash_before": 0.002, "crash_after": 0.002}, 0.99, histories=1000),
    Gate("half of the starts return 429", {"generator.start unavailable": 0.5}, 0.8),
    Gate("half of the tasks vanish", {"queue.enqueue vanishes": 0.5}, 0.9),
    Gate("half of the enqueue calls get no response", {"queue.enqueue applied": 0.5}, 0.5),
    Gate("processes pause for minutes", {"pause": 0.06, "pause_after": 0.06}, 0.55),
    Gate(
        "an owner cancels and retries at once",
        {"pause_after": 0.05},
        0.6,
        scenario=cancel_and_retry,
    ),
    Gate("commits get no response", {"store.commit applied": 0.2}, 1.0, is_effort_least=True),
    Gate(
        "a gateway fails a fifth of the starts",
        {"generator.start gateway": 0.1, "generator.start gateway_started": 0.1},
        0.88,
    ),
    Gate(
        "half of the starts have a Retry-After of an hour",
        {"generator.start unavailable_for_an_hour": 0.5},
        0.8,
    ),
    Gate(
        "half of the operations end in a transient error",
        {"generator.operation fails_for_now": 0.5},
        0.8,
    ),
    Gate(
        "reads have a Retry-After of an hour",
        {f"generator.{read} wait_an_hour": 0.3 for read in ("poll", "fetch", "find")},
        0.99,
    ),
    Gate("reads are refused for a minute", {"generator.reads refused_for_a_minute": 1.0}, 0.99),
    Gate("processes die repeatedly", {"crash_before": 0.03, "crash_after": 0.03}, 0.8),
    Gate("storage is unavailable for a minute", {"media.outage a_minute": 1.0}, 0.99),
    CrowdGate("a crowd of long videos waits", Kind.VIDEO, policy=SHORT_LEASES),
    CrowdGate(
        "every process of a crowd of videos is stopped",
        Kind.VIDEO,
        attempts_share_max=2.2,
        rates={"job sigterm": 1.0},
    ),
    CrowdGate(
        "every process of a crowd of images is stopped",
        Kind.IMAGE,
        drafts_share_min=0.99,
        attempts_share_max=1.2,
        starts_share_max=1.02,
        rates={"job sigterm": 1.0},
        histories=60,
    ),
    CrowdGate(
        "every process of a crowd of slow videos is stopped",
        Kind.VIDEO,
        drafts_share_min=0.8,
        attempts_share_max=7,
        rates={"job sigterm": 1.0, "generator.operation slow": 1.0},
    ),
    CrowdGate(
        "one lease of a crowd is taken away",
        Kind.VIDEO,
        attempts_share_max=1.4,
        is_robbed=True,
    ),
    CrowdGate(
        "a fifth of the starts of a crowd of videos is refused",
        Kind.VIDEO,
        drafts_share_min=0.7,
        rates={"generator.start refused": 0.2},
    ),
    CrowdGate(
        "a vendor allows two images of a crowd at once",
        Kind.IMAGE,
        attempts_share_max=1.6,
        at_once_max=2,
    ),
    CrowdGate(
        "the vendor of a crowd of images is out of reach for three minutes",
        Kind.IMAGE,
        drafts_share_min=0.9,
        attempts_share_max=1.6,
        down_until_s=180,
    ),
    PoisonGate(),
    FairGate(),
    BrakeGate(),
    LikesGate(),
]
