"""Firestore at one time, which it keeps for an hour; after that, it refuses to read it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from google.cloud.firestore_v1 import Query

from shared.adapters.documents import BY_ACCOUNT, Row
from shared.adapters.firestore.documents import FirestoreDocuments, Moment
from shared.adapters.firestore.internals import internals_key, shown_fields, with_internals
from shared.domain.errors import StoreUnavailable
from shared.domain.keys import Collection, Key

COUNT_TIMEOUT_S = 60
"""How long Firestore counts at most.
https://firebase.google.com/docs/firestore/query-data/aggregation-queries#limitations"""


@dataclass(frozen=True)
class FirestoreMoment:
    documents: FirestoreDocuments
    at: Moment

    @classmethod
    def now(cls, documents: FirestoreDocuments) -> "FirestoreMoment":
        return cls(documents, documents.moment())

    def rows(self, collection: Collection, *, by_account: bool = False) -> Iterator[Row]:
        """Use the composite indexes of the lists. A creation may lack its internals."""
        order = []
        if by_account and (sort := BY_ACCOUNT[collection]):
            order = [("userId", Query.ASCENDING), (sort, Query.DESCENDING)]
        for page in self.documents.pages(collection, at=self.at, order=order):
            keys: list[Key[Any]] = [Key(collection, snapshot.id) for snapshot in page]
            wanted = [key for key in with_internals(keys) if key not in keys]
            internals = self.documents.read(wanted, at=self.at)
            for key, snapshot in zip(keys, page, strict=True):
                yield key, partial(shown_fields, snapshot, internals.get(internals_key(key)))

    def count(self, collection: Collection) -> int | None:
        query = Query(self.documents.collection(collection)).count()
        try:
            return int(self.documents.aggregate(query, at=self.at, timeout_s=COUNT_TIMEOUT_S))
        except StoreUnavailable:
            return None
