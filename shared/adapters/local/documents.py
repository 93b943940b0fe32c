"""Documents as JSON text in SQLite's tables: one table a collection, an id and a document a row."""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from shared.adapters.documents import from_fields, to_fields
from shared.domain.errors import StoreContention
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


def carry_out(
    connection: sqlite3.Connection,
    reading: Sequence[Key[Any]],
    decide: Callable[[Found], Decision[ResultT]],
) -> ResultT:
    """Read, decide and write inside the connection's transaction; raise as `Store.transact`."""
    try:
        documents = {key: read_document(connection, key) for key in reading}
        found = Found(
            {key: document for key, document in documents.items() if document is not None}
        )
        decision = decide(found)
        if (plan := planned(decision, found)) is not None:
            _execute(connection, plan)
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorname == "SQLITE_CONSTRAINT_PRIMARYKEY":
            raise StoreContention(reason="a document to be created exists") from error
        raise TransactionRuleBroken(str(error)) from error
    return decision.result


def _execute(connection: sqlite3.Connection, plan: Plan) -> None:
    for document in plan.creates:
        key = document.key
        insert = f'INSERT INTO "{key.collection}" VALUES (?, ?)'  # noqa: S608 (a fixed name)
        connection.execute(insert, (key.id, json_text(to_fields(document))))
    for document in plan.updates:
        key = document.key
        update = f'UPDATE "{key.collection}" SET document = ? WHERE id = ?'  # noqa: S608 (a fixed name)
        connection.execute(update, (json_text(to_fields(document)), key.id))
    for key in plan.removes:
        connection.execute(f'DELETE FROM "{key.collection}" WHERE id = ?', (key.id,))  # noqa: S608 (a fixed name)


def read_document(connection: sqlite3.Connection, key: Key[Any]) -> Document | None:
    text = read_text(connection, key) if key.can_exist else None
    return None if text is None else cast("Document", from_fields(key, json.loads(text)))


def read_text(connection: sqlite3.Connection, key: Key[Any]) -> str | None:
    select = f'SELECT document FROM "{key.collection}" WHERE id = ?'  # noqa: S608 (a fixed name)
    row = connection.execute(select, (key.id,)).fetchone()
    return None if row is None else str(row[0])


def json_text(fields: Mapping[str, Any]) -> str:
    return _ENCODER.encode(fields)


def time_text(time: datetime) -> str:
    """Format a time so that text sorts like the time."""
    return time.isoformat(timespec="microseconds")


_ENCODER = json.JSONEncoder(default=time_text, separators=(",", ":"), check_circular=False)
