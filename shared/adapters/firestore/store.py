"""The store in Firestore: two round trips for a transaction, one for everything else.

A transaction is one batched read and one commit with a precondition on every document, not the
SDK's transaction: that needs a third round trip, holds locks meanwhile, and collapses when many
want one account.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, cast

from google.cloud.firestore_v1 import FieldFilter, Query

from shared.adapters.documents import HELD, is_legacy
from shared.adapters.firestore.documents import FirestoreDocuments
from shared.adapters.firestore.internals import (
    StoredDocument,
    documents_of,
    internals_key,
    is_whole,
    shown_document,
    whole_document,
    with_internals,
)
from shared.adapters.firestore.watch import watching
from shared.domain.creation import Creation, creation_key
from shared.domain.errors import StoreContention
from shared.domain.keys import Collection, CreationId, DocumentT, Key, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import LedgerEntry
from shared.domain.media import MediaDeletion
from shared.domain.status import Status
from shared.ports.store import (
    WATCHED_MAX,
    Decision,
    Document,
    DraftsFilter,
    Found,
    Page,
    ResultT,
    Snapshot,
    planned,
)

CALL_TIMEOUT_S = 5
CONTENTION_S = 2
"""How long a transaction goes on being too late."""
FIRST_PAUSE_S = 0.1
PAUSE_S_MAX = 0.5
AT_A_TIME = 300
"""Documents in one call of the audit: few enough to come within its time."""
UNPUBLISHED = [Status.PENDING, Status.PROCESSING, Status.DRAFT, Status.FAILED]
BY_NAME = "__name__"
NEWEST_FIRST, OLDEST_FIRST = Query.DESCENDING, Query.ASCENDING


class FirestoreStore:
    """The `Store` in the cloud."""

    def __init__(
        self,
        project: str,
        *,
        database: str = "(default)",
        prefix: str = "",
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        """Connect to a database; each collection's name begins with the prefix.

        Raises:
            StoreUnavailable: this machine has no credentials.
        """
        self._documents = FirestoreDocuments(
            project, database=database, prefix=prefix, timeout_s=timeout_s
        )

    def close(self) -> None:
        """Close the connections, after the last watch has ended."""
        self._documents.close()

    def transact(
        self, reading: Sequence[Key[Any]], decide: Callable[[Found], Decision[ResultT]]
    ) -> ResultT:
        give_up_s = time.monotonic() + CONTENTION_S
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
                if time.monotonic() > give_up_s:
                    raise
            else:
                return decision.result
            time.sleep(random.uniform(0, pause_s))
            pause_s = min(2 * pause_s, PAUSE_S_MAX)

    def get(self, key: Key[DocumentT]) -> DocumentT | None:
        read = documents_of(self._documents.read(with_internals([key])))
        return cast("DocumentT | None", read.get(key))

    def drafts(self, user_id: UserId, which: DraftsFilter, page: Page) -> list[Creation]:
        wanted = [FieldFilter("userId", "==", user_id)]
        if which.status:
            wanted.append(FieldFilter("status", "==", which.status))
        else:
            wanted.append(FieldFilter("status", "in", UNPUBLISHED))
        if which.kind:
            wanted.append(FieldFilter("mediaType", "==", which.kind))
        return self._page(Collection.CREATIONS, wanted, page, sort="createdAt")

    def feed(self, page: Page) -> list[Creation]:
        wanted = [FieldFilter("status", "==", Status.PUBLISHED)]
        return self._page(Collection.CREATIONS, wanted, page, sort="publishedAt")

    def published_by(self, username: str, page: Page) -> list[Creation]:
        wanted = [
            FieldFilter("username", "==", username),
            FieldFilter("status", "==", Status.PUBLISHED),
        ]
        return self._page(Collection.CREATIONS, wanted, page, sort="publishedAt")

    def ledger(self, user_id: UserId, page: Page) -> list[LedgerEntry]:
        wanted = [FieldFilter("userId", "==", user_id)]
        return self._page(Collection.TRANSACTIONS, wanted, page, sort="sequence")

    def due(self, now: datetime, page: Page) -> list[Creation]:
        wanted = [FieldFilter("sweepAt", "<=", now)]
        snapshots = self._select(
            Collection.CREATIONS, wanted, page, sort="sweepAt", direction=OLDEST_FIRST
        )
        return self._creations(snapshots)

    def due_deletions(self, now: datetime, page: Page) -> list[MediaDeletion]:
        wanted = [FieldFilter("dueAt", "<=", now)]
        return self._page(
            Collection.MEDIA_DELETIONS, wanted, page, sort="dueAt", direction=OLDEST_FIRST
        )

    def unfinished(self, kind: Kind, status: Status) -> int:
        wanted = [FieldFilter("mediaType", "==", kind), FieldFilter("status", "==", status)]
        query = self._filtered(Collection.CREATIONS, wanted)
        return int(self._documents.aggregate(query.count()))

    def settled_since(self, kind: Kind, since: datetime) -> int:
        wanted = [
            FieldFilter("mediaType", "==", kind),
            FieldFilter("wasClaimed", "==", value=True),
            FieldFilter("createdAt", ">=", since),
        ]
        query = self._filtered(Collection.COSTS, wanted)
        return int(self._documents.aggregate(query.count()))

    def cost_usd_since(self, since: datetime) -> float:
        query = self._filtered(Collection.COSTS, [FieldFilter("createdAt", ">=", since)])
        return self._documents.aggregate(query.sum("estimatedCostUsd"))

    def everything(self) -> Iterator[Document]:
        moment = self._documents.moment()
        for collection in HELD:
            everything = Query(self._documents.collection(collection)).order_by(BY_NAME)
            query: Query | None = everything.limit(AT_A_TIME)
            while query is not None:
                snapshots = self._documents.select(query, at=moment)
                yield from self._held(collection, snapshots, moment)
                is_full = len(snapshots) == AT_A_TIME
                query = query.start_after({BY_NAME: snapshots[-1].id}) if is_full else None

    def watch(
        self, user_id: UserId, changed: Callable[[Snapshot], None]
    ) -> AbstractContextManager[object]:
        wanted = [FieldFilter("userId", "==", user_id)]
        creations = self._query(Collection.CREATIONS, wanted, sort="createdAt").limit(WATCHED_MAX)
        return watching(self._documents, user_id, creations, changed)

    def _page(
        self,
        collection: Collection,
        wanted: list[FieldFilter],
        page: Page,
        *,
        sort: str,
        direction: str = NEWEST_FIRST,
    ) -> list[Any]:
        snapshots = self._select(collection, wanted, page, sort=sort, direction=direction)
        return [shown_document(Key(collection, each.id), each) for each in snapshots]

    def _select(
        self,
        collection: Collection,
        wanted: list[FieldFilter],
        page: Page,
        *,
        sort: str,
        direction: str,
    ) -> list[StoredDocument]:
        query = self._query(collection, wanted, sort=sort, direction=direction).limit(page.limit)
        if page.after is not None:
            query = query.start_after({sort: page.after.value, BY_NAME: page.after.id})
        return self._documents.select(query)

    def _creations(self, snapshots: list[StoredDocument]) -> list[Creation]:
        """Return what was found with its internals, which may be a moment newer.

        What has been removed meanwhile is left out.
        """
        found = {creation_key(CreationId(each.id)): each for each in snapshots}
        internals = self._documents.read([internals_key(key) for key in found])
        return [
            whole_document(key, snapshot, internals.get(internals_key(key)))
            for key, snapshot in found.items()
            if internals_key(key) in internals or is_whole(snapshot)
        ]

    def _held(
        self, collection: Collection, snapshots: list[StoredDocument], moment: datetime
    ) -> Iterator[Document]:
        """Yield documents of this release; the audit notices creations without their internals."""
        keys: list[Key[Any]] = [Key(collection, snapshot.id) for snapshot in snapshots]
        wanted = [key for key in with_internals(keys) if key not in keys]
        internals = self._documents.read(wanted, at=moment)
        for key, snapshot in zip(keys, snapshots, strict=True):
            if not is_legacy(snapshot.to_dict() or {}):
                yield shown_document(key, snapshot, internals.get(internals_key(key)))

    def _query(
        self,
        collection: Collection,
        wanted: list[FieldFilter],
        *,
        sort: str,
        direction: str = NEWEST_FIRST,
    ) -> Query:
        query = self._filtered(collection, wanted)
        return query.order_by(sort, direction).order_by(BY_NAME, direction)

    def _filtered(self, collection: Collection, wanted: list[FieldFilter]) -> Query:
        query = Query(self._documents.collection(collection))
        for each in wanted:
            query = query.where(filter=each)
        return query
