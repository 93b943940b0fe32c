"""The store of documents: transactions whose decision is a pure function, and pages of queries."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar, cast

from shared.domain.account import Account, UsernameClaim
from shared.domain.creation import Creation
from shared.domain.keys import CreationId, DocumentT, Key, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Cost, LedgerEntry
from shared.domain.media import MediaDeletion
from shared.domain.operating import OperatorAct, Switch
from shared.domain.status import Status
from shared.domain.welcome import WelcomeShard

Document = (
    Account
    | UsernameClaim
    | Creation
    | LedgerEntry
    | Cost
    | MediaDeletion
    | Switch
    | OperatorAct
    | WelcomeShard
)
APPEND_ONLY = (LedgerEntry, OperatorAct)
ResultT = TypeVar("ResultT")
ResultT_co = TypeVar("ResultT_co", covariant=True)

PAGE_LIMIT_MAX = 50
WATCHED_MAX = 50


class TransactionRuleBroken(AssertionError):
    """A decision that no store may carry out: a bug in the use case, never the user's fault."""


@dataclass(frozen=True)
class Found:
    """The documents that exist, among those that were read."""

    documents: Mapping[Key[Any], Document]

    def get(self, key: Key[DocumentT]) -> DocumentT | None:
        """Return the document, or None if it was missing."""
        return cast("DocumentT | None", self.documents.get(key))


@dataclass(frozen=True)
class Decision(Generic[ResultT_co]):
    """What to write and remove, all or nothing, and what to answer."""

    result: ResultT_co
    writes: tuple[Document, ...] = ()
    removes: tuple[Key[Any], ...] = ()


def write(
    *documents: Document, result: ResultT, removing: tuple[Key[Any], ...] = ()
) -> Decision[ResultT]:
    """Decide to write these documents; every one that was found must be among them or removed."""
    return Decision(result=result, writes=documents, removes=removing)


def unchanged(result: ResultT) -> Decision[ResultT]:
    """Decide to write nothing at all."""
    return Decision(result=result)


@dataclass(frozen=True)
class Plan:
    """A decision as a store carries it out: each document under exactly one precondition."""

    creates: tuple[Document, ...]
    """Must not exist."""
    updates: tuple[Document, ...]
    """Must be as they were read."""
    removes: tuple[Key[Any], ...]
    """Must be as they were read."""


def planned(decision: Decision[Any], found: Found) -> Plan | None:
    """Return how to carry a decision out, or None if there is nothing to write.

    Raises:
        TransactionRuleBroken: a found document is neither written nor removed, a document is named
            twice or by an id that no document can have, something is removed that was not found,
            or a ledger entry or an operator's act is not new.
    """
    if not decision.writes and not decision.removes:
        return None
    named = [document.key for document in decision.writes] + list(decision.removes)
    if len(set(named)) != len(named):
        raise TransactionRuleBroken("a document is named twice")
    if not all(key.can_exist for key in named):
        raise TransactionRuleBroken("no document can have this id")
    left = set(found.documents) - set(named)
    if left:
        raise TransactionRuleBroken(f"found and left unwritten: {sorted(key.id for key in left)}")
    if not set(decision.removes) <= set(found.documents):
        raise TransactionRuleBroken("only what was found can be removed")
    updates = tuple(d for d in decision.writes if d.key in found.documents)
    touched = [*updates, *(found.documents[key] for key in decision.removes)]
    if any(isinstance(document, APPEND_ONLY) for document in touched):
        raise TransactionRuleBroken("a ledger entry or an operator's act can only be created")
    return Plan(
        creates=tuple(d for d in decision.writes if d.key not in found.documents),
        updates=updates,
        removes=decision.removes,
    )


@dataclass(frozen=True)
class Cursor:
    """Where a page ended: the sort value of its last document, and its id for equal ones."""

    value: datetime | int
    id: str


@dataclass(frozen=True)
class Page:
    """How much to read, and after which document."""

    limit: int
    after: Cursor | None = None


@dataclass(frozen=True, kw_only=True)
class DraftsFilter:
    """Which unpublished creations to list; None means all."""

    status: Status | None = None
    kind: Kind | None = None


@dataclass(frozen=True)
class Changes:
    """The difference between two snapshots; `account` is None if unchanged."""

    account: Account | None
    creations: tuple[Creation, ...]
    gone: tuple[CreationId, ...]
    """Deleted, or no longer among the newest `WATCHED_MAX`."""


@dataclass(frozen=True)
class Snapshot:
    """A user's account and newest `WATCHED_MAX` creations at one moment."""

    account: Account | None = None
    creations: Mapping[CreationId, Creation] = field(default_factory=dict)

    def since(self, earlier: "Snapshot") -> Changes:
        """Return what has changed since an earlier snapshot."""
        known = earlier.creations
        return Changes(
            account=self.account if self.account != earlier.account else None,
            creations=tuple(each for id_, each in self.creations.items() if each != known.get(id_)),
            gone=tuple(id_ for id_ in known if id_ not in self.creations),
        )


class Store(Protocol):
    """Every method is one round trip or two, and raises `StoreUnavailable` if it cannot read.

    `drafts`, `feed`, `published_by` and `watch` are for views: a store may leave out what only
    decisions need (lease owner, intent, operation, task numbers). All other methods return
    documents whole.
    """

    def transact(
        self, reading: Sequence[Key[Any]], decide: Callable[[Found], Decision[ResultT]]
    ) -> ResultT:
        """Read, decide, write: atomically, and only if nothing read has changed meanwhile.

        `decide` is pure and may run several times. It writes or removes every document that was
        found, or nothing; a document that was not read, or not found, is created and must not
        exist. Two transactions exclude each other only if both change one common document.

        Raises:
            StoreUnavailable: nothing was written.
            StoreContention: nothing was written; others were faster every time.
            OutcomeUnknown: the commit was sent; it may have landed, or may land later if nothing
                that was read has changed by then.
            TransactionRuleBroken: the decision is not allowed; nothing was written.
        """
        ...

    def get(self, key: Key[DocumentT]) -> DocumentT | None:
        """Return one document as it is now, or None."""
        ...

    def drafts(self, user_id: UserId, which: DraftsFilter, page: Page) -> list[Creation]:
        """Return unpublished creations, newest `created_at` first."""
        ...

    def feed(self, page: Page) -> list[Creation]:
        """Return published creations, newest `published_at` first."""
        ...

    def published_by(self, username: str, page: Page) -> list[Creation]:
        """Return one user's published creations, newest `published_at` first."""
        ...

    def ledger(self, user_id: UserId, page: Page) -> list[LedgerEntry]:
        """Return an account's movements, highest `sequence` first."""
        ...

    def due(self, now: datetime, page: Page) -> list[Creation]:
        """Return unfinished creations with `sweep_at` <= now, oldest first."""
        ...

    def due_deletions(self, now: datetime, page: Page) -> list[MediaDeletion]:
        """Return entries of the outbox with `due_at` <= now, oldest first."""
        ...

    def unfinished(self, kind: Kind, status: Status) -> int:
        """Return how many creations of a kind are pending, or how many are processing."""
        ...

    def settled_since(self, kind: Kind, since: datetime) -> int:
        """Return how many runs of a kind, of those that a job claimed, settled since then."""
        ...

    def cost_usd_since(self, since: datetime) -> float:
        """Return what the runs that settled since then probably cost at the vendor."""
        ...

    def everything(self) -> Iterator[Document]:
        """Stream every document as it was at one moment."""
        ...

    def watch(
        self, user_id: UserId, changed: Callable[[Snapshot], None]
    ) -> AbstractContextManager[object]:
        """Call `changed` with the current snapshot, and after each change, until the block ends.

        Calls come from a thread of the store. No two successive snapshots are equal. An outage
        delays a snapshot. `changed` must not raise.
        """
        ...
