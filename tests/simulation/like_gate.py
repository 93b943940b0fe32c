"""The gate of likes: many people like a few publications, some of which their owner deletes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from shared.domain.brief import creation_id_for
from shared.domain.creation import Creation
from shared.domain.keys import UserId
from shared.domain.kind import Kind
from shared.domain.status import Status
from tests.simulation.clients import Clients
from tests.simulation.faults import Faults
from tests.simulation.history import play
from tests.simulation.like_mutants import LIKES_GATE
from tests.simulation.likes import Visitor
from tests.simulation.scheduler import Process

OWNER = UserId("owner")
PUBLICATIONS, FANS, VISITS = 2, 4, 8
DELETES = 0.6
STOPPED = {
    "store.commit late": 0.05,
    "store.commit applied": 0.02,
    "pause": 0.04,
    "freeze": 0.012,
    "sweep doubled": 0.4,
}
LATE, UNREADABLE = {"store.commit late": 0.5}, {"store.read down": 0.35}
HISTORIES = [
    *((UNREADABLE, seed) for seed in (19, 35, *range(15))),
    *((LATE, seed) for seed in (55, 312, 331, *range(45))),
    *((STOPPED, seed) for seed in (32, 11, 1, 166, 211, 121, 175, 248, 304, *range(40))),
]
"""The first ones of each kind noticed mutants before, or a mistake."""


@dataclass(frozen=True)
class LikesGate:
    """No like is lost, counted twice or left behind when processes stop and calls are late or fail."""

    name: str = LIKES_GATE

    def failing(self) -> str | None:
        for rates, seed in HISTORIES:
            faults = Faults(seed, rates=rates, is_only=True)
            outcome = play(seed, faults=faults, scenario=many_fans)
            if outcome.violations:
                return outcome.violations[0]
        return None


def many_fans(clients: Clients) -> None:
    clients.welcomes.late_share = 0
    for number in range(PUBLICATIONS):
        name = f"publication {number}"
        creation_id = creation_id_for(OWNER, name)
        _spawn(clients, name, partial(_publishes, clients, name))
        for fan in (OWNER, *(UserId(f"fan {each}") for each in range(FANS))):
            visitor = Visitor(clients, f"{name} {fan}", fan, creation_id, visits_max=VISITS)
            _spawn(clients, visitor.name, visitor.visits)


def _spawn(clients: Clients, name: str, run: Callable[[], None]) -> None:
    clients.simulation.spawn(name, run, process=Process(name))


def _publishes(clients: Clients, name: str) -> None:
    """Open an image, publish it when it is ready, and perhaps delete it later."""
    simulation, phoenix = clients.simulation, clients.phoenix
    creation_id = creation_id_for(OWNER, name)
    clients.open(name, OWNER, name, Kind.IMAGE)
    while (known := clients.store.creation(creation_id)) and known.is_unfinished:
        simulation.sleep(5)
    answer = clients.call_with_retry(
        f"{name}.publish", partial(phoenix.publishing.publish, creation_id, owner=OWNER)
    )
    is_published = isinstance(answer, Creation) and answer.status is Status.PUBLISHED
    simulation.sleep(600 + 4000 * simulation.chance(name, "sleeps"))
    if is_published and simulation.chance(name, "deletes") < DELETES:
        delete = partial(phoenix.media_cleanup.delete_creation, creation_id, owner=OWNER)
        clients.call_with_retry(f"{name}.delete", delete)
