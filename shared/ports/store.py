"""The document store: transactions with pure decisions, and paged queries."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar, cast

from shared.domain.account import Account, UsernameClaim
from shared.domain.audit_checkpoint import AuditCheckpoint
from shared.domain.creation import Creation
from shared.domain.download import Download
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId, DocumentT, Key, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Cost, LedgerEntry
from shared.domain.like import Like
from shared.domain.media import MediaDeletion
from shared.domain.operating import OperatorAct, Switch
from shared.domain.snapshot import Snapshot
from shared.domain.statistics import HourStatistics
from shared.domain.status import Status
from shared.domain.sweep_mark import SweepMark
from shared.domain.welcome import WelcomeShard

Document = (
    Account | UsernameClaim | Creation | LedgerEntry | Cost
    | MediaDeletion | Switch | OperatorAct | WelcomeShard | AuditCheckpoint
    | Like | SweepMark | Download | HourStatistics
)  # fmt: skip
APPEND_ONLY = (LedgerEntry, OperatorAct)
ResultT = TypeVar("ResultT")
ResultT_co = TypeVar("ResultT_co", covariant=True)

PAGE_LIMIT_MAX = 50
STATISTICS_MAX = 1000
"""More than the hours of a month."""


class TransactionRuleBroken(AssertionError):
    """A decision that no store may carry out: a bug in the use case."""


@dataclass(frozen=True)
class Found:
    """The documents that exist, among those that were read."""

    documents: Mapping[Key[Any], Document]

    def get(self, key: Key[DocumentT]) -> DocumentT | None:
        return cast("DocumentT | None", self.documents.get(key))


@dataclass(frozen=True)
class Decision(Generic[ResultT_co]):
    """What to write and remove, all or nothing, and what to return."""

    result: ResultT_co
    writes: tuple[Document, ...] = ()
    removes: tuple[Key[Any], ...] = ()


def write(
    *documents: Document, result: ResultT, removing: tuple[Key[Any], ...] = ()
) -> Decision[ResultT]:
    """Decide to write these documents; every found one must be among them or removed."""
    return Decision(result=result, writes=documents, removes=removing)


def unchanged(result: ResultT) -> Decision[ResultT]:
    return Decision(result=result)


@dataclass(frozen=True)
class Plan:
    """A decision as a store carries it out: each document under exactly one precondition."""

    creates: tuple[Document, ...]
    """Must not exist."""
    updates: tuple[Document, ...]
    """Must be unchanged since they were read, and so must `removes`."""
    removes: tuple[Key[Any], ...]


def planned(decision: Decision[Any], found: Found) -> Plan | None:
    """Return the plan of a decision that keeps these rules, or None if there is nothing to write."""
    if not decision.writes and not decision.removes:
        return None
    writes = [(document.key, document) for document in decision.writes]
    named = {key for key, _ in writes}.union(decision.removes)
    left = sorted(key.id for key in found.documents.keys() - named)
    rules = {
        "a document is named twice": len(named) == len(writes) + len(decision.removes),
        "no document can have this id": all(key.can_exist for key in named),
        f"found and left unwritten: {left}": not left,
        "only what was found can be removed": set(decision.removes) <= set(found.documents),
        "a ledger entry or an operator's act can only be created": not any(
            isinstance(found.documents.get(key), APPEND_ONLY) for key in named
        ),
    }
    for rule, holds in rules.items():
        if not holds:
            raise TransactionRuleBroken(rule)
    return Plan(
        creates=tuple(document for key, document in writes if key not in found.documents),
        updates=tuple(document for key, document in writes if key in found.documents),
        removes=decision.removes,
    )


@dataclass(frozen=True)
class Cursor:
    """The end of a page: the sort value of its last document, and its id for equal ones."""

    value: datetime | int
    id: str


@dataclass(frozen=True)
class Page:
    limit: int
    after: Cursor | None = None


@dataclass(frozen=True, kw_only=True)
class DraftsFilter:
    """Which unpublished creations to list; None means all."""

    status: Status | None = None
    kind: Kind | None = None


@dataclass(frozen=True)
class Stored(Generic[DocumentT]):
    """A document that is read for a view, and parsed only if the view is built.

    `version` names the document and its state. Whatever changes a shown field changes it, and it is
    the same in every process.
    """

    version: str
    parse: Callable[[], DocumentT] = field(compare=False, repr=False)


@dataclass(frozen=True)
class Damage:
    """A document that cannot be read, named `COLLECTION/ID`, or a collection with such documents."""

    document: str
    what: str


class Store(Protocol):
    """Every method takes one or two round trips, and raises `StoreUnavailable` if it cannot read.

    `shown`, `drafts`, `feed`, `published_by`, `shared_with`, `created_by`, `failed_since`, `watch`
    and `waiting` may omit what only decisions need (lease owner, intent, operation, task numbers).
    All other methods return whole documents.
    """

    def transact(
        self, reading: Sequence[Key[Any]], decide: Callable[[Found], Decision[ResultT]]
    ) -> ResultT:
        """Read, decide, write: atomically, and only if nothing read has changed meanwhile.

        `decide` is pure and may run several times. It writes or removes every found document, or
        nothing; a document that was not read, or not found, is created and must not exist. Two
        transactions exclude each other only if both change a common document.

        Raises:
            StoreUnavailable: nothing was written.
            StoreContention: nothing was written; others committed first every time.
            OutcomeUnknown: the commit was sent; it may have landed, or may land later if nothing
                that was read has changed by then.
            TransactionRuleBroken: the decision is not allowed; nothing was written.
        """

    def get(self, key: Key[DocumentT]) -> DocumentT | None: ...

    def found(self, keys: Sequence[Key[Any]]) -> Found:
        """Return those of these documents that exist, in one round trip."""

    def shown(self, key: Key[DocumentT]) -> Stored[DocumentT] | None: ...

    def drafts(self, user_id: UserId, which: DraftsFilter, page: Page) -> list[Stored[Creation]]:
        """Return unpublished creations, newest `created_at` first."""

    def feed(self, page: Page) -> list[Stored[Creation]]:
        """Return published creations, newest `published_at` first."""

    def published_by(self, username: str, page: Page) -> list[Stored[Creation]]:
        """Return one user's published creations, newest `published_at` first."""

    def shared_with(self, username: str, page: Page) -> list[Stored[Creation]]:
        """Return what this user is a collaborator of, newest `created_at` first."""

    def created_by(self, user_id: UserId, page: Page) -> list[Stored[Creation]]:
        """Return all of a user's creations, newest `created_at` first."""

    def failed_since(
        self, code: FailureCode, kind: Kind | None, since: datetime, page: Page
    ) -> list[Creation]:
        """Return failed creations with this code, of a kind, and `updated_at` >= since, oldest first."""

    def acts(self, page: Page) -> list[Stored[OperatorAct]]:
        """Return the acts of operators, newest `created_at` first."""

    def acts_of(self, creation_id: CreationId, page: Page) -> list[Stored[OperatorAct]]:
        """Return the acts of operators on a creation, newest `created_at` first."""

    def ledger(self, user_id: UserId, page: Page) -> list[Stored[LedgerEntry]]:
        """Return an account's movements, highest `sequence` first."""

    def waiting(self, kind: Kind, now: datetime, page: Page) -> list[Creation]:
        """Return pending creations of a kind with `available_at` <= now, oldest first."""

    def held(self, execution_name: str, kind: Kind) -> list[Creation]:
        """Return up to `PAGE_LIMIT_MAX` processing creations whose lease this execution holds."""

    def overdue(self, now: datetime, page: Page) -> list[Creation]:
        """Return unfinished creations with `deadline_at` <= now, oldest deadline first."""

    def due(self, now: datetime, page: Page) -> list[Creation]:
        """Return unfinished creations with `sweep_at` <= now, oldest first."""

    def expired(self, now: datetime, page: Page) -> list[Creation]:
        """Return creations with `expires_at` <= now, oldest first."""

    def scheduled(self, now: datetime, page: Page) -> list[Creation]:
        """Return creations whose schedule's `try_at` <= now, oldest first."""

    def creations_by_id(self, after_id: str | None, limit: int) -> list[Creation]:
        """Return the next creations in the order of their ids; only after the last one none."""

    def due_deletions(self, now: datetime, page: Page) -> list[MediaDeletion]:
        """Return outbox entries with `due_at` <= now, oldest first."""

    def changed_likes(self, since: datetime, page: Page) -> list[Like]:
        """Return likes with `changed_at` >= since, also withdrawn ones, oldest change first."""

    def like_count(self, creation_id: CreationId) -> int:
        """Return how many people like a creation."""

    def likes_of(self, creation_id: CreationId, limit: int) -> list[Key[Like]]:
        """Return the keys of some likes of a creation, also of withdrawn ones."""

    def expired_downloads(self, now: datetime, page: Page) -> list[Download]:
        """Return download links with `expires_at` <= now, oldest first."""

    def unfinished(self, kind: Kind, status: Status) -> int:
        """Return how many creations of a kind are pending or processing."""

    def settled_since(self, kind: Kind, since: datetime) -> int:
        """Return how many claimed runs of a kind settled since then."""

    def cost_usd_since(self, since: datetime) -> float:
        """Return the estimated vendor cost of the runs that settled since then."""

    def unfolded(self, now: datetime, page: Page) -> list[Cost]:
        """Return outcomes with `fold_at` <= now, oldest first."""

    def unfolded_since(self, since: datetime) -> int:
        """Return how many outcomes with `fold_at` >= since are in no statistics yet."""

    def statistics(self, since: str) -> list[HourStatistics]:
        """Return the statistics of the first `STATISTICS_MAX` hours from the hour with this id."""

    def published_since(self, since: datetime) -> int:
        """Return how many creations are published now, at that time or later."""

    def outcomes(self) -> Iterator[Cost | HourStatistics | Damage]:
        """Stream every outcome and then the statistics of every hour, of one moment."""

    def everything(self) -> Iterator[Document]:
        """Stream every document of one moment."""

    def books(self) -> Iterator[Document | Damage]:
        """Stream what the audit checks, of one moment and in constant memory.

        First each account with its creations and ledger entries, account by account; then every
        username, every media deletion and every like. A document that cannot be read comes as its
        damage, after the accounts.
        """

    def accounts(self) -> Iterator[Account | AuditCheckpoint | Damage]:
        """Stream every account and every audit checkpoint of one moment, account by account.

        `Damage` names one that cannot be read.
        """

    def watch(
        self, user_id: UserId, changed: Callable[[Snapshot], None]
    ) -> AbstractContextManager[object]:
        """Call `changed` with the current snapshot, and after each change, until the block ends.

        Calls come from a thread of the store. No two successive snapshots are equal. An outage
        delays a snapshot. `changed` must not raise.
        """
