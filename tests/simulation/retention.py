"""Keeping, scheduling and expiry in histories: what clients do, and a check of every commit.

In some histories a draft lives for minutes only, so that its expiry races with its owner.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any

from shared.domain.creation import Creation
from shared.domain.errors import PhoenixError, RequestError, WrongField
from shared.domain.keys import CreationId
from shared.domain.policy import Policy
from shared.ports.store import Document, Page
from tests.simulation.checks import Checks, Commit, Problem, named
from tests.simulation.cloud import CLOCKS_DIFFER_S, process

if TYPE_CHECKING:
    from tests.simulation.clients import Clients
    from tests.simulation.scheduler import Simulation

SHORT_LIFE_SHARE = 0.35
SHORT_LIVES_S = (150, 400, 900)
SCHEDULED_AHEAD_S = (65.0, 400.0)
DAY_S = 86_400
SKEW = timedelta(seconds=2 * CLOCKS_DIFFER_S)
FIRST_BACK_OFF_S, BACK_OFF_MAX_S = 60, 3600
SWEEP_EVERY_S = 60
RACES_SHARE, RACE_AROUND_S, WAITS_S_MAX = 0.6, (25.0, 3.0), 600.0
"""How often a client waits for the sweep, how long before or after its start, and for how long."""
RACE_WITH_STEPS_S = (0.0, 3.0)
SLOW_SWEEP_SHARE, SLOW_SWEEP_BEGINS_S, SLOW_SWEEPS = 0.25, 400.0, 50
DRAFT_VERBS = {"schedule": 0.4, "withdraw": 0.4, "keep": 0.3}
"""Probability of each action on a draft that is neither published nor deleted."""
FAILED_VERBS, PUBLISHED_VERBS = {"keep": 0.3}, {"keep": 0.15}


def with_some_life(policy: Policy, simulation: "Simulation") -> Policy:
    """Return the policy, in some histories with a short life of drafts."""
    if simulation.chance("drafts", "live shortly") >= SHORT_LIFE_SHARE:
        return policy
    life_s = SHORT_LIVES_S[int(simulation.chance("drafts", "life") * len(SHORT_LIVES_S))]
    return replace(policy, draft_life_days=life_s / DAY_S)


# Clients


def verbs(clients: "Clients") -> dict[str, Callable[[str, Creation], None]]:
    return {
        "schedule": partial(schedule, clients),
        "withdraw": partial(withdraw, clients),
        "keep": partial(keep, clients),
    }


def strangers_calls(clients: "Clients") -> list[Callable[..., Any]]:
    phoenix = clients.phoenix
    return [phoenix.keeping.keep, phoenix.keeping.stop_keeping, phoenix.scheduling.unschedule]


def _wait_for_sweep(clients: "Clients", name: str, known: Creation) -> None:
    """In some cases, wait for the sweep that will find the creation due, to race with it."""
    simulation = clients.simulation
    due_at = known.next_try_at or known.expires_at
    left_s = (due_at - clients.inspector.now).total_seconds() if due_at else WAITS_S_MAX
    if simulation.chance(name, "races") < RACES_SHARE and left_s < WAITS_S_MAX:
        due_s = simulation.now_s + max(0.0, left_s)
        next_sweep_s = ceil(due_s / SWEEP_EVERY_S) * SWEEP_EVERY_S
        before_s, after_s = RACE_AROUND_S if known.schedule is None else RACE_WITH_STEPS_S
        offset_s = (before_s + after_s) * simulation.chance(name, "offset") - before_s
        simulation.sleep(max(0.0, next_sweep_s + offset_s - simulation.now_s))


def schedule(clients: "Clients", name: str, known: Creation) -> None:
    shortest, longest = SCHEDULED_AHEAD_S
    ahead_s = shortest + (longest - shortest) * clients.simulation.chance(name, "ahead")
    publish_at = clients.inspector.now + timedelta(seconds=ahead_s)
    use_case = clients.phoenix.scheduling.schedule
    answer = clients.call_with_retry(
        name,
        lambda: use_case(known.creation_id, owner=known.user_id, publish_at=publish_at),
    )
    if isinstance(answer, WrongField):  # by the time of a retry it was too near
        clients.simulation.marks["scheduled_too_near"] += 1
    if isinstance(answer, Creation):
        clients.simulation.marks["scheduled"] += 1
        is_true = answer.schedule is not None and answer.schedule.publish_at == publish_at
        clients.inspector.must(is_true, "I10", f"{name} got 202 and is not scheduled")


def withdraw(clients: "Clients", name: str, known: Creation) -> None:
    """Withdraw a schedule; unpublishing does that as well."""
    if known.schedule is None:
        return
    phoenix = clients.phoenix
    unpublishes = clients.simulation.chance(name, "unpublishes") < 0.4
    use_case = phoenix.publishing.unpublish if unpublishes else phoenix.scheduling.unschedule
    request = partial(use_case, known.creation_id, owner=known.user_id)
    _wait_for_sweep(clients, name, known)
    answer = clients.call_with_retry(name, request)
    if isinstance(answer, Creation):
        clients.simulation.marks["withdrawn_schedule"] += 1
        is_gone = answer.schedule is None
        clients.inspector.must(is_gone, "I10", f"{name} got 200 and is still scheduled")


def keep(clients: "Clients", name: str, known: Creation) -> None:
    keeping = clients.phoenix.keeping
    _wait_for_sweep(clients, name, known)
    use_case = keeping.stop_keeping if known.is_kept else keeping.keep
    request = partial(use_case, known.creation_id, owner=known.user_id)
    answer = clients.call_with_retry(name, request)
    if isinstance(answer, Creation):
        clients.simulation.marks["stopped_keeping" if known.is_kept else "kept"] += 1
        if answer.is_kept and clients.simulation.chance(name, "changes its mind") < 0.3:
            request = partial(keeping.stop_keeping, known.creation_id, owner=known.user_id)
            clients.call_with_retry(f"{name}.undo", request)
    elif isinstance(answer, RequestError):
        is_kept = answer.code in ("creation_not_found", "illegal_transition")
        is_expected = is_kept or hasattr(answer, "retry_after_s")
        clients.inspector.must(is_expected, "I10", f"{name} got {answer!r}")


def spawn_slow_sweep(clients: "Clients") -> None:
    """In some histories, let a sweep pause for up to a minute between its queries and its work."""
    simulation = clients.simulation
    if simulation.chance("slow sweep", "is there") < SLOW_SWEEP_SHARE:
        run = partial(_sweep_slowly, clients)
        name = "sweep slow"
        simulation.spawn(name, run, process=process(simulation, name), at_s=SLOW_SWEEP_BEGINS_S)


def _sweep_slowly(clients: "Clients") -> None:
    simulation, phoenix = clients.simulation, clients.phoenix
    for turn in range(SLOW_SWEEPS):
        simulation.sleep(20 + 40 * simulation.chance("slow sweep", "waits", turn))
        if not any(
            _is_due(each, clients.inspector.now) for each in clients.store.documents.values()
        ):
            continue
        try:
            now, page = phoenix.ports.clock.now(), Page(limit=50)
            expired, scheduled = (
                read(now, page) for read in (clients.store.expired, clients.store.scheduled)
            )
            simulation.sleep(60 * simulation.chance("slow sweep", "pauses", turn))
            for each in expired:
                phoenix.sweeping.expiring.expire(each)
            for each in scheduled:
                phoenix.scheduling.carry_out(each)
        except PhoenixError:
            simulation.marks["slow_sweep_failed"] += 1


def _is_due(document: Document, now: datetime) -> bool:
    if not isinstance(document, Creation):
        return False
    times = document.expires_at, document.next_try_at
    return any(time is not None and time <= now for time in times)


# Checks of commits


@dataclass
class RetentionChecks(Checks):
    policy: Policy
    expired: set[CreationId] = field(default_factory=set)
    _reserved: dict[tuple[str, CreationId], datetime] = field(default_factory=dict)
    """The time of the schedule for which a sweep has reserved a publication."""
    _carried_out: set[CreationId] = field(default_factory=set)
    """What a sweep published, until it is scheduled again."""

    def problems(self, commit: Commit) -> Iterator[Problem]:
        for before, after in commit.creations():
            yield from named("I24", self._problems(commit.actor, before, after, commit.now))

    def _problems(self, actor: str, before: Any, after: Any, now: datetime) -> list[str]:
        is_sweep = actor.startswith("sweep")
        if after is None:
            return [*self._expired(before, now)] if is_sweep else []
        found = [*self._fields(after, now)]
        if before is not None and before.status == after.status == "failed":
            found += _changed_more_than_keeping(before, after)
        if before is not None and is_sweep:
            found += self._published_by_sweep(actor, before, after, now)
        elif before is not None and after.schedule != before.schedule:
            self._carried_out.discard(after.creation_id)
        return found

    def _expired(self, before: Creation, now: datetime) -> list[str]:
        name, at = before.creation_id, before.expires_at
        self.expired.add(name)
        if _is_wanted(before):
            return [f"{name} expired while {before.status}, kept, scheduled or shared"]
        return [] if at is not None and at <= now + SKEW else [f"{name} expired before {at}"]

    def _fields(self, after: Creation, now: datetime) -> list[str]:
        name, found = after.creation_id, []
        if _is_wanted(after) == (after.expires_at is not None):
            found.append(f"{name} is {after.status} and expires at {after.expires_at}")
        life = timedelta(days=self.policy.draft_life_days)
        if after.expires_at and after.expires_at > now + life + SKEW:
            found.append(f"{name} lives longer than {life}")
        if after.schedule is not None and after.status != "draft":
            found.append(f"{name} is {after.status} and scheduled")
        return found

    def _published_by_sweep(
        self, actor: str, before: Creation, after: Creation, now: datetime
    ) -> list[str]:
        name, schedule = before.creation_id, before.schedule
        if after.publication_count > before.publication_count:
            if schedule is None or schedule.try_at > now + SKEW:
                return [f"{name} is tried by a sweep at another time than scheduled: {schedule}"]
            self._reserved[actor, name] = schedule.publish_at
            back_off_s = min(FIRST_BACK_OFF_S * 2**schedule.failure_count, BACK_OFF_MAX_S)
            next_at = after.schedule and after.schedule.try_at
            is_later = next_at and next_at >= schedule.try_at + timedelta(seconds=back_off_s)
            return [] if is_later else [f"{name} is tried again at {next_at}"]
        if (before.status, after.status) != ("draft", "published"):
            return []
        found = []
        if schedule is None or schedule.publish_at != self._reserved.get((actor, name)):
            found.append(f"{name} is published by a sweep without the schedule that it read")
        if name in self._carried_out:
            found.append(f"{name} is published twice by one schedule")
        self._carried_out.add(name)
        return found


def _is_wanted(creation: Creation) -> bool:
    sharing = creation.sharing
    is_settled = creation.status in ("draft", "failed")
    is_shared = sharing.secret is not None or len(sharing.collaborators) > 0
    return not is_settled or creation.is_kept or creation.schedule is not None or is_shared


def _changed_more_than_keeping(before: Creation, after: Creation) -> list[str]:
    changed = replace(
        before,
        is_kept=after.is_kept,
        expires_at=after.expires_at,
        sharing=after.sharing,
        updated_at=after.updated_at,
    )
    return [] if changed == after else [f"{after.creation_id} changed while failed"]
