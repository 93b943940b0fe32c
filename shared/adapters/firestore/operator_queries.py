"""Queries of the Firestore store that only operators use."""

from datetime import datetime

from shared.adapters.firestore.queries import Filter, FirestoreQueries
from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.keys import Collection, CreationId, UserId
from shared.domain.kind import Kind
from shared.domain.operating import OperatorAct
from shared.domain.status import Status
from shared.ports.store import Page, Stored


class OperatorQueries(FirestoreQueries):
    def created_by(self, user_id: UserId, page: Page) -> list[Stored[Creation]]:
        return self._page(Collection.CREATIONS, [("userId", "==", user_id)], page, sort="createdAt")

    def failed_since(
        self, code: FailureCode, kind: Kind | None, since: datetime, page: Page
    ) -> list[Creation]:
        filters: list[Filter] = [("status", "==", Status.FAILED), ("error.code", "==", code)]
        filters += [] if kind is None else [("mediaType", "==", kind)]
        filters.append(("updatedAt", ">=", since))
        return self._oldest(Collection.CREATIONS, filters, page, sort="updatedAt")

    def acts(self, page: Page) -> list[Stored[OperatorAct]]:
        return self._page(Collection.OPERATOR_ACTS, [], page, sort="createdAt")

    def acts_of(self, creation_id: CreationId, page: Page) -> list[Stored[OperatorAct]]:
        filters: list[Filter] = [("creationId", "==", creation_id)]
        return self._page(Collection.OPERATOR_ACTS, filters, page, sort="createdAt")
