"""What every query of the Firestore store is made of: pages of documents."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from google.cloud.firestore_v1 import FieldFilter, Query

from shared.adapters.documents import readable
from shared.adapters.firestore.documents import BY_NAME, FirestoreDocuments
from shared.adapters.firestore.internals import StoredDocument, shown_document
from shared.domain.keys import Collection, DocumentT, Key
from shared.ports.store import Page, Stored

NEWEST_FIRST, OLDEST_FIRST = Query.DESCENDING, Query.ASCENDING
Filter = tuple[str, str, object]


class FirestoreQueries:
    _documents: FirestoreDocuments

    def _query(self, collection: Collection, filters: Sequence[Filter]) -> Query:
        query = Query(self._documents.collection(collection))
        for each in filters:
            query = query.where(filter=FieldFilter(*each))
        return query

    def _oldest(
        self, collection: Collection, filters: Sequence[Filter], page: Page, *, sort: str
    ) -> list[Any]:
        return readable(
            lambda part: self._page(collection, filters, part, sort=sort, order=OLDEST_FIRST), page
        )

    def _page(
        self,
        collection: Collection,
        filters: Sequence[Filter],
        page: Page,
        *,
        sort: str,
        order: str = NEWEST_FIRST,
    ) -> list[Stored[Any]]:
        found = self._select(self._query(collection, filters), page, sort=sort, order=order)
        return [stored(Key(collection, each.id), each) for each in found]

    def _select(self, query: Query, page: Page, *, sort: str, order: str) -> list[StoredDocument]:
        query = sorted_by(query, sort, order).limit(page.limit)
        if page.after is not None:
            query = query.start_after({sort: page.after.value, BY_NAME: page.after.id})
        return self._documents.select(query)


def sorted_by(query: Query, sort: str, order: str) -> Query:
    return query.order_by(sort, order).order_by(BY_NAME, order)


def stored(key: Key[DocumentT], snapshot: StoredDocument) -> Stored[DocumentT]:
    return Stored(f"{key.id} {snapshot.update_time}", partial(shown_document, key, snapshot))
