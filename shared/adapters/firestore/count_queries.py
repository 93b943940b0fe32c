"""Queries of the Firestore store: counts and statistics."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from shared.adapters.documents import outcomes_of, readable
from shared.adapters.firestore.documents import BY_NAME
from shared.adapters.firestore.internals import shown_document
from shared.adapters.firestore.moment import FirestoreMoment
from shared.adapters.firestore.queries import (
    NEWEST_FIRST,
    OLDEST_FIRST,
    Filter,
    FirestoreQueries,
    sorted_by,
)
from shared.domain.keys import Collection
from shared.domain.kind import Kind
from shared.domain.ledger import Cost
from shared.domain.statistics import HourStatistics, hour_key
from shared.domain.status import Status
from shared.ports.store import STATISTICS_MAX, Damage, Page, Stored


class CountQueries(FirestoreQueries):
    def unfinished(self, kind: Kind, status: Status) -> int:
        filters = [("mediaType", "==", kind), ("status", "==", status)]
        return int(self._documents.aggregate(self._query(Collection.CREATIONS, filters).count()))

    def settled_since(self, kind: Kind, since: datetime) -> int:
        filters: list[Filter] = [("mediaType", "==", kind), ("wasClaimed", "==", True)]
        filters.append(("createdAt", ">=", since))
        return int(self._documents.aggregate(self._query(Collection.COSTS, filters).count()))

    def cost_usd_since(self, since: datetime) -> float:
        query = self._query(Collection.COSTS, [("createdAt", ">=", since)])
        return self._documents.aggregate(query.sum("estimatedCostUsd"))

    def unfolded_since(self, since: datetime) -> int:
        """Sort as `unfolded` does, whose index it uses."""
        query = self._query(Collection.COSTS, [("foldAt", ">=", since)])
        return int(self._documents.aggregate(sorted_by(query, "foldAt", OLDEST_FIRST).count()))

    def published_since(self, since: datetime) -> int:
        """Sort as the feed does, whose index it uses."""
        filters: list[Filter] = [("status", "==", Status.PUBLISHED), ("publishedAt", ">=", since)]
        query = sorted_by(self._query(Collection.CREATIONS, filters), "publishedAt", NEWEST_FIRST)
        return int(self._documents.aggregate(query.count()))

    def statistics(self, since: str) -> list[HourStatistics]:
        first = self._documents.collection(Collection.STATISTICS).document(since)
        query = self._query(Collection.STATISTICS, [(BY_NAME, ">=", first)]).order_by(BY_NAME)
        found = self._documents.select(query.limit(STATISTICS_MAX))
        stored = [
            Stored(each.id, partial(shown_document, hour_key(each.id), each)) for each in found
        ]
        return readable(lambda _: stored, Page(STATISTICS_MAX + 1))

    def outcomes(self) -> Iterator[Cost | HourStatistics | Damage]:
        yield from outcomes_of(FirestoreMoment.now(self._documents))
