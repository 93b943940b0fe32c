"""Group commit: one thread commits the waiting transactions of a process together.

Each runs in a savepoint of one BEGIN IMMEDIATE, which is the fastest safe way to write with
synchronous=FULL. Processes take turns by the busy timeout.
"""

import contextlib
import json
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
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

RESULT_TIMEOUT_S = 2 * BUSY_TIMEOUT_S
GROUP_SIZE_MAX = 64


@dataclass(frozen=True)
class _Waiting:
    reading: Sequence[Key[Any]]
    decide: Callable[[Found], Decision[Any]]
    future: "Future[Any]"


class SQLiteWriter:
    def __init__(self, path: Path) -> None:
        self._connection = connect(path)
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="sqlite-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._waiting.put(None)
        self._thread.join()

    def transact(
        self, reading: Sequence[Key[Any]], decide: Callable[[Found], Decision[ResultT]]
    ) -> ResultT:
        future: Future[ResultT] = Future()
        self._waiting.put(_Waiting(reading, decide, future))
        try:
            return future.result(timeout=RESULT_TIMEOUT_S)
        except TimeoutError as error:
            raise OutcomeUnknown(reason="the writer did not respond in time") from error

    def _write(self) -> None:
        is_open = True
        while is_open:
            group = [self._waiting.get()]
            with contextlib.suppress(queue.Empty):
                while len(group) < GROUP_SIZE_MAX:
                    group.append(self._waiting.get_nowait())
            is_open = None not in group
            _commit_group(self._connection, [each for each in group if each is not None])
        self._connection.close()


def _commit_group(connection: sqlite3.Connection, group: list[_Waiting]) -> None:
    failure: Unavailable | None = None
    outcomes: list[tuple[object, BaseException | None]] = [(None, None)] * len(group)
    try:
        connection.execute("BEGIN IMMEDIATE")
        outcomes = [_outcome(connection, waiting) for waiting in group]
    except sqlite3.Error as error:
        failure = StoreUnavailable(reason=str(error))
    try:
        connection.execute("ROLLBACK" if failure else "COMMIT")
    except sqlite3.Error as error:
        failure = failure or OutcomeUnknown(reason=str(error))
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
    for waiting, (result, problem) in zip(group, outcomes, strict=True):
        if problem or failure:
            waiting.future.set_exception(problem or failure)
        else:
            waiting.future.set_result(result)


def _outcome(
    connection: sqlite3.Connection, waiting: _Waiting
) -> tuple[object, BaseException | None]:
    """Return a transaction's result or its error; an error is rolled back."""
    connection.execute("SAVEPOINT one")
    try:
        result = _run(connection, waiting)
    except BaseException as error:  # noqa: BLE001 (raised again by `transact`)
        connection.execute("ROLLBACK TO one")
        return None, _translated(error)
    finally:
        connection.execute("RELEASE one")
    return result, None


def _run(connection: sqlite3.Connection, waiting: _Waiting) -> object:
    documents = {key: read_document(connection, key) for key in waiting.reading}
    found = Found({key: document for key, document in documents.items() if document is not None})
    decision = waiting.decide(found)
    if (plan := planned(decision, found)) is not None:
        _execute(connection, plan)
    return decision.result


def _execute(connection: sqlite3.Connection, plan: Plan) -> None:
    for document in plan.creates:
        insert = f'INSERT INTO "{document.key.collection}" VALUES (?, ?)'  # noqa: S608 (a fixed name)
        connection.execute(insert, (document.key.id, json_text(to_fields(document))))
    for document in plan.updates:
        update = f'UPDATE "{document.key.collection}" SET document = ? WHERE id = ?'  # noqa: S608 (a fixed name)
        connection.execute(update, (json_text(to_fields(document)), document.key.id))
    for key in plan.removes:
        connection.execute(f'DELETE FROM "{key.collection}" WHERE id = ?', (key.id,))  # noqa: S608 (a fixed name)


def read_document(connection: sqlite3.Connection, key: Key[Any]) -> Document | None:
    text = read_text(connection, key) if key.can_exist else None
    return None if text is None else cast("Document", from_fields(key, json.loads(text)))


def read_text(connection: sqlite3.Connection, key: Key[Any]) -> str | None:
    select = f'SELECT document FROM "{key.collection}" WHERE id = ?'  # noqa: S608 (a fixed name)
    row = connection.execute(select, (key.id,)).fetchone()
    return None if row is None else str(row[0])


def _translated(error: BaseException) -> BaseException:
    if isinstance(error, sqlite3.IntegrityError):
        if error.sqlite_errorname == "SQLITE_CONSTRAINT_PRIMARYKEY":
            return StoreContention(reason="a document to be created exists")
        return TransactionRuleBroken(str(error))
    if isinstance(error, sqlite3.Error):
        return StoreUnavailable(reason=str(error))
    return error


def json_text(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, default=time_text, separators=(",", ":"))


def time_text(time: datetime) -> str:
    """Format a time so that text sorts like the time."""
    return time.isoformat(timespec="microseconds")
