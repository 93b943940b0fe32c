"""One thread that commits the transactions waiting in a process as a group.

Each runs inside a savepoint of one BEGIN IMMEDIATE: with synchronous=FULL that is both the safest
and the fastest way to write. The busy timeout settles who writes between processes.
"""

import contextlib
import json
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from shared.adapters.documents import from_fields, to_fields
from shared.adapters.local.sqlite import BUSY_TIMEOUT_S, connect
from shared.domain.errors import OutcomeUnknown, StoreContention, StoreUnavailable, Unavailable
from shared.domain.keys import Key
from shared.ports.store import (
    Decision,
    Document,
    Found,
    Plan,
    ResultT,
    TransactionRuleBroken,
    planned,
)

ANSWER_TIMEOUT_S = 2 * BUSY_TIMEOUT_S
GROUP_MAX = 64


@dataclass(frozen=True)
class _Waiting:
    """A transaction that waits for the writer, and where its answer goes."""

    reading: Sequence[Key[Any]]
    decide: Callable[[Found], Decision[Any]]
    answer: "Future[Any]"


class SQLiteWriter:
    """Carries out the transactions of one process."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="sqlite-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, after what is waiting."""
        self._waiting.put(None)
        self._thread.join()

    def transact(
        self, reading: Sequence[Key[Any]], decide: Callable[[Found], Decision[ResultT]]
    ) -> ResultT:
        answer: Future[ResultT] = Future()
        self._waiting.put(_Waiting(reading, decide, answer))
        try:
            return answer.result(timeout=ANSWER_TIMEOUT_S)
        except TimeoutError as error:
            raise OutcomeUnknown(reason="the writer did not answer") from error

    def _write(self) -> None:
        is_open = True
        while is_open:
            group = [self._waiting.get()]
            with contextlib.suppress(queue.Empty):
                while len(group) < GROUP_MAX:
                    group.append(self._waiting.get_nowait())
            is_open = None not in group
            _commit_group(self._connection, [each for each in group if each is not None])
        self._connection.close()


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
    documents = {key: read_document(connection, key) for key in waiting.reading}
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


def read_document(connection: sqlite3.Connection, key: Key[Any]) -> Document | None:
    """Return a document as it is in this connection's transaction."""
    if not key.can_exist:
        return None
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


def _json(document: Document) -> str:
    return json.dumps(to_fields(document), default=time_text, separators=(",", ":"))


def time_text(time: datetime) -> str:
    """Return a time as text that sorts as the time does."""
    return time.isoformat(timespec="microseconds")
