"""Availability gates: the least share of creations that must succeed under given faults."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from shared.domain.keys import UserId
from shared.domain.kind import Kind
from tests.simulation.clients import Clients
from tests.simulation.faults import Faults
from tests.simulation.history import Outcome, Scenario, play
from tests.simulation.scheduler import Process

EVE = UserId("eve")


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


def one_open(clients: Clients) -> None:
    """Let one owner open one creation, retrying until there is a response."""
    clients.welcomes.late_share = 0
    kind = Kind.VIDEO if clients.simulation.seed % 2 else Kind.IMAGE
    clients.simulation.spawn(EVE, lambda: clients.open(EVE, EVE, "key", kind), process=Process(EVE))


def cancel_and_retry(clients: Clients) -> None:
    """Let one owner cancel and retry one creation in two tabs."""
    clients.welcomes.late_share = 0
    run = partial(clients.opens_cancels_and_retries, EVE, "key", Kind.VIDEO)
    clients.simulation.spawn(EVE, run, process=Process(EVE))


def _effort(outcome: Outcome) -> tuple[int, int, int]:
    return outcome.tasks, outcome.executions, outcome.attempts


GATES = [
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
]
