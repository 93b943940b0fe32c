"""What every query of the embedded store is made of: pages of documents, and sums."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from shared.adapters.documents import readable
from shared.adapters.local.documents import documents_of, field, parsed, time_text
from shared.adapters.local.sqlite import ConnectionPool, translated
from shared.domain.errors import StoreUnavailable
from shared.domain.keys import Collection, DocumentT, Key
from shared.ports.store import Page, Stored


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


class SQLiteQueries:
    _path: Path
    _readers: ConnectionPool

    def _due(self, collection: Collection, now: datetime, page: Page, *, sort: str) -> list[Any]:
        return self._oldest(collection, f"{field(sort)} <= :of", page, sort, time_text(now))

    def _oldest(
        self, collection: Collection, where: str, page: Page, sort: str, of: str
    ) -> list[Any]:
        return readable(
            lambda part: self._page(collection, [where], part, sort=sort, order="ASC", of=of), page
        )

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
        text = _page_text(
            collection, tuple(wheres), sort=sort, order=order, is_first=page.after is None
        )
        return self._listed(collection, text, page, of=of)

    def _listed(
        self, collection: Collection, text: str, page: Page, *, of: str | None
    ) -> list[Stored[Any]]:
        values: dict[str, str | int | None] = {"of": of, "limit": page.limit}
        if page.after is not None:
            value = page.after.value
            values["value"] = value if isinstance(value, int) else time_text(value)
            values["id"] = page.after.id
        with translated(StoreUnavailable), self._readers.connection() as connection:
            rows = documents_of(connection, text, values)
        return [stored(Key(collection, id_), text) for id_, text in rows]

    def _aggregated(
        self, what: str, collection: Collection, where: str, values: Sequence[str]
    ) -> float:
        text = f'SELECT {what} FROM "{collection}" WHERE {where}'  # noqa: S608 (fixed names; values are bound)
        with translated(StoreUnavailable), self._readers.connection() as connection:
            return float(connection.execute(text, values).fetchone()[0])


def stored(key: Key[DocumentT], text: str) -> Stored[DocumentT]:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Stored(f"{key.id} {digest}", partial(parsed, key, text))
