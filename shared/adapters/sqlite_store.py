"""The embedded store: every document as JSON in one SQLite file, shared by several processes.

One writer thread per process commits the transactions that wait as a group, each inside a
savepoint: that is both the safest and the fastest way to write with synchronous=FULL. BEGIN
IMMEDIATE and the busy timeout settle who writes between processes.
"""

import contextlib
import json
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from shared.adapters.documents import from_fields, to_fields
from shared.adapters.sqlite import BUSY_TIMEOUT_S, ConnectionPool, connect
from shared.domain.creation import Creation, Status
from shared.domain.errors import OutcomeUnknown, StoreContention, StoreUnavailable, Unavailable
from shared.domain.keys import Collection, DocumentT, Key, UserId
from shared.domain.ledger import LedgerEntry
from shared.domain.media import MediaDeletion
from shared.ports.store import (
    Decision,
    Document,
    DraftsFilter,
    Found,
    Page,
    Plan,
    ResultT,
    TransactionRuleBroken,
    planned,
)

ANSWER_TIMEOUT_S = 2 * BUSY_TIMEOUT_S
GROUP_MAX = 64

_UNPUBLISHED = [Status.PENDING, Status.PROCESSING, Status.DRAFT, Status.FAILED]


def _field(name: str) -> str:
    return f"json_extract(document, '$.{name}')"


_TABLES = "".join(
    f'CREATE TABLE IF NOT EXISTS "{collection}" '
    "(id TEXT PRIMARY KEY, document TEXT NOT NULL CHECK (json_valid(document))) WITHOUT ROWID;\n"
    for collection in Collection
)
_SCHEMA = f"""
{_TABLES}
CREATE TRIGGER IF NOT EXISTS no_debt_at_first BEFORE INSERT ON users
  WHEN json_extract(new.document, '$.tokenBalance') < 0
  BEGIN SELECT RAISE(ABORT, 'a balance is never negative'); END;
CREATE TRIGGER IF NOT EXISTS no_debt_later BEFORE UPDATE ON users
  WHEN json_extract(new.document, '$.tokenBalance') < 0
  BEGIN SELECT RAISE(ABORT, 'a balance is never negative'); END;
CREATE TRIGGER IF NOT EXISTS ledger_is_not_changed BEFORE UPDATE ON transactions
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_is_not_shortened BEFORE DELETE ON transactions
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE INDEX IF NOT EXISTS drafts ON creations (
  {_field("userId")}, {_field("createdAt")} DESC, id DESC);
CREATE INDEX IF NOT EXISTS feed ON creations ({_field("publishedAt")} DESC, id DESC)
  WHERE {_field("status")} = 'published';
CREATE INDEX IF NOT EXISTS published_by ON creations (
  {_field("username")}, {_field("publishedAt")} DESC, id DESC)
  WHERE {_field("status")} = 'published';
CREATE INDEX IF NOT EXISTS due ON creations ({_field("sweepAt")}, id)
  WHERE {_field("sweepAt")} IS NOT NULL;
CREATE INDEX IF NOT EXISTS due_deletions ON mediaDeletions ({_field("dueAt")}, id);
CREATE INDEX IF NOT EXISTS ledger ON transactions ({_field("userId")}, {_field("sequence")} DESC);
"""


@dataclass(frozen=True)
class _Waiting:
    """A transaction that waits for the writer, and where its answer goes."""

    reading: Sequence[Key[Any]]
    decide: Callable[[Found], Decision[Any]]
    answer: "Future[Any]"


class SQLiteStore:
    """The `Store` on one machine."""

    def __init__(self, path: Path) -> None:
        """Open the file, making it if needed; raises `StoreUnavailable` if it cannot be used."""
        self._path = path
        self._readers = ConnectionPool(path)
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        with _translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(connect(path)) as connection:
                connection.executescript(_SCHEMA)
        self._writer = threading.Thread(target=self._write, name="sqlite-writer", daemon=True)
        self._writer.start()

    def close(self) -> None:
        """End the writer, after what is waiting."""
        self._waiting.put(None)
        self._writer.join()
        self._readers.close()

    def transact(
        self, reading: Sequence[Key[Any]], decide: Callable[[Found], Decision[ResultT]]
    ) -> ResultT:
        """See `Store.transact`."""
        answer: Future[ResultT] = Future()
        self._waiting.put(_Waiting(reading, decide, answer))
        try:
            return answer.result(timeout=ANSWER_TIMEOUT_S)
        except TimeoutError as error:
            raise OutcomeUnknown(reason="the writer did not answer") from error

    def _write(self) -> None:
        connection = connect(self._path)
        is_open = True
        while is_open:
            group = [self._waiting.get()]
            with contextlib.suppress(queue.Empty):
                while len(group) < GROUP_MAX:
                    group.append(self._waiting.get_nowait())
            is_open = None not in group
            _commit_group(connection, [waiting for waiting in group if waiting is not None])
        connection.close()

    def get(self, key: Key[DocumentT]) -> DocumentT | None:
        """See `Store.get`."""
        with _translated(), self._readers.connection() as connection:
            return cast("DocumentT | None", _read(connection, key))

    def drafts(self, user_id: UserId, which: DraftsFilter, page: Page) -> list[Creation]:
        """See `Store.drafts`."""
        statuses = [which.status] if which.status else _UNPUBLISHED
        where = f"{_field('userId')} = ? AND {_field('status')} IN ({_marks(statuses)})"
        values = [user_id, *statuses]
        if which.kind:
            where += f" AND {_field('mediaType')} = ?"
            values.append(which.kind)
        query = _Query(Collection.CREATIONS, where, tuple(values), sort="createdAt")
        return cast("list[Creation]", self._page(query, page))

    def feed(self, page: Page) -> list[Creation]:
        """See `Store.feed`."""
        where = f"{_field('status')} = 'published'"
        query = _Query(Collection.CREATIONS, where, (), sort="publishedAt")
        return cast("list[Creation]", self._page(query, page))

    def published_by(self, username: str, page: Page) -> list[Creation]:
        """See `Store.published_by`."""
        where = f"{_field('status')} = 'published' AND {_field('username')} = ?"
        query = _Query(Collection.CREATIONS, where, (username,), sort="publishedAt")
        return cast("list[Creation]", self._page(query, page))

    def ledger(self, user_id: UserId, page: Page) -> list[LedgerEntry]:
        """See `Store.ledger`."""
        where = f"{_field('userId')} = ?"
        query = _Query(Collection.TRANSACTIONS, where, (user_id,), sort="sequence")
        return cast("list[LedgerEntry]", self._page(query, page))

    def due(self, now: datetime, page: Page) -> list[Creation]:
        """See `Store.due`."""
        where, values = f"{_field('sweepAt')} <= ?", (_text(now),)
        query = _Query(Collection.CREATIONS, where, values, sort="sweepAt", newest_first=False)
        return cast("list[Creation]", self._page(query, page))

    def due_deletions(self, now: datetime, page: Page) -> list[MediaDeletion]:
        """See `Store.due_deletions`."""
        where, values = f"{_field('dueAt')} <= ?", (_text(now),)
        query = _Query(Collection.MEDIA_DELETIONS, where, values, sort="dueAt", newest_first=False)
        return cast("list[MediaDeletion]", self._page(query, page))

    def everything(self) -> Iterator[Document]:
        """See `Store.everything`."""
        with _translated(), contextlib.closing(connect(self._path)) as connection:
            connection.execute("BEGIN")
            for collection in Collection:
                for id_, text in connection.execute(f'SELECT id, document FROM "{collection}"'):  # noqa: S608 (a fixed name)
                    yield from_fields(Key(collection, id_), json.loads(text))

    def _page(self, query: "_Query", page: Page) -> list[Any]:
        text, values = query.text, query.values
        if page.after is not None:
            text += f" AND ({_field(query.sort)}, id) {'<' if query.newest_first else '>'} (?, ?)"
            value = page.after.value
            values += (value if isinstance(value, int) else _text(value), page.after.id)
        order = "DESC" if query.newest_first else "ASC"
        text += f" ORDER BY {_field(query.sort)} {order}, id {order} LIMIT ?"
        with _translated(), self._readers.connection() as connection:
            rows = connection.execute(text, (*values, page.limit)).fetchall()
        return [from_fields(Key(query.collection, id_), json.loads(text)) for id_, text in rows]


@dataclass(frozen=True)
class _Query:
    """One list of a collection, before its page is cut out."""

    collection: Collection
    where: str
    values: tuple[str | int, ...]
    sort: str
    newest_first: bool = True

    @property
    def text(self) -> str:
        return f'SELECT id, document FROM "{self.collection}" WHERE {self.where}'  # noqa: S608 (fixed names; values are bound)


def _commit_group(connection: sqlite3.Connection, group: list[_Waiting]) -> None:
    """Carry out transactions one after another, commit them together, then answer each."""
    lost: Unavailable | None = None
    outcomes: list[tuple[object, BaseException | None]] = [(None, None)] * len(group)
    try:
        connection.execute("BEGIN IMMEDIATE")
        outcomes = [_outcome(connection, waiting) for waiting in group]
    except sqlite3.Error as error:
        lost = StoreUnavailable(reason=str(error))
    try:
        connection.execute("ROLLBACK" if lost else "COMMIT")
    except sqlite3.Error as error:
        lost = lost or OutcomeUnknown(reason=str(error))
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
    for waiting, (result, problem) in zip(group, outcomes, strict=True):
        if problem or lost:
            waiting.answer.set_exception(problem or lost)
        else:
            waiting.answer.set_result(result)


def _outcome(
    connection: sqlite3.Connection, waiting: _Waiting
) -> tuple[object, BaseException | None]:
    """Return what a transaction answers, or its error; an error leaves nothing written."""
    connection.execute("SAVEPOINT one")
    try:
        result = _carry_out(connection, waiting)
    except BaseException as error:  # noqa: BLE001 (raised again where it is waited for)
        connection.execute("ROLLBACK TO one")
        return None, _named(error)
    finally:
        connection.execute("RELEASE one")
    return result, None


def _carry_out(connection: sqlite3.Connection, waiting: _Waiting) -> object:
    documents = {key: _read(connection, key) for key in waiting.reading}
    found = Found({key: document for key, document in documents.items() if document is not None})
    decision = waiting.decide(found)
    plan = planned(decision, found)
    if plan is not None:
        _execute(connection, plan)
    return decision.result


def _execute(connection: sqlite3.Connection, plan: Plan) -> None:
    for document in plan.creates:
        connection.execute(
            f'INSERT INTO "{document.key.collection}" VALUES (?, ?)',  # noqa: S608 (a fixed name)
            (document.key.id, _json(document)),
        )
    for document in plan.updates:
        connection.execute(
            f'UPDATE "{document.key.collection}" SET document = ? WHERE id = ?',  # noqa: S608 (a fixed name)
            (_json(document), document.key.id),
        )
    for key in plan.removes:
        connection.execute(f'DELETE FROM "{key.collection}" WHERE id = ?', (key.id,))  # noqa: S608 (a fixed name)


def _read(connection: sqlite3.Connection, key: Key[Any]) -> Document | None:
    row = connection.execute(
        f'SELECT document FROM "{key.collection}" WHERE id = ?',  # noqa: S608 (a fixed name)
        (key.id,),
    ).fetchone()
    return None if row is None else cast("Document", from_fields(key, json.loads(row[0])))


def _named(error: BaseException) -> BaseException:
    """Return the error under its name in the tree, if it is SQLite's."""
    if isinstance(error, sqlite3.IntegrityError):
        if error.sqlite_errorname == "SQLITE_CONSTRAINT_PRIMARYKEY":
            return StoreContention(reason="a document to be created is there")
        return TransactionRuleBroken(str(error))
    if isinstance(error, sqlite3.Error):
        return StoreUnavailable(reason=str(error))
    return error


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(reason=str(error)) from error


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _json(document: Document) -> str:
    return json.dumps(to_fields(document), default=_text, separators=(",", ":"))


def _text(time: datetime) -> str:
    """Return a time as text that sorts as the time does."""
    return time.isoformat(timespec="microseconds")
