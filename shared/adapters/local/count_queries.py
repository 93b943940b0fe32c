"""Queries of the embedded store: counts and statistics."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from shared.adapters.documents import outcomes_of, readable
from shared.adapters.local.documents import documents_of, field, parsed, time_text
from shared.adapters.local.moment import one_moment
from shared.adapters.local.queries import SQLiteQueries
from shared.adapters.local.sqlite import translated
from shared.domain.errors import StoreUnavailable
from shared.domain.keys import Collection
from shared.domain.kind import Kind
from shared.domain.ledger import Cost
from shared.domain.statistics import HourStatistics, hour_key
from shared.domain.status import Status
from shared.ports.store import STATISTICS_MAX, Damage, Page, Stored


class CountQueries(SQLiteQueries):
    def unfinished(self, kind: Kind, status: Status) -> int:
        where = f"{field('mediaType')} = ? AND {field('status')} = ?"
        where += f" AND {field('sweepAt')} IS NOT NULL"
        return int(self._aggregated("count(*)", Collection.CREATIONS, where, [kind, status]))

    def settled_since(self, kind: Kind, since: datetime) -> int:
        where = f"{field('createdAt')} >= ? AND {field('mediaType')} = ?"
        where += f" AND {field('wasClaimed')}"
        values = [time_text(since), kind]
        return int(self._aggregated("count(*)", Collection.COSTS, where, values))

    def cost_usd_since(self, since: datetime) -> float:
        where, total = f"{field('createdAt')} >= ?", f"total({field('estimatedCostUsd')})"
        return self._aggregated(total, Collection.COSTS, where, [time_text(since)])

    def unfolded_since(self, since: datetime) -> int:
        where = f"{field('foldAt')} >= ?"
        return int(self._aggregated("count(*)", Collection.COSTS, where, [time_text(since)]))

    def published_since(self, since: datetime) -> int:
        where = f"{field('status')} = 'published' AND {field('publishedAt')} >= ?"
        values = [time_text(since)]
        return int(self._aggregated("count(*)", Collection.CREATIONS, where, values))

    def statistics(self, since: str) -> list[HourStatistics]:
        text = f'SELECT id, document FROM "{Collection.STATISTICS}" WHERE id >= ? ORDER BY id LIMIT {STATISTICS_MAX}'  # noqa: S608 (fixed names)
        with translated(StoreUnavailable), self._readers.connection() as connection:
            rows = documents_of(connection, text, [since])
        stored = [Stored(id_, partial(parsed, hour_key(id_), text)) for id_, text in rows]
        return readable(lambda _: stored, Page(STATISTICS_MAX + 1))

    def outcomes(self) -> Iterator[Cost | HourStatistics | Damage]:
        with one_moment(self._path) as moment:
            yield from outcomes_of(moment)
