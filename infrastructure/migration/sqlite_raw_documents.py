"""Raw documents in the embedded store's file."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from infrastructure.migration.raw_documents import RawDocument, stored_fields
from shared.adapters.local.documents import json_text, read_text
from shared.adapters.local.sqlite import ConnectionPool, connect
from shared.domain.errors import StoreContention, StoreUnavailable
from shared.domain.keys import Collection, Key
from shared.ports.store import Document

_PUT = 'INSERT INTO "{}" VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET document = excluded.document'


class SQLiteRawDocuments:
    """The `RawDocuments` of a `SQLiteStore`'s file; a version is the stored text."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self, collection: Collection) -> Iterator[RawDocument]:
        with closing(connect(self._path)) as connection:
            rows = connection.execute(f'SELECT id, document FROM "{collection}" ORDER BY id')  # noqa: S608 (a fixed name)
            for id_, text in rows.fetchall():
                yield RawDocument(collection, id_, json.loads(text), version=text)

    def get(self, key: Key[Any]) -> RawDocument | None:
        with closing(connect(self._path)) as connection:
            text = read_text(connection, key)
        if text is None:
            return None
        return RawDocument(key.collection, key.id, json.loads(text), version=text)

    def replace(
        self, read: Sequence[RawDocument], writes: Sequence[RawDocument | Document]
    ) -> None:
        versions = {document.key: document.version for document in read}
        written = {document.key: json_text(stored_fields(document)) for document in writes}
        try:
            with closing(ConnectionPool(self._path)) as pool, pool.transaction() as connection:
                for key in versions.keys() | written.keys():
                    if read_text(connection, key) != versions.get(key):
                        raise StoreContention(reason=f"{key.collection}/{key.id} has changed")
                for key in versions.keys() - written.keys():
                    connection.execute(f'DELETE FROM "{key.collection}" WHERE id = ?', (key.id,))  # noqa: S608 (a fixed name)
                for key, text in written.items():
                    connection.execute(_PUT.format(key.collection), (key.id, text))
        except sqlite3.Error as error:
            raise StoreUnavailable(reason=str(error)) from error
