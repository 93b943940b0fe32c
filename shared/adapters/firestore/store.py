"""The store in Firestore: two round trips for a transaction, one for everything else.

A transaction is one batched read and one commit with a precondition on every document. The SDK's
transaction needs a third round trip, holds locks, and collapses under contention for one account.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast
from weakref import WeakValueDictionary

from shared.adapters.documents import HELD, by_id, in_account_order, readable, with_checkpoints
from shared.adapters.firestore.count_queries import CountQueries
from shared.adapters.firestore.documents import BY_NAME, FirestoreDocuments
from shared.adapters.firestore.internals import (
    StoredDocument,
    documents_of,
    internals_key,
    whole_document,
    with_internals,
)
from shared.adapters.firestore.like_queries import LikeQueries
from shared.adapters.firestore.moment import FirestoreMoment
from shared.adapters.firestore.operator_queries import OperatorQueries
from shared.adapters.firestore.queries import (
    NEWEST_FIRST,
    OLDEST_FIRST,
    Filter,
    sorted_by,
    stored,
)
from shared.adapters.firestore.watch import FirestoreWatch
from shared.domain.account import Account
from shared.domain.audit_checkpoint import AuditCheckpoint
from shared.domain.creation import Creation, creation_key
from shared.domain.download import Download
from shared.domain.errors import StoreContention
from shared.domain.keys import Collection, CreationId, DocumentT, Key, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Cost, LedgerEntry
from shared.domain.media import MediaDeletion
from shared.domain.snapshot import WATCHED_MAX, Snapshot
from shared.domain.status import Status
from shared.ports.store import (
    PAGE_LIMIT_MAX,
    Damage,
    Decision,
    Document,
    DraftsFilter,
    Found,
    Page,
    ResultT,
    Stored,
    planned,
)

CALL_TIMEOUT_S = 5
CONTENTION_S = 2
"""How long to retry under contention, and to wait for other transactions of an account."""
FIRST_PAUSE_S = 0.1
PAUSE_S_MAX = 0.5
UNPUBLISHED = [Status.PENDING, Status.PROCESSING, Status.DRAFT, Status.FAILED]
BEFORE_EVERY_LEASE = datetime.fromtimestamp(0, UTC)


class FirestoreStore(CountQueries, LikeQueries, OperatorQueries):
    def __init__(
        self,
        project: str,
        *,
        database: str = "(default)",
        prefix: str = "",
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        """Connect to a database with prefixed collections; raise `StoreUnavailable`."""
        self._documents = FirestoreDocuments(
            project, database=database, prefix=prefix, timeout_s=timeout_s
        )
        self._turns: WeakValueDictionary[Key[Any], threading.RLock] = WeakValueDictionary()
        self._turns_lock = threading.Lock()

    def close(self) -> None:
        """Close the connections; all watches must have ended."""
        self._documents.close()

    def transact(
        self, reading: Sequence[Key[Any]], decide: Callable[[Found], Decision[ResultT]]
    ) -> ResultT:
        with self._turn(reading):
            return self._transact(reading, decide)

    @contextmanager
    def _turn(self, reading: Sequence[Key[Any]]) -> Iterator[None]:
        """Wait for this process's other transactions of the account, which would conflict.

        Exactness does not depend on it: after `CONTENTION_S` the transaction runs anyway.
        """
        account = next((key for key in reading if key.collection is Collection.USERS), None)
        if account is None:
            yield
            return
        with self._turns_lock:
            turn = self._turns.setdefault(account, threading.RLock())
        is_mine = turn.acquire(timeout=CONTENTION_S)
        try:
            yield
        finally:
            if is_mine:
                turn.release()

    def _transact(
        self, reading: Sequence[Key[Any]], decide: Callable[[Found], Decision[ResultT]]
    ) -> ResultT:
        deadline_s = time.monotonic() + CONTENTION_S
        pause_s = FIRST_PAUSE_S
        while True:
            read = self._documents.read(with_internals(reading))
            found = Found(documents_of(read))
            decision = decide(found)
            plan = planned(decision, found)
            try:
                if plan is not None:
                    self._documents.commit(plan, read)
            except StoreContention:
                if time.monotonic() > deadline_s:
                    raise
            else:
                return decision.result
            time.sleep(random.uniform(0, pause_s))
            pause_s = min(2 * pause_s, PAUSE_S_MAX)

    def get(self, key: Key[DocumentT]) -> DocumentT | None:
        read = documents_of(self._documents.read(with_internals([key])))
        return cast("DocumentT | None", read.get(key))

    def found(self, keys: Sequence[Key[Any]]) -> Found:
        return Found(documents_of(self._documents.read(with_internals(keys))))

    def shown(self, key: Key[DocumentT]) -> Stored[DocumentT] | None:
        snapshot = self._documents.read([key]).get(key)
        return None if snapshot is None else stored(key, snapshot)

    def drafts(self, user_id: UserId, which: DraftsFilter, page: Page) -> list[Stored[Creation]]:
        status = ("status", "==", which.status) if which.status else ("status", "in", UNPUBLISHED)
        filters: list[Filter] = [("userId", "==", user_id), status]
        if which.kind:
            filters.append(("mediaType", "==", which.kind))
        return self._page(Collection.CREATIONS, filters, page, sort="createdAt")

    def feed(self, page: Page) -> list[Stored[Creation]]:
        filters = [("status", "==", Status.PUBLISHED)]
        return self._page(Collection.CREATIONS, filters, page, sort="publishedAt")

    def published_by(self, username: str, page: Page) -> list[Stored[Creation]]:
        filters = [("username", "==", username), ("status", "==", Status.PUBLISHED)]
        return self._page(Collection.CREATIONS, filters, page, sort="publishedAt")

    def shared_with(self, username: str, page: Page) -> list[Stored[Creation]]:
        filters = [("sharing.collaborators", "array_contains", username)]
        return self._page(Collection.CREATIONS, filters, page, sort="createdAt")

    def ledger(self, user_id: UserId, page: Page) -> list[Stored[LedgerEntry]]:
        filters = [("userId", "==", user_id)]
        return self._page(Collection.TRANSACTIONS, filters, page, sort="sequence")

    def waiting(self, kind: Kind, now: datetime, page: Page) -> list[Creation]:
        # An earlier release keeps `availableAt` when it settles a creation, because it cannot name it.
        filters: list[Filter] = [("mediaType", "==", kind), ("status", "==", Status.PENDING)]
        filters.append(("availableAt", "<=", now))
        return self._oldest(Collection.CREATIONS, filters, page, sort="availableAt")

    def held(self, execution_name: str, kind: Kind) -> list[Creation]:
        filters: list[Filter] = [("executionName", "==", execution_name)]
        filters.append(("leaseExpiresAt", ">", BEFORE_EVERY_LEASE))
        query = self._query(Collection.CREATION_INTERNALS, filters)
        leased = self._select(
            query, Page(PAGE_LIMIT_MAX), sort="leaseExpiresAt", order=OLDEST_FIRST
        )
        internals = {creation_key(CreationId(each.id)): each for each in leased}
        found = self._documents.read([*internals])
        creations = [
            Stored(key.id, partial(whole_document, key, found[key], each))
            for key, each in internals.items()
            if key in found
        ]
        return [
            each
            for each in readable(lambda _: creations, Page(PAGE_LIMIT_MAX))
            if (each.status, each.kind) == (Status.PROCESSING, kind)
            and each.execution_name == execution_name
        ]

    def overdue(self, now: datetime, page: Page) -> list[Creation]:
        return self._due(now, page, sort="deadlineAt")

    def due(self, now: datetime, page: Page) -> list[Creation]:
        return self._due(now, page, sort="sweepAt")

    def expired(self, now: datetime, page: Page) -> list[Creation]:
        return self._due(now, page, sort="expiresAt")

    def scheduled(self, now: datetime, page: Page) -> list[Creation]:
        return self._due(now, page, sort="schedule.tryAt")

    def creations_by_id(self, after_id: str | None, limit: int) -> list[Creation]:
        query = self._query(Collection.CREATIONS, []).order_by(BY_NAME)
        if after_id is not None:
            query = query.start_after({BY_NAME: after_id})
        return readable(
            lambda page: self._whole(self._documents.select(query.limit(page.limit))), Page(limit)
        )

    def _due(self, now: datetime, page: Page, *, sort: str) -> list[Creation]:
        query = self._query(Collection.CREATIONS, [(sort, "<=", now)])
        return readable(
            lambda part: self._whole(self._select(query, part, sort=sort, order=OLDEST_FIRST)), page
        )

    def due_deletions(self, now: datetime, page: Page) -> list[MediaDeletion]:
        return self._oldest(Collection.MEDIA_DELETIONS, [("dueAt", "<=", now)], page, sort="dueAt")

    def unfolded(self, now: datetime, page: Page) -> list[Cost]:
        return self._oldest(Collection.COSTS, [("foldAt", "<=", now)], page, sort="foldAt")

    def expired_downloads(self, now: datetime, page: Page) -> list[Download]:
        return self._oldest(
            Collection.DOWNLOADS, [("expiresAt", "<=", now)], page, sort="expiresAt"
        )

    def everything(self) -> Iterator[Document]:
        moment = FirestoreMoment.now(self._documents)
        for collection in HELD:
            yield from by_id(moment, collection)

    def books(self) -> Iterator[Document | Damage]:
        yield from in_account_order(FirestoreMoment.now(self._documents))

    def accounts(self) -> Iterator[Account | AuditCheckpoint | Damage]:
        yield from with_checkpoints(FirestoreMoment.now(self._documents))

    def watch(
        self, user_id: UserId, changed: Callable[[Snapshot], None]
    ) -> AbstractContextManager[object]:
        query = self._query(Collection.CREATIONS, [("userId", "==", user_id)])
        creations = sorted_by(query, "createdAt", NEWEST_FIRST).limit(WATCHED_MAX)
        return FirestoreWatch(self._documents, user_id, creations, changed)

    def _whole(self, snapshots: list[StoredDocument]) -> list[Stored[Creation]]:
        """Return creations with their internals, which may be newer; without, unreadable ones."""
        found = {creation_key(CreationId(each.id)): each for each in snapshots}
        internals = self._documents.read([internals_key(key) for key in found])
        return [
            Stored(
                key.id, partial(whole_document, key, snapshot, internals.get(internals_key(key)))
            )
            for key, snapshot in found.items()
        ]
