"""The embedded store: JSON documents in one SQLite file, shared by several processes."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from shared.adapters.documents import HELD, by_id, in_account_order, readable, with_checkpoints
from shared.adapters.local.documents import (
    PROBE,
    Transaction,
    carry_out,
    documents_of,
    field,
    parsed,
    read_document,
    read_text,
    time_text,
)
from shared.adapters.local.moment import one_moment
from shared.adapters.local.sqlite import ConnectionPool, connect, translated
from shared.adapters.local.watches import CHANGES_SCHEMA, SQLiteWatches
from shared.adapters.local.writer import GroupWriter
from shared.domain.account import Account
from shared.domain.audit_checkpoint import AuditCheckpoint
from shared.domain.creation import Creation
from shared.domain.errors import StoreUnavailable
from shared.domain.keys import Collection, DocumentT, Key, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import LedgerEntry
from shared.domain.media import MediaDeletion
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
    Snapshot,
    Stored,
)

_UNPUBLISHED = [Status.PENDING, Status.PROCESSING, Status.DRAFT, Status.FAILED]


_TABLES = "".join(
    f'CREATE TABLE IF NOT EXISTS "{collection}" '
    "(id TEXT PRIMARY KEY, document TEXT NOT NULL CHECK (json_valid(document)), "
    "CONSTRAINT a_balance_is_never_negative "
    f"CHECK (coalesce({field('tokenBalance')}, 0) >= 0)) WITHOUT ROWID;\n"
    for collection in Collection
)
_SCHEMA = f"""
{_TABLES}
CREATE TRIGGER IF NOT EXISTS ledger_is_not_changed BEFORE UPDATE ON transactions
  WHEN json_extract(OLD.document, '$.sequence') IS NOT NULL
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_is_not_shortened BEFORE DELETE ON transactions
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS acts_are_not_changed BEFORE UPDATE ON operatorActs
  BEGIN SELECT RAISE(ABORT, 'the acts of operators are append-only'); END;
CREATE TRIGGER IF NOT EXISTS acts_are_not_shortened BEFORE DELETE ON operatorActs
  BEGIN SELECT RAISE(ABORT, 'the acts of operators are append-only'); END;
CREATE INDEX IF NOT EXISTS drafts ON creations (
  {field("userId")}, {field("createdAt")} DESC, id DESC);
CREATE INDEX IF NOT EXISTS drafts_by_status ON creations (
  {field("userId")}, {field("mediaType")}, {field("status")}, {field("createdAt")} DESC, id DESC);
CREATE INDEX IF NOT EXISTS feed ON creations ({field("publishedAt")} DESC, id DESC)
  WHERE {field("status")} = 'published';
CREATE INDEX IF NOT EXISTS published_by ON creations (
  {field("username")}, {field("publishedAt")} DESC, id DESC)
  WHERE {field("status")} = 'published';
CREATE INDEX IF NOT EXISTS overdue ON creations ({field("deadlineAt")}, id)
  WHERE {field("deadlineAt")} IS NOT NULL;
CREATE INDEX IF NOT EXISTS due ON creations ({field("sweepAt")}, id)
  WHERE {field("sweepAt")} IS NOT NULL;
CREATE INDEX IF NOT EXISTS waiting ON creations (
  {field("mediaType")}, {field("availableAt")}, id) WHERE {field("availableAt")} IS NOT NULL;
CREATE INDEX IF NOT EXISTS held ON creations (
  {field("executionName")}, {field("leaseExpiresAt")}, id)
  WHERE {field("leaseExpiresAt")} IS NOT NULL;
CREATE INDEX IF NOT EXISTS unfinished ON creations ({field("mediaType")}, {field("status")})
  WHERE {field("sweepAt")} IS NOT NULL;
CREATE INDEX IF NOT EXISTS settled ON costs ({field("createdAt")});
CREATE INDEX IF NOT EXISTS due_deletions ON mediaDeletions ({field("dueAt")}, id);
CREATE INDEX IF NOT EXISTS ledger ON transactions (
  {field("userId")}, {field("sequence")} DESC, id DESC);
{CHANGES_SCHEMA}"""
_LISTED = {
    (kind, status): f"{field('userId')} = :of AND {field('mediaType')} = '{kind}'"
    f" AND {field('status')} = '{status}'"
    for kind in Kind
    for status in Status
}
"""The conditions of one user's creations of a kind with a status, which one index serves."""
_PUBLISHED = f"{field('status')} = 'published'"


@cache
def _page_text(
    collection: Collection, wheres: tuple[str, ...], *, sort: str, order: str, is_first: bool
) -> str:
    """Return a query for one page that reads no more than its rows, however deep it is.

    SQLite merges the parts, each in the order of its index. The first comparison with the cursor
    finds the page in the index; the second one, of row values, cannot use an index on expressions.
    """
    after = ""
    if not is_first:
        sign = "<" if order == "DESC" else ">"
        after = f" AND {field(sort)} {sign}= :value AND ({field(sort)}, id) {sign} (:value, :id)"
    parts = [
        f'SELECT id, document, {field(sort)} AS sort FROM "{collection}" WHERE {where}{after}'  # noqa: S608 (fixed names; values are bound)
        for where in wheres
    ]
    return " UNION ALL ".join(parts) + f" ORDER BY sort {order}, id {order} LIMIT :limit"


class SQLiteStore:
    def __init__(self, path: Path) -> None:
        """Open or create the file; raise `StoreUnavailable` if it is unusable."""
        self._path = path
        self._readers = ConnectionPool(path)
        with translated(StoreUnavailable):
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(connect(path)) as connection:
                connection.executescript(_SCHEMA)
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

    def shown(self, key: Key[DocumentT]) -> Stored[DocumentT] | None:
        with translated(StoreUnavailable), self._readers.connection() as connection:
            text = read_text(connection, key) if key.can_exist else None
        return None if text is None else _stored(key, text)

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

    def due_deletions(self, now: datetime, page: Page) -> list[MediaDeletion]:
        return self._due(Collection.MEDIA_DELETIONS, now, page, sort="dueAt")

    def _due(self, collection: Collection, now: datetime, page: Page, *, sort: str) -> list[Any]:
        return self._oldest(collection, f"{field(sort)} <= :of", page, sort, time_text(now))

    def _oldest(
        self, collection: Collection, where: str, page: Page, sort: str, of: str
    ) -> list[Any]:
        return readable(
            lambda part: self._page(collection, [where], part, sort=sort, order="ASC", of=of), page
        )

    def unfinished(self, kind: Kind, status: Status) -> int:
        where = f"{field('mediaType')} = ? AND {field('status')} = ?"
        where += f" AND {field('sweepAt')} IS NOT NULL"
        return int(self._aggregated("count(*)", Collection.CREATIONS, where, [kind, status]))

    def settled_since(self, kind: Kind, since: datetime) -> int:
        where = f"{field('createdAt')} >= ? AND {field('mediaType')} = ?"
        where += f" AND {field('wasClaimed')}"
        values = [time_text(since), kind]
        return int(self._aggregated("count(*)", Collection.COSTS, where, values))

    def cost_usd_since(self, since: datetime) -> float:
        where, total = f"{field('createdAt')} >= ?", f"total({field('estimatedCostUsd')})"
        return self._aggregated(total, Collection.COSTS, where, [time_text(since)])

    def _aggregated(
        self, what: str, collection: Collection, where: str, values: Sequence[str]
    ) -> float:
        text = f'SELECT {what} FROM "{collection}" WHERE {where}'  # noqa: S608 (fixed names; values are bound)
        with translated(StoreUnavailable), self._readers.connection() as connection:
            return float(connection.execute(text, values).fetchone()[0])

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

    def _page(
        self,
        collection: Collection,
        wheres: Sequence[str],
        page: Page,
        *,
        sort: str,
        order: str = "DESC",
        of: str | None = None,
    ) -> list[Stored[Any]]:
        """Return a page of the documents that meet one of these conditions on `of`."""
        values: dict[str, str | int | None] = {"of": of, "limit": page.limit}
        if page.after is not None:
            value = page.after.value
            values["value"] = value if isinstance(value, int) else time_text(value)
            values["id"] = page.after.id
        text = _page_text(
            collection, tuple(wheres), sort=sort, order=order, is_first=page.after is None
        )
        with translated(StoreUnavailable), self._readers.connection() as connection:
            rows = documents_of(connection, text, values)
        return [_stored(Key(collection, id_), text) for id_, text in rows]


def _stored(key: Key[DocumentT], text: str) -> Stored[DocumentT]:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Stored(f"{key.id} {digest}", partial(parsed, key, text))
