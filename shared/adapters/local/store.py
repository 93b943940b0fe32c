"""The embedded store: JSON documents in one SQLite file, shared by several processes."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from shared.adapters.documents import HELD, by_id, in_account_order, readable, with_checkpoints
from shared.adapters.local.count_queries import CountQueries
from shared.adapters.local.documents import (
    PROBE,
    Transaction,
    carry_out,
    documents_of,
    field,
    read_document,
    read_text,
    time_text,
)
from shared.adapters.local.like_queries import LikeQueries
from shared.adapters.local.moment import one_moment
from shared.adapters.local.operator_queries import OperatorQueries
from shared.adapters.local.queries import stored
from shared.adapters.local.schema import SCHEMA
from shared.adapters.local.shared_with import shared_with_text
from shared.adapters.local.sqlite import ConnectionPool, connect, translated
from shared.adapters.local.watches import SQLiteWatches
from shared.adapters.local.writer import GroupWriter
from shared.domain.account import Account
from shared.domain.audit_checkpoint import AuditCheckpoint
from shared.domain.creation import Creation
from shared.domain.download import Download
from shared.domain.errors import StoreUnavailable
from shared.domain.keys import Collection, DocumentT, Key, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Cost, LedgerEntry
from shared.domain.media import MediaDeletion
from shared.domain.snapshot import Snapshot
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
)

_UNPUBLISHED = [Status.PENDING, Status.PROCESSING, Status.DRAFT, Status.FAILED]


_LISTED = {
    (kind, status): f"{field('userId')} = :of AND {field('mediaType')} = '{kind}'"
    f" AND {field('status')} = '{status}'"
    for kind in Kind
    for status in Status
}
"""The conditions of one user's creations of a kind with a status, which one index serves."""
_PUBLISHED = f"{field('status')} = 'published'"


class SQLiteStore(CountQueries, LikeQueries, OperatorQueries):
    def __init__(self, path: Path) -> None:
        """Open or create the file; raise `StoreUnavailable` if it is unusable."""
        self._path = path
        self._readers = ConnectionPool(path)
        with translated(StoreUnavailable):
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(connect(path)) as connection:
                connection.executescript(SCHEMA)
        self._writer = GroupWriter(path, carry_out, unavailable=StoreUnavailable)
        self._watches = SQLiteWatches(path)

    def close(self) -> None:
        for part in (self._watches, self._writer, self._readers):
            part.close()

    def check_writable(self) -> None:
        """Raise `Unavailable` if a commit fails now."""
        self._writer.run(PROBE)

    def transact(
        self, reading: Sequence[Key[Any]], decide: Callable[[Found], Decision[ResultT]]
    ) -> ResultT:
        result: ResultT = self._writer.run(Transaction(reading, decide))
        return result

    def get(self, key: Key[DocumentT]) -> DocumentT | None:
        with translated(StoreUnavailable), self._readers.connection() as connection:
            return read_document(connection, key)

    def found(self, keys: Sequence[Key[Any]]) -> Found:
        with translated(StoreUnavailable), self._readers.connection() as connection:
            read = {key: read_document(connection, key) for key in keys}
        return Found({key: each for key, each in read.items() if each is not None})

    def shown(self, key: Key[DocumentT]) -> Stored[DocumentT] | None:
        with translated(StoreUnavailable), self._readers.connection() as connection:
            text = read_text(connection, key) if key.can_exist else None
        return None if text is None else stored(key, text)

    def drafts(self, user_id: UserId, which: DraftsFilter, page: Page) -> list[Stored[Creation]]:
        kinds = [which.kind] if which.kind else [*Kind]
        statuses = [which.status] if which.status else _UNPUBLISHED
        wheres = [_LISTED[kind, status] for kind in kinds for status in statuses]
        return self._page(Collection.CREATIONS, wheres, page, sort="createdAt", of=user_id)

    def feed(self, page: Page) -> list[Stored[Creation]]:
        return self._page(Collection.CREATIONS, [_PUBLISHED], page, sort="publishedAt")

    def published_by(self, username: str, page: Page) -> list[Stored[Creation]]:
        where = f"{_PUBLISHED} AND {field('username')} = :of"
        return self._page(Collection.CREATIONS, [where], page, sort="publishedAt", of=username)

    def shared_with(self, username: str, page: Page) -> list[Stored[Creation]]:
        text = shared_with_text(is_first=page.after is None)
        return self._listed(Collection.CREATIONS, text, page, of=username)

    def ledger(self, user_id: UserId, page: Page) -> list[Stored[LedgerEntry]]:
        where = f"{field('userId')} = :of AND {field('sequence')} IS NOT NULL"
        return self._page(Collection.TRANSACTIONS, [where], page, sort="sequence", of=user_id)

    def waiting(self, kind: Kind, now: datetime, page: Page) -> list[Creation]:
        where = f"{field('availableAt')} <= :of AND {field('mediaType')} = '{kind}'"
        where += f" AND {field('status')} = '{Status.PENDING}'"
        return self._oldest(Collection.CREATIONS, where, page, "availableAt", time_text(now))

    def held(self, execution_name: str, kind: Kind) -> list[Creation]:
        where = f"{field('executionName')} = :of AND {field('leaseExpiresAt')} IS NOT NULL"
        page, sort = Page(PAGE_LIMIT_MAX), "leaseExpiresAt"
        held = self._oldest(Collection.CREATIONS, where, page, sort, execution_name)
        return [each for each in held if each.kind is kind]

    def overdue(self, now: datetime, page: Page) -> list[Creation]:
        return self._due(Collection.CREATIONS, now, page, sort="deadlineAt")

    def due(self, now: datetime, page: Page) -> list[Creation]:
        return self._due(Collection.CREATIONS, now, page, sort="sweepAt")

    def expired(self, now: datetime, page: Page) -> list[Creation]:
        return self._due(Collection.CREATIONS, now, page, sort="expiresAt")

    def scheduled(self, now: datetime, page: Page) -> list[Creation]:
        return self._due(Collection.CREATIONS, now, page, sort="schedule.tryAt")

    def creations_by_id(self, after_id: str | None, limit: int) -> list[Creation]:
        return readable(partial(self._after_id, after_id or ""), Page(limit))

    def due_deletions(self, now: datetime, page: Page) -> list[MediaDeletion]:
        return self._due(Collection.MEDIA_DELETIONS, now, page, sort="dueAt")

    def unfolded(self, now: datetime, page: Page) -> list[Cost]:
        return self._due(Collection.COSTS, now, page, sort="foldAt")

    def expired_downloads(self, now: datetime, page: Page) -> list[Download]:
        return self._due(Collection.DOWNLOADS, now, page, sort="expiresAt")

    def everything(self) -> Iterator[Document]:
        with one_moment(self._path) as moment:
            for collection in HELD:
                yield from by_id(moment, collection)

    def books(self) -> Iterator[Document | Damage]:
        with one_moment(self._path) as moment:
            yield from in_account_order(moment)

    def accounts(self) -> Iterator[Account | AuditCheckpoint | Damage]:
        with one_moment(self._path) as moment:
            yield from with_checkpoints(moment)

    def watch(
        self, user_id: UserId, changed: Callable[[Snapshot], None]
    ) -> AbstractContextManager[object]:
        return self._watches.watch(user_id, changed)

    def _after_id(self, after_id: str, page: Page) -> list[Stored[Creation]]:
        text = "SELECT id, document FROM creations WHERE id > :id ORDER BY id LIMIT :limit"
        values = {"id": after_id, "limit": page.limit}
        with translated(StoreUnavailable), self._readers.connection() as connection:
            rows = documents_of(connection, text, values)
        return [stored(Key(Collection.CREATIONS, id_), text) for id_, text in rows]
