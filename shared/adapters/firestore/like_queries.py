"""Queries of the Firestore store: likes."""

from datetime import datetime

from google.cloud.firestore_v1 import FieldFilter

from shared.adapters.firestore.documents import BY_NAME
from shared.adapters.firestore.queries import FirestoreQueries
from shared.domain.keys import Collection, CreationId, Key
from shared.domain.like import Like, like_ids
from shared.ports.store import Page


class LikeQueries(FirestoreQueries):
    def changed_likes(self, since: datetime, page: Page) -> list[Like]:
        return self._oldest(Collection.LIKES, [("changedAt", ">=", since)], page, sort="changedAt")

    def like_count(self, creation_id: CreationId) -> int:
        query = self._query(
            Collection.LIKES, [("creationId", "==", creation_id), ("isLiked", "==", True)]
        )
        return int(self._documents.aggregate(query.count()))

    def likes_of(self, creation_id: CreationId, limit: int) -> list[Key[Like]]:
        likes = self._documents.collection(Collection.LIKES)
        query = self._query(Collection.LIKES, []).order_by(BY_NAME).limit(limit)
        for operator, end in zip((">=", "<"), like_ids(creation_id), strict=True):
            query = query.where(filter=FieldFilter(BY_NAME, operator, likes.document(end)))
        return [Key(Collection.LIKES, each.id) for each in self._documents.select(query)]
