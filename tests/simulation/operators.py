"""Simulated operators: replays with and without a grant, grants; and the checks of their acts.

I22: an operator's entry in the ledger and its act are written together, an act never changes, one request
debits a creation once, and the grant of a replay comes with its debit.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from shared.domain.creation import Creation
from shared.domain.errors import (
    CreationNotFound,
    IllegalTransition,
    InsufficientTokens,
    RequestError,
)
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId, UserId
from shared.domain.ledger import Actor, EntryType, LedgerEntry
from shared.domain.operating import OperatorAct, Verb
from shared.lifecycle.replaying import Replayed, ReplayRequest
from tests.simulation.checks import Checks, Commit, Problem, named
from tests.simulation.scheduler import Process
from tests.simulation.store import Changes
from tests.support.builders import ADA

if TYPE_CHECKING:
    from tests.simulation.clients import Clients

REPLAYS, GRANTS = 0.1, 0.05
"""How likely an operator replays, or grants, in a history."""
QUEUE_SHARE, TWINS = 0.5, 0.5
"""How likely a replay is of what the queue refused, and has a twin at the same time."""
REQUESTS = 3
WITHIN_S = 1000.0
PAUSE_S = 240
"""Between two requests. One that is frozen for an hour ends while faults are still possible: it debits at
the time at which it began, and the next sweep refunds that."""
OPERATOR = "olga"
GRANTED_TOKENS = 3
NOTHING_DONE = IllegalTransition | CreationNotFound | InsufficientTokens
"""Errors of a replay that has written nothing."""
MOVING = {Verb.GRANT, Verb.REPLAY, Verb.RERUN}


def begin(clients: "Clients") -> None:
    """Let operators act in some histories."""
    chance = clients.simulation.chance
    if chance("operator", "replays") < REPLAYS:
        _spawn(clients, "operator.replays", _replay)
    if chance("operator", "grants") < GRANTS:
        _spawn(clients, "operator.grants", _grant)


def _spawn(clients: "Clients", name: str, run: Callable[["Clients"], None]) -> None:
    at_s = clients.simulation.chance(name, "begins") * WITHIN_S
    clients.simulation.spawn(name, partial(run, clients), process=Process(name), at_s=at_s)


def _replay(clients: "Clients") -> None:
    """Replay a code that failures have now, a few times."""
    simulation = clients.simulation
    for number in range(REQUESTS):
        name = f"operator.replays.{number}"
        simulation.sleep(PAUSE_S * simulation.chance(name, "sleep"))
        codes = sorted(
            {
                each.error.code
                for each in clients.store.documents.values()
                if isinstance(each, Creation) and each.error
            }
        ) or [FailureCode.GENERATOR_UNAVAILABLE]
        request = ReplayRequest(
            code=_chosen(codes, simulation.chance(name, "code")),
            since=clients.inspector.now - timedelta(hours=1),
            is_granted=simulation.chance(name, "grants") < 0.5,
            who=OPERATOR,
        )
        if simulation.chance(name, "twin") < TWINS:
            twin = f"{name}.twin"
            request_twice = partial(_request, clients, twin, request)
            simulation.spawn(twin, request_twice, process=Process(twin), at_s=simulation.now_s)
        _request(clients, name, request)


def _request(clients: "Clients", name: str, request: ReplayRequest) -> None:
    answer = clients.call_with_retry(name, partial(_replayed, clients, request))
    if isinstance(answer, tuple):
        _check(clients, *answer)


def _chosen(codes: list[FailureCode], chance: float) -> FailureCode:
    """Return one of the codes; half of the time the one that a replay itself can cause again."""
    if FailureCode.QUEUE_UNAVAILABLE in codes and chance < QUEUE_SHARE:
        return FailureCode.QUEUE_UNAVAILABLE
    return codes[int(chance * len(codes))]


def _replayed(clients: "Clients", request: ReplayRequest) -> tuple[str, list[Replayed]]:
    """Return the name of the process that answers, and its results."""
    name = clients.simulation.actor.process.name
    return name, [*clients.phoenix.replaying.replay(request)]


def _check(clients: "Clients", name: str, results: list[Replayed]) -> None:
    """Check that the results say what this process did."""
    for each in results:
        clients.simulation.marks["replayed" if each.is_replayed else "replay_skipped"] += 1
        is_debited = clients.inspector.operators.has_debited(name, each.creation_id)
        is_right = is_debited == each.is_replayed or not isinstance(each.error, NOTHING_DONE | None)
        what = f"{name} says {each.error!r} of {each.creation_id}, debited: {is_debited}"
        clients.inspector.must(is_right, "I10", what)


def _grant(clients: "Clients") -> None:
    """Grant tokens once, in several requests."""
    for number in range(REQUESTS):
        clients.simulation.sleep(60)
        before = clients.inspector.operators.granted["gift"]
        answer = clients.call_with_retry(
            f"operator.grants.{number}",
            lambda: clients.phoenix.operating.grant(
                ADA, GRANTED_TOKENS, reference="gift", reason="a gift", who=OPERATOR
            ),
        )
        if isinstance(answer, LedgerEntry):
            is_made = clients.inspector.operators.granted["gift"] == 1
            clients.inspector.must(is_made, "I10", f"grant {number} answered after {before} grants")
        elif isinstance(answer, RequestError):
            clients.simulation.marks[f"grant_{answer.code}"] += 1


@dataclass
class OperatorChecks(Checks):
    """What the inspector knows about operators in one history."""

    granted: Counter[str] = field(default_factory=Counter)
    """Number of grants by reference."""
    replays: Counter[CreationId] = field(default_factory=Counter)
    """Number of an operator's debits by creation."""
    _debits: Counter[tuple[str, CreationId]] = field(default_factory=Counter)
    """Number of an operator's debits, by the process that wrote them and the creation."""

    def has_debited(self, actor: str, creation_id: CreationId) -> bool:
        return self._debits[actor, creation_id] > 0

    def problems(self, commit: Commit) -> Iterator[Problem]:
        return named("I22", self._problems(commit.actor, commit.changes))

    def _problems(self, actor: str, changes: Changes) -> list[str]:
        acts = [after for _, after in changes.values() if isinstance(after, OperatorAct)]
        moved = _moved(changes)
        problems = [
            f"{key.id} was changed or removed"
            for key, (before, _) in changes.items()
            if isinstance(before, OperatorAct)
        ]
        entries, recorded = Counter(map(_movement, moved)), Counter(map(_recorded, acts))
        del recorded[None]
        if entries != recorded:
            problems.append(f"{actor} moved {entries} and recorded {recorded}")
        problems += self._counted(actor, moved)
        return problems

    def _counted(self, actor: str, moved: list[LedgerEntry]) -> list[str]:
        problems = []
        debited = [each.creation_id for each in moved if each.entry_type is EntryType.DEBIT]
        for each in moved:
            if each.entry_type is EntryType.GRANT and each.reference is not None:
                self.granted[each.reference] += 1
                of_replay = each.reference.removeprefix("replay ")
                if of_replay != each.reference and of_replay not in debited:
                    problems.append(f"{actor} granted for {of_replay} and did not debit it")
        for creation_id in filter(None, debited):
            self._debits[actor, creation_id] += 1
            self.replays[creation_id] += 1
            if self._debits[actor, creation_id] > 1:
                problems.append(f"{actor} debited {creation_id} twice")
        return problems


def is_of_operator(changes: Changes) -> bool:
    """Return whether an operator caused a movement of tokens in this commit."""
    return bool(_moved(changes))


def _moved(changes: Changes) -> list[LedgerEntry]:
    return [
        after
        for _, after in changes.values()
        if isinstance(after, LedgerEntry) and after.actor is Actor.OPERATOR
    ]


def _movement(entry: LedgerEntry) -> tuple[UserId, CreationId | None, int]:
    return entry.user_id, entry.creation_id, entry.amount_tokens


def _recorded(act: OperatorAct) -> tuple[UserId, CreationId | None, int] | None:
    """Return the movement that an act records, or None if it moved nothing."""
    if act.verb not in MOVING or act.user_id is None or act.tokens is None:
        return None
    return act.user_id, act.creation_id, act.tokens
