"""The internal fields of a creation, in a document that its owner cannot read.

`creations/{id}` may be read by its owner; `creationInternals/{id}` holds vendor prices, names of
operations and executions, leases and task numbers. Both are read, written and removed together,
each under its own precondition, so that a change of either conflicts with other transactions.
A creation of a release before this split has all fields; the next write moves its internals.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.cloud.firestore_v1 import DELETE_FIELD

from shared.adapters.documents import INTERNALS, from_fields, to_fields
from shared.domain.errors import StoreUnavailable
from shared.domain.keys import Collection, DocumentT, Key
from shared.ports.store import Document


@dataclass(frozen=True)
class StoredDocument:
    """One document; its update time is the protocol's message, which keeps all digits."""

    id: str
    fields: Mapping[str, Any]
    update_time: Any


StoredDocuments = dict[Key[Any], StoredDocument]

ALWAYS_SET = "fingerprint"
"""An internal field of every creation."""


def internals_key(key: Key[Any]) -> Key[Any]:
    return Key(Collection.CREATION_INTERNALS, key.id)


def with_internals(keys: Iterable[Key[Any]]) -> list[Key[Any]]:
    """Return the keys, each creation's followed by that of its internals."""
    parts: list[Key[Any]] = []
    for key in keys:
        parts += [key, internals_key(key)] if key.collection is Collection.CREATIONS else [key]
    return parts


def documents_of(read: StoredDocuments) -> dict[Key[Any], Document]:
    """Return the documents, creations with internals; raise `StoreUnavailable` if missing."""
    return {
        key: whole_document(key, snapshot, read.get(internals_key(key)))
        for key, snapshot in read.items()
        if key.collection is not Collection.CREATION_INTERNALS
    }


def whole_document(
    key: Key[DocumentT], snapshot: StoredDocument, internals: StoredDocument | None
) -> DocumentT:
    """Return a document for a decision; raise `StoreUnavailable` without its internals."""
    if key.collection is not Collection.CREATIONS:
        return from_fields(key, {**_fields(snapshot)})
    if internals is None and not is_whole(snapshot):
        reason = f"{Collection.CREATION_INTERNALS}/{key.id} is missing"
        raise StoreUnavailable(reason=reason, is_damage=True)
    return shown_document(key, snapshot, internals)


def is_whole(snapshot: StoredDocument) -> bool:
    """Return whether a creation holds its internals: an earlier release wrote it."""
    return ALWAYS_SET in _fields(snapshot)


def shown_document(
    key: Key[DocumentT], snapshot: StoredDocument, internals: StoredDocument | None = None
) -> DocumentT:
    """Return a document for a view; its internals are optional."""
    return from_fields(key, shown_fields(snapshot, internals))


def shown_fields(snapshot: StoredDocument, internals: StoredDocument | None) -> dict[str, Any]:
    return {**_fields(snapshot), **_fields(internals)}


def stored_parts(
    documents: Sequence[Document], read: StoredDocuments
) -> dict[Key[Any], dict[str, Any]]:
    """Return the fields to write, by key; a creation becomes two documents."""
    parts: dict[Key[Any], dict[str, Any]] = {}
    for document in documents:
        fields = to_fields(document)
        if document.key.collection is not Collection.CREATIONS:
            parts[document.key] = fields
            continue
        internals = {name: fields.pop(name) for name in INTERNALS}
        before = _fields(read.get(document.key))
        moved = dict.fromkeys(INTERNALS & before.keys(), DELETE_FIELD)
        parts[document.key] = fields | moved
        parts[internals_key(document.key)] = internals
    return parts


def _fields(snapshot: StoredDocument | None) -> Mapping[str, Any]:
    return snapshot.fields if snapshot is not None else {}
