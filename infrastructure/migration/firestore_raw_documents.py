"""Raw documents in Firestore."""

from collections.abc import Iterator, Sequence
from typing import Any

from infrastructure.migration.raw_documents import RawDocument, stored_fields
from shared.adapters.firestore.documents import FirestoreDocuments
from shared.adapters.firestore.internals import StoredDocument
from shared.domain.keys import Collection, Key
from shared.ports.store import Document

CALL_TIMEOUT_S = 30
"""Longer than the API's: no HTTP request is waiting."""


class FirestoreRawDocuments:
    """The `RawDocuments` of a database; a version is the time of the last update."""

    def __init__(self, project: str, *, database: str = "(default)", prefix: str = "") -> None:
        self._documents = FirestoreDocuments(
            project, database=database, prefix=prefix, timeout_s=CALL_TIMEOUT_S
        )

    def close(self) -> None:
        self._documents.close()

    def all(self, collection: Collection) -> Iterator[RawDocument]:
        for page in self._documents.pages(collection):
            yield from (_raw(Key(collection, snapshot.id), snapshot) for snapshot in page)

    def get(self, key: Key[Any]) -> RawDocument | None:
        read = self._documents.read([key])
        return _raw(key, read[key]) if read else None

    def replace(
        self, read: Sequence[RawDocument], writes: Sequence[RawDocument | Document]
    ) -> None:
        versions = {document.key: document.version for document in read}
        written = {document.key: stored_fields(document) for document in writes}
        removed = [key for key in versions if key not in written]
        self._documents.commit_fields(written, removed, versions=versions)


def _raw(key: Key[Any], snapshot: StoredDocument) -> RawDocument:
    return RawDocument(key.collection, key.id, snapshot.fields, snapshot.update_time)
