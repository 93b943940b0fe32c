"""The SQLite store at one time."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shared.adapters.documents import BY_ACCOUNT, Row
from shared.adapters.local.documents import field
from shared.adapters.local.sqlite import connect, translated
from shared.domain.errors import StoreUnavailable
from shared.domain.keys import Collection, Key


@contextmanager
def one_moment(path: Path) -> Iterator["SQLiteMoment"]:
    with translated(StoreUnavailable), closing(connect(path)) as connection:
        connection.execute("BEGIN")
        yield SQLiteMoment(connection)


@dataclass(frozen=True)
class SQLiteMoment:
    connection: sqlite3.Connection

    def rows(self, collection: Collection, *, by_account: bool = False) -> Iterator[Row]:
        order = "id"
        if by_account and (sort := BY_ACCOUNT[collection]):
            order = f"{field('userId')}, {field(sort)} DESC, id DESC"
        select = f'SELECT id, document FROM "{collection}" ORDER BY {order}'  # noqa: S608 (fixed names)
        for id_, text in self.connection.execute(select):
            yield Key(collection, id_), partial(json.loads, text)

    def count(self, collection: Collection) -> int:
        select = f'SELECT count(*) FROM "{collection}"'  # noqa: S608 (fixed names)
        [count] = self.connection.execute(select).fetchone()
        return int(count)
