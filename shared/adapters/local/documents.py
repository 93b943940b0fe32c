"""Documents as JSON text in SQLite's tables: one table a collection, an id and a document a row."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any, Generic

from shared.adapters.documents import from_fields, to_fields
from shared.adapters.local.sqlite import TOUCH
from shared.adapters.local.writer import Outcome
from shared.domain.account import Account
from shared.domain.errors import StoreContention
from shared.domain.keys import Collection, DocumentT, Key
from shared.ports.store import (
    Decision,
    Document,
    Found,
    Plan,
    ResultT,
    TransactionRuleBroken,
    planned,
    unchanged,
)


@dataclass(frozen=True)
class Transaction(Generic[ResultT]):
    """The arguments of `Store.transact`."""

    reading: Sequence[Key[Any]]
    decide: Callable[[Found], Decision[ResultT]]


PROBE = Transaction(reading=(), decide=lambda _: unchanged(None))
"""Commits something that changes nothing."""


def carry_out(
    connection: sqlite3.Connection, transactions: Sequence[Transaction[Any]]
) -> list[Outcome]:
    """Return the outcomes of transactions, each of which finds what the ones before it left.

    One statement a table reads for all of them, and one writes: at each statement, Python's lock
    changes hands. An error that is raised concerns any of them, and the writes must be rolled back.
    """
    tables = _Tables(connection, {key for each in transactions for key in each.reading})
    outcomes = [_outcome(each, tables) for each in transactions]
    if any(each is PROBE for each in transactions):
        connection.execute(TOUCH)
    try:
        tables.write()
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorname == "SQLITE_CONSTRAINT_PRIMARYKEY":
            raise _exists() from error
        raise TransactionRuleBroken(str(error)) from error
    return outcomes


def _outcome(transaction: Transaction[Any], tables: "_Tables") -> Outcome:
    try:
        found = Found(tables.found(transaction.reading))
        decision = transaction.decide(found)
        if (plan := planned(decision, found)) is not None:
            tables.change(plan)
    except BaseException as error:  # noqa: BLE001 (raised again where the transaction waits)
        return None, error
    return decision.result, None


class _Tables:
    """The documents that a group of transactions finds, and what they become."""

    def __init__(self, connection: sqlite3.Connection, reading: Iterable[Key[Any]]) -> None:
        self._connection = connection
        self._stored = _read(connection, [key for key in reading if key.can_exist])
        self._now = {**self._stored}
        self._changed: dict[Key[Any], None] = {}
        """In the order of the changes."""

    def found(self, reading: Iterable[Key[Any]]) -> dict[Key[Any], Document]:
        return {key: self._now[key] for key in reading if key in self._now}

    def change(self, plan: Plan) -> None:
        """Apply a plan, unless it breaks a rule that the file would see only of the last state."""
        written = (*plan.creates, *plan.updates)
        if any(document.key in self._now for document in plan.creates):
            raise _exists()
        if any(isinstance(each, Account) and each.balance_tokens < 0 for each in written):
            raise TransactionRuleBroken("a balance is never negative")
        for document in written:
            self._now[document.key] = document
            self._changed[document.key] = None
        for key in plan.removes:
            del self._now[key]
            self._changed[key] = None

    def write(self) -> None:
        for collection, changed in _by_collection(self._changed).items():
            inserts = [key for key in changed if key in self._now and key not in self._stored]
            updates = [key for key in changed if key in self._now and key in self._stored]
            deletes = [key for key in changed if key not in self._now and key in self._stored]
            self._execute(_insert_text, collection, [self._row(key) for key in inserts])
            self._execute(_update_text, collection, [self._row(key) for key in updates])
            self._execute(_delete_text, collection, [(key.id,) for key in deletes])

    def _row(self, key: Key[Any]) -> tuple[str, ...]:
        return key.id, json_text(to_fields(self._now[key]))

    def _execute(
        self,
        text_of: Callable[[Collection, int], str],
        collection: Collection,
        rows: Sequence[tuple[str, ...]],
    ) -> None:
        if rows:
            self._connection.execute(text_of(collection, len(rows)), [*chain.from_iterable(rows)])


def _exists() -> StoreContention:
    return StoreContention(reason="a document to be created exists")


def _by_collection(named: Iterable[Key[Any]]) -> dict[Collection, list[Key[Any]]]:
    found: dict[Collection, list[Key[Any]]] = {}
    for key in named:
        found.setdefault(key.collection, []).append(key)
    return found


def _read(connection: sqlite3.Connection, named: Sequence[Key[Any]]) -> dict[Key[Any], Document]:
    found: dict[Key[Any], Document] = {}
    for collection, listed in _by_collection(named).items():
        key_of = {key.id: key for key in listed}
        rows = documents_of(connection, _select_text(collection, len(key_of)), [*key_of])
        found |= {key_of[id_]: parsed(key_of[id_], text) for id_, text in rows}
    return found


def documents_of(
    connection: sqlite3.Connection, select: str, values: Sequence[str] | Mapping[str, object]
) -> list[list[str]]:
    """Return the id and the text of each document that a query finds, in its order.

    They come in one row: at each row, Python's lock changes hands.
    """
    query = f"SELECT json_group_array(json_array(id, document)) FROM ({select})"  # noqa: S608 (our own query)
    [found] = connection.execute(query, values).fetchone()
    rows: list[list[str]] = json.loads(found)
    return rows


@cache
def _select_text(collection: Collection, count: int) -> str:
    return f'SELECT id, document FROM "{collection}" WHERE id IN ({_marks("?", count)})'  # noqa: S608 (a fixed name)


@cache
def _insert_text(collection: Collection, count: int) -> str:
    return f'INSERT INTO "{collection}" VALUES {_marks("(?, ?)", count)}'  # noqa: S608 (a fixed name)


@cache
def _update_text(collection: Collection, count: int) -> str:
    """Return an update of many rows, which SQLite before 3.33 has in this form only."""
    return f"{_insert_text(collection, count)} ON CONFLICT (id) DO UPDATE SET document = excluded.document"


@cache
def _delete_text(collection: Collection, count: int) -> str:
    return f'DELETE FROM "{collection}" WHERE id IN ({_marks("?", count)})'  # noqa: S608 (a fixed name)


def _marks(mark: str, count: int) -> str:
    return ", ".join([mark] * count)


def read_document(connection: sqlite3.Connection, key: Key[DocumentT]) -> DocumentT | None:
    text = read_text(connection, key) if key.can_exist else None
    return None if text is None else parsed(key, text)


def read_text(connection: sqlite3.Connection, key: Key[Any]) -> str | None:
    row = connection.execute(_select_text(key.collection, 1), (key.id,)).fetchone()
    return None if row is None else str(row[1])


def parsed(key: Key[DocumentT], text: str) -> DocumentT:
    return from_fields(key, json.loads(text))


def field(name: str) -> str:
    """Return the expression of a document's field, which indexes and queries share."""
    return f"json_extract(document, '$.{name}')"


def json_text(fields: Mapping[str, Any]) -> str:
    return _ENCODER.encode(fields)


def time_text(time: datetime) -> str:
    """Format a time so that text sorts like the time."""
    return time.isoformat(timespec="microseconds")


_ENCODER = json.JSONEncoder(default=time_text, separators=(",", ":"), check_circular=False)
