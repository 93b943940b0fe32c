"""Queries of the embedded store that only operators use."""

from datetime import datetime

from shared.adapters.local.documents import field, time_text
from shared.adapters.local.queries import SQLiteQueries
from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.keys import Collection, CreationId, UserId
from shared.domain.kind import Kind
from shared.domain.operating import OperatorAct
from shared.domain.status import Status
from shared.ports.store import Page, Stored

OPERATOR_INDEXES = f"""
CREATE INDEX IF NOT EXISTS failed ON creations (
  {field("error.code")}, {field("updatedAt")}, id) WHERE {field("status")} = 'failed';
CREATE INDEX IF NOT EXISTS failed_of_kind ON creations (
  {field("error.code")}, {field("mediaType")}, {field("updatedAt")}, id) WHERE {field("status")} = 'failed';
CREATE INDEX IF NOT EXISTS acts ON operatorActs ({field("createdAt")} DESC, id DESC);
CREATE INDEX IF NOT EXISTS acts_of ON operatorActs (
  {field("creationId")}, {field("createdAt")} DESC, id DESC);
"""


class OperatorQueries(SQLiteQueries):
    def created_by(self, user_id: UserId, page: Page) -> list[Stored[Creation]]:
        where = f"{field('userId')} = :of"
        return self._page(Collection.CREATIONS, [where], page, sort="createdAt", of=user_id)

    def failed_since(
        self, code: FailureCode, kind: Kind | None, since: datetime, page: Page
    ) -> list[Creation]:
        where = f"{field('status')} = '{Status.FAILED}' AND {field('error.code')} = '{code}'"
        where += "" if kind is None else f" AND {field('mediaType')} = '{kind}'"
        where += f" AND {field('updatedAt')} >= :of"
        return self._oldest(Collection.CREATIONS, where, page, "updatedAt", time_text(since))

    def acts(self, page: Page) -> list[Stored[OperatorAct]]:
        return self._page(Collection.OPERATOR_ACTS, ["true"], page, sort="createdAt")

    def acts_of(self, creation_id: CreationId, page: Page) -> list[Stored[OperatorAct]]:
        where = f"{field('creationId')} = :of"
        return self._page(Collection.OPERATOR_ACTS, [where], page, sort="createdAt", of=creation_id)
