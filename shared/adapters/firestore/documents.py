"""Firestore documents: names, reads and commits."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from google.auth.exceptions import GoogleAuthError
from google.cloud import firestore
from google.cloud.firestore_v1 import DELETE_FIELD, CollectionReference, Query
from google.cloud.firestore_v1.field_path import FieldPath

from shared.adapters.firestore.calls import AGGREGATE, BATCH_GET, RUN_QUERY, FirestoreCalls
from shared.adapters.firestore.internals import (
    StoredDocument,
    StoredDocuments,
    stored_parts,
    with_internals,
)
from shared.adapters.firestore.values import decoded, encoded
from shared.domain.account import account_key
from shared.domain.errors import StoreUnavailable
from shared.domain.keys import Collection, Key, UserId
from shared.ports.store import Plan

BY_NAME = "__name__"
PAGE_SIZE = 300
"""Documents per call of the audit and the migration, within the call's timeout."""

Moment = Any
"""A time as the protocol's message, which keeps all digits."""


class FirestoreDocuments:
    def __init__(self, project: str, *, database: str, prefix: str, timeout_s: float) -> None:
        try:
            self.client = firestore.Client(project=project, database=database)
            self.calls = FirestoreCalls(self.client, timeout_s=timeout_s)
        except GoogleAuthError as error:
            raise StoreUnavailable(reason=str(error)) from error
        self._prefix = prefix

    def close(self) -> None:
        self.calls.close()

    def name(self, key: Key[Any]) -> str:
        """Return the full name, `projects/P/databases/D/documents/COLLECTION/ID`."""
        return f"{self.calls.parent}/{self._prefix}{key.collection}/{key.id}"

    def collection(self, collection: Collection) -> CollectionReference:
        return self.client.collection(f"{self._prefix}{collection}")

    def read(self, keys: Sequence[Key[Any]], *, at: Moment | None = None) -> StoredDocuments:
        """Read the existing documents at one time (default: now), in one round trip."""
        key_of = {self.name(key): key for key in keys if key.can_exist}
        return {
            key_of[response.found.name]: self._document(response.found)
            for response in self._batch_get(list(key_of), at=at)
            if response.HasField("found")
        }

    def moment(self) -> Moment:
        [response] = self._batch_get([self.name(account_key(UserId("moment")))])
        return response.read_time

    def _batch_get(self, names: Sequence[str], *, at: Moment | None = None) -> list[Any]:
        if not names:
            return []
        database = self.calls.database
        return self.calls.read(BATCH_GET, database=database, documents=names, read_time=at)

    def select(self, query: Query, *, at: Moment | None = None) -> list[StoredDocument]:
        """Run a query at one time (default: now), in one round trip."""
        responses = self.calls.read(
            RUN_QUERY,
            parent=self.calls.parent,
            structured_query=query._to_protobuf()._pb,
            read_time=at,
        )
        found = (response.document for response in responses if response.HasField("document"))
        return [self._document(document) for document in found]

    def pages(
        self,
        collection: Collection,
        *,
        at: Moment | None = None,
        order: Sequence[tuple[str, str]] = (),
    ) -> Iterator[list[StoredDocument]]:
        """Yield all documents of a collection that have the fields to sort by, then by their ids.

        `order`: each field and its direction; the ids have that of the last one.
        """
        direction = order[-1][1] if order else Query.ASCENDING
        query = Query(self.collection(collection))
        for field, field_direction in (*order, (BY_NAME, direction)):
            query = query.order_by(field, field_direction)
        query = query.limit(PAGE_SIZE)
        page = self.select(query, at=at)
        yield page
        while len(page) == PAGE_SIZE:
            after = {field: page[-1].fields[field] for field, _ in order}
            page = self.select(query.start_after({**after, BY_NAME: page[-1].id}), at=at)
            yield page

    def aggregate(
        self,
        query: Any,  # noqa: ANN401 (the SDK declares a wrong type)
        *,
        at: Moment | None = None,
        timeout_s: float | None = None,
    ) -> float:
        """Run an aggregation at one time (default: now), within the calls' timeout or another."""
        [response] = self.calls.read(
            AGGREGATE,
            timeout_s=timeout_s,
            parent=self.calls.parent,
            structured_aggregation_query=query._to_protobuf()._pb,
            read_time=at,
        )
        [found] = decoded(response.result.aggregate_fields, self.client).values()
        return float(found)

    def commit(self, plan: Plan, read: StoredDocuments) -> None:
        """Commit a plan, each document under its precondition, in one round trip."""
        self.commit_fields(
            stored_parts([*plan.creates, *plan.updates], read),
            [key for key in with_internals(plan.removes) if key in read],
            versions={key: document.update_time for key, document in read.items()},
        )

    def commit_fields(
        self,
        writes: Mapping[Key[Any], dict[str, Any]],
        removes: Iterable[Key[Any]],
        *,
        versions: Mapping[Key[Any], Moment],
    ) -> None:
        """Write and remove documents, which must have these update times, or not exist.

        An update keeps the fields that it does not name.
        """
        messages = [
            {"update": self._written(key, fields)}
            | ({"update_mask": _mask(fields)} if key in versions else {})
            | _condition(versions.get(key))
            for key, fields in writes.items()
        ]
        messages += [{"delete": self.name(key)} | _condition(versions[key]) for key in removes]
        self.calls.commit(messages)

    def _written(self, key: Key[Any], fields: Mapping[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in fields.items() if value is not DELETE_FIELD}
        return {"name": self.name(key), "fields": encoded(kept)}

    def _document(self, message: Any) -> StoredDocument:  # noqa: ANN401 (a message)
        return StoredDocument(
            id=message.name.rpartition("/")[2],
            fields=decoded(message.fields, self.client),
            update_time=message.update_time,
        )


def _mask(fields: Iterable[str]) -> dict[str, Any]:
    """Name the fields that an update writes or, without a value, deletes."""
    return {"field_paths": [FieldPath(name).to_api_repr() for name in fields]}


def _condition(version: Moment | None) -> dict[str, Any]:
    found = {"update_time": version} if version is not None else {"exists": False}
    return {"current_document": found}
