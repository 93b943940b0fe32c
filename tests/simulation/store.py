"""Simulated Store: versioned documents, optimistic commits, unknown outcomes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, Protocol, TypeVar, cast

from shared.domain.account import Account, UsernameClaim
from shared.domain.audit_checkpoint import AuditCheckpoint
from shared.domain.creation import Creation, creation_key
from shared.domain.download import Download
from shared.domain.errors import OutcomeUnknown, StoreContention, StoreUnavailable
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId, DocumentT, Key, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Cost, LedgerEntry, entry_key
from shared.domain.like import Like
from shared.domain.media import MediaDeletion
from shared.domain.operating import OperatorAct
from shared.domain.statistics import HourStatistics
from shared.domain.status import Status
from shared.ports.store import (
    Damage,
    Decision,
    Document,
    DraftsFilter,
    Found,
    Page,
    Plan,
    ResultT,
    Stored,
    planned,
)
from tests.simulation.draws import Site
from tests.simulation.due_likes import likes_due_at
from tests.simulation.scheduler import Simulation, Step
from tests.simulation.watches import Watches

TRIES_MAX = 5
LATE_S = (0.1, 260.0)
FOLDED_WITHIN = timedelta(minutes=10)
"""How long outcomes wait if nothing else needs a sweep: fewer sweeps, and folds of several."""
NEVER = datetime.max.replace(tzinfo=UTC)

DueT = TypeVar("DueT", bound=Document)
Changes = Mapping[Key[Any], tuple[Document | None, Document | None]]
"""Each written or removed document, before and after the commit."""


class Calls(Protocol):
    """Decides the outcome of each call."""

    def call(self, kind: str) -> Step: ...

    def answered(self, step: Step) -> None: ...


class CalmCalls:
    """Calls without faults, for a store outside any simulation."""

    def call(self, kind: str) -> Step:
        return Step(Site("no actor", kind, 0), None, 0.0)

    def answered(self, step: Step) -> None:
        pass


@dataclass(frozen=True)
class _Sent:
    """A commit in transit; it is applied if the documents it read are unchanged."""

    plan: Plan
    versions: Mapping[Key[Any], int]


class SimulatedStore:
    """Documents in a dictionary. `seen` is called with every commit that changes documents."""

    def __init__(
        self, calls: Calls, simulation: Simulation | None = None, *, tries_max: int = TRIES_MAX
    ) -> None:
        self.documents: dict[Key[Any], Document] = {}
        self.damaged: set[Key[Any]] = set()
        """Documents that `books` cannot read."""
        self.seen: Callable[[str, Changes], None] = lambda _actor, _changes: None
        self._versions: dict[Key[Any], int] = {}
        self._unfinished: dict[Key[Any], Creation] = {}
        """What most queries are about: thousands of settled ones would slow them."""
        self._unfolded: dict[Key[Any], Cost] = {}
        self._likes: dict[Key[Like], Like] = {}
        self._clock = 0
        self._calls = calls
        self._simulation = simulation
        self.wakes_to_fold = True
        """Whether an outcome alone brings a sweep."""
        self._tries_max = tries_max
        self._lock = Lock()
        self._next_due: datetime | None = None
        self._watches = Watches(self.documents)
        self.watch = self._watches.watch

    def transact(
        self, reading: Sequence[Key[Any]], decide: Callable[[Found], Decision[ResultT]]
    ) -> ResultT:
        for _ in range(self._tries_max):
            documents, versions = self._read(reading)
            found = Found(documents)
            decision = decide(found)
            plan = planned(decision, found)
            if plan is None or self._commit(_Sent(plan, versions)):
                return decision.result
        raise StoreContention(reason="simulated: too many concurrent writers")

    def _read(
        self, keys: Sequence[Key[Any]]
    ) -> tuple[dict[Key[Any], Document], dict[Key[Any], int]]:
        step = self._calls.call("store.read")
        if step.fault == "down":
            raise StoreUnavailable(reason="simulated")
        with self._lock:
            documents = {key: self.documents[key] for key in keys if key in self.documents}
            versions = {key: self._versions[key] for key in documents}
        self._calls.answered(step)
        return documents, versions

    def _commit(self, sent: _Sent) -> bool:
        step = self._calls.call("store.commit")
        match step.fault:
            case "abort":
                return False
            case "down":
                raise StoreUnavailable(reason="simulated")
            case "lost":
                raise OutcomeUnknown(reason="simulated: lost")
            case "applied":
                self._apply(sent, self._actor)
                raise OutcomeUnknown(reason="simulated: applied")
            case "late":
                self._apply_late(sent, step.chance)
                raise OutcomeUnknown(reason="simulated: late")
        is_applied = self._apply(sent, self._actor)
        self._calls.answered(step)
        return is_applied

    @property
    def _actor(self) -> str:
        return self._simulation.actor.process.name if self._simulation else ""

    def _apply_late(self, sent: _Sent, chance: float) -> None:
        simulation, actor = self._simulation, self._actor
        if simulation is None:
            raise AssertionError("only a simulation delays commits")
        shortest, longest = LATE_S

        def land() -> None:
            if self._apply(sent, actor):
                simulation.marks["late_commit"] += 1
                simulation.note(f"{actor} store.commit lands late")

        simulation.at(simulation.now_s + shortest + (longest - shortest) * chance**3, land)

    def _apply(self, sent: _Sent, actor: str) -> bool:
        plan = sent.plan
        with self._lock:
            if any(document.key in self.documents for document in plan.creates):
                return False
            if any(self._versions.get(key) != version for key, version in sent.versions.items()):
                return False
            changes: dict[Key[Any], tuple[Document | None, Document | None]] = {}
            for document in (*plan.creates, *plan.updates):
                before = self.documents.get(document.key)
                if before != document:
                    changes[document.key] = before, document
            for key in plan.removes:
                changes[key] = self.documents[key], None
            for key, (_, after) in changes.items():
                self._put(key, after)
        if changes:
            self.seen(actor, changes)
            self._watches.notify()
        return True

    def _put(self, key: Key[Any], document: Document | None) -> None:
        self._next_due = None
        self._unfinished.pop(key, None)
        self._unfolded.pop(key, None)
        if isinstance(document, Cost) and document.fold_at is not None:
            self._unfolded[key] = document
        self._likes.pop(key, None)
        if isinstance(document, Like):
            self._likes[key] = document
        if isinstance(document, Creation) and (document.is_unfinished or document.sweep_at):
            self._unfinished[key] = document
        if document is None:
            del self.documents[key], self._versions[key]
        else:
            self._clock += 1
            self.documents[key], self._versions[key] = document, self._clock

    def begin_with(self, documents: Sequence[Document]) -> None:
        """Store initial documents."""
        for document in documents:
            self._put(document.key, document)

    def creation(self, creation_id: CreationId) -> Creation | None:
        """Return the current creation without a port call."""
        found = self.documents.get(creation_key(creation_id))
        return found if isinstance(found, Creation) else None

    def processing(self) -> list[Creation]:
        """Return what is being processed, without a port call."""
        return [each for each in self._unfinished.values() if each.status is Status.PROCESSING]

    def has_entry(self, entry_id: str) -> bool:
        """Return whether the ledger has this entry, without a port call."""
        return entry_key(entry_id) in self.documents

    def entry(self, entry_id: str) -> LedgerEntry | None:
        """Return a ledger entry without a port call."""
        found = self.documents.get(entry_key(entry_id))
        return found if isinstance(found, LedgerEntry) else None

    def next_due(self) -> datetime:
        """Return when the next document is due, cached until a commit."""
        if self._next_due is None:
            times = (
                *map(self._due_at, self.documents.values()),
                likes_due_at(self._likes, self.documents),
            )
            self._next_due = min(filter(None, times), default=NEVER)
        return self._next_due

    def _due_at(self, document: Document) -> datetime | None:
        return None if isinstance(document, Cost) and not self.wakes_to_fold else _due_at(document)

    # Reads

    def get(self, key: Key[DocumentT]) -> DocumentT | None:
        documents, _ = self._read([key])
        return cast("DocumentT | None", documents.get(key))

    def found(self, keys: Sequence[Key[Any]]) -> Found:
        documents, _ = self._read(keys)
        return Found(documents)

    def shown(self, key: Key[DocumentT]) -> Stored[DocumentT] | None:
        document = self.get(key)
        return None if document is None else _stored(document)

    def _queried(self) -> list[Document]:
        return self._listed(self.documents)

    def _creations(self) -> Iterator[Creation]:
        return (each for each in self._queried() if isinstance(each, Creation))

    def _unfinished_creations(self) -> list[Creation]:
        return self._listed(self._unfinished)

    def _listed(self, documents: Mapping[Key[Any], DueT]) -> list[DueT]:
        step = self._calls.call("store.read")
        if step.fault == "down":
            raise StoreUnavailable(reason="simulated")
        with self._lock:
            listed = list(documents.values())
        self._calls.answered(step)
        return listed

    def drafts(self, user_id: UserId, which: DraftsFilter, page: Page) -> list[Stored[Creation]]:
        wanted = [
            each
            for each in self._creations()
            if each.user_id == user_id
            and each.status is not Status.PUBLISHED
            and which.status in (None, each.status)
            and which.kind in (None, each.kind)
        ]
        return _stored_page(wanted, page, lambda each: (each.created_at, each.creation_id))

    def feed(self, page: Page) -> list[Stored[Creation]]:
        return _published([*self._creations()], page)

    def published_by(self, username: str, page: Page) -> list[Stored[Creation]]:
        return _published([each for each in self._creations() if each.username == username], page)

    def shared_with(self, username: str, page: Page) -> list[Stored[Creation]]:
        shared = [each for each in self._creations() if username in each.sharing.collaborators]
        return _stored_page(shared, page, lambda each: (each.created_at, each.creation_id))

    def created_by(self, user_id: UserId, page: Page) -> list[Stored[Creation]]:
        own = [each for each in self._creations() if each.user_id == user_id]
        return _stored_page(own, page, lambda each: (each.created_at, each.creation_id))

    def failed_since(
        self, code: FailureCode, kind: Kind | None, since: datetime, page: Page
    ) -> list[Creation]:
        failed = [
            each
            for each in self._creations()
            if each.error and each.error.code is code and each.updated_at >= since
            if kind in (None, each.kind)
        ]
        return _until(NEVER, failed, page, lambda each: each.updated_at)

    def acts(self, page: Page) -> list[Stored[OperatorAct]]:
        acts = [each for each in self._queried() if isinstance(each, OperatorAct)]
        return _stored_page(acts, page, lambda each: (each.created_at, each.act_id))

    def acts_of(self, creation_id: CreationId, page: Page) -> list[Stored[OperatorAct]]:
        acts = [
            each
            for each in self._queried()
            if isinstance(each, OperatorAct) and each.creation_id == creation_id
        ]
        return _stored_page(acts, page, lambda each: (each.created_at, each.act_id))

    def ledger(self, user_id: UserId, page: Page) -> list[Stored[LedgerEntry]]:
        entries = [
            each
            for each in self._queried()
            if isinstance(each, LedgerEntry) and each.user_id == user_id
        ]
        return _stored_page(entries, page, lambda each: (each.sequence, each.entry_id))

    def waiting(self, kind: Kind, now: datetime, page: Page) -> list[Creation]:
        pending = [
            each
            for each in self._unfinished_creations()
            if (each.kind, each.status) == (kind, Status.PENDING)
        ]
        return _until(now, pending, page, lambda each: each.available_at)

    def held(self, execution_name: str, kind: Kind) -> list[Creation]:
        held = [
            each
            for each in self._unfinished_creations()
            if each.kind is kind
            and each.status is Status.PROCESSING
            and each.execution_name == execution_name
        ]
        return sorted(held, key=lambda each: (each.lease_expires_at or NEVER, each.creation_id))

    def overdue(self, now: datetime, page: Page) -> list[Creation]:
        return _until(now, self._unfinished_creations(), page, lambda each: each.deadline_at)

    def due(self, now: datetime, page: Page) -> list[Creation]:
        return _until(now, self._unfinished_creations(), page, lambda each: each.sweep_at)

    def expired(self, now: datetime, page: Page) -> list[Creation]:
        return _until(now, [*self._creations()], page, lambda each: each.expires_at)

    def scheduled(self, now: datetime, page: Page) -> list[Creation]:
        return _until(now, [*self._creations()], page, lambda each: each.next_try_at)

    def creations_by_id(self, after_id: str | None, limit: int) -> list[Creation]:
        rest = [each for each in self._creations() if each.creation_id > (after_id or "")]
        return sorted(rest, key=lambda each: each.creation_id)[:limit]

    def due_deletions(self, now: datetime, page: Page) -> list[MediaDeletion]:
        deletions = [each for each in self._queried() if isinstance(each, MediaDeletion)]
        return _until(now, deletions, page, lambda each: each.due_at)

    def changed_likes(self, since: datetime, page: Page) -> list[Like]:
        changed = [each for each in self._listed(self._likes) if each.changed_at >= since]
        return _until(NEVER, changed, page, lambda each: each.changed_at)

    def like_count(self, creation_id: CreationId) -> int:
        likes = self._listed(self._likes)
        return sum(each.creation_id == creation_id and each.is_liked for each in likes)

    def likes_of(self, creation_id: CreationId, limit: int) -> list[Key[Like]]:
        likes = self._listed(self._likes)
        mine = [each.key for each in likes if each.like_id.startswith(f"{creation_id}_")]
        return mine[:limit]

    def expired_downloads(self, now: datetime, page: Page) -> list[Download]:
        downloads = [each for each in self._queried() if isinstance(each, Download)]
        return _until(now, downloads, page, lambda each: each.expires_at)

    def unfinished(self, kind: Kind, status: Status) -> int:
        return sum(
            each.kind is kind and each.status is status for each in self._unfinished_creations()
        )

    def settled_since(self, kind: Kind, since: datetime) -> int:
        return sum(each.kind is kind and each.was_claimed for each in self._costs(since))

    def cost_usd_since(self, since: datetime) -> float:
        return sum(each.estimated_cost_usd for each in self._costs(since))

    def unfolded(self, now: datetime, page: Page) -> list[Cost]:
        return _until(now, self._listed(self._unfolded), page, lambda each: each.fold_at)

    def unfolded_since(self, since: datetime) -> int:
        return sum(each.fold_at >= since for each in self._listed(self._unfolded) if each.fold_at)

    def statistics(self, since: str) -> list[HourStatistics]:
        hours = [each for each in self._queried() if isinstance(each, HourStatistics)]
        return sorted((each for each in hours if each.hour_id >= since), key=lambda h: h.hour_id)

    def published_since(self, since: datetime) -> int:
        return sum(
            each.status is Status.PUBLISHED
            and each.published_at is not None
            and each.published_at >= since
            for each in self._creations()
        )

    def outcomes(self) -> Iterator[Cost | HourStatistics | Damage]:
        documents = [each for each in self._queried() if isinstance(each, Cost | HourStatistics)]
        for each in sorted(documents, key=lambda each: each.key.collection):  # costs before stats
            yield _damage(each.key) if each.key in self.damaged else each

    def _costs(self, since: datetime) -> Iterator[Cost]:
        return (
            each
            for each in self._queried()
            if isinstance(each, Cost) and each.created_at is not None and each.created_at >= since
        )

    def everything(self) -> Iterator[Document]:
        return iter(self._queried())

    def accounts(self) -> Iterator[Account | AuditCheckpoint | Damage]:
        documents = [
            each for each in self._queried() if isinstance(each, Account | AuditCheckpoint)
        ]
        for each in sorted(documents, key=lambda each: each.user_id):
            yield _damage(each.key) if each.key in self.damaged else each

    def books(self) -> Iterator[Document | Damage]:
        documents = [each for each in self._queried() if each.key not in self.damaged]
        of_accounts = (Account, Creation, LedgerEntry)
        yield from sorted(
            (each for each in documents if isinstance(each, of_accounts)),
            key=lambda each: each.user_id,
        )
        yield from map(_damage, self.damaged)
        yield from (each for each in documents if isinstance(each, UsernameClaim | MediaDeletion))
        yield from (each for each in documents if isinstance(each, Like))


def _damage(key: Key[Any]) -> Damage:
    return Damage(f"{key.collection}/{key.id}", "cannot be read: simulated")


def _due_at(document: Document) -> datetime | None:
    match document:
        case Creation():
            times = document.sweep_at, document.expires_at, document.next_try_at
            return min(filter(None, times), default=None)
        case MediaDeletion():
            return document.due_at
        case Cost():
            return document.fold_at and document.fold_at + FOLDED_WITHIN
        case Download():
            return document.expires_at
    return None


def _published(creations: list[Creation], page: Page) -> list[Stored[Creation]]:
    published = [each for each in creations if each.status is Status.PUBLISHED]
    return _stored_page(published, page, lambda each: (each.published_at, each.creation_id))


def _stored(document: DocumentT) -> Stored[DocumentT]:
    return Stored(repr(document), lambda: document)


def _stored_page(
    documents: list[DueT], page: Page, sort_key: Callable[[Any], Any]
) -> list[Stored[DueT]]:
    return [_stored(each) for each in _page(documents, page, sort_key)]


def _until(
    now: datetime, documents: list[DueT], page: Page, time_of: Callable[[DueT], datetime | None]
) -> list[DueT]:
    """Return a page of what has its time by now, oldest first."""
    due = [each for each in documents if (time := time_of(each)) is not None and time <= now]
    return _page(due, page, lambda each: (time_of(each), each.key.id), is_newest_first=False)


def _page(
    documents: list[DueT],
    page: Page,
    sort_key: Callable[[Any], Any],
    *,
    is_newest_first: bool = True,
) -> list[DueT]:
    """Return one page; `sort_key` returns a sort value and an id."""
    if page.after is not None:
        after = (page.after.value, page.after.id)
        if is_newest_first:
            documents = [each for each in documents if sort_key(each) < after]
        else:
            documents = [each for each in documents if sort_key(each) > after]
    return sorted(documents, key=sort_key, reverse=is_newest_first)[: page.limit]
