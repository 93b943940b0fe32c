"""Queries of the embedded store: likes."""

from datetime import datetime

from shared.adapters.local.documents import field, time_text
from shared.adapters.local.queries import SQLiteQueries
from shared.adapters.local.sqlite import translated
from shared.domain.errors import StoreUnavailable
from shared.domain.keys import Collection, CreationId, Key
from shared.domain.like import Like, like_ids
from shared.ports.store import Page

LIKE_INDEXES = f"""
CREATE INDEX IF NOT EXISTS changed_likes ON likes ({field("changedAt")}, id);
CREATE INDEX IF NOT EXISTS likes_of ON likes ({field("creationId")})
  WHERE {field("isLiked")};
"""


class LikeQueries(SQLiteQueries):
    def changed_likes(self, since: datetime, page: Page) -> list[Like]:
        cursor = page.after.value if page.after else since
        begins_at = cursor if isinstance(cursor, datetime) else since  # SQLite seeks by one bound
        where = f"{field('changedAt')} >= :of"
        return self._oldest(Collection.LIKES, where, page, "changedAt", time_text(begins_at))

    def like_count(self, creation_id: CreationId) -> int:
        where = f"{field('creationId')} = ? AND {field('isLiked')}"
        return int(self._aggregated("count(*)", Collection.LIKES, where, [creation_id]))

    def likes_of(self, creation_id: CreationId, limit: int) -> list[Key[Like]]:
        text = "SELECT id FROM likes WHERE id >= ? AND id < ? LIMIT ?"
        with translated(StoreUnavailable), self._readers.connection() as connection:
            return [
                Key(Collection.LIKES, id_)
                for (id_,) in connection.execute(text, (*like_ids(creation_id), limit))
            ]
