"""Untyped access to stored documents, below `Store`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from shared.adapters.documents import to_fields
from shared.domain.keys import Collection, Key
from shared.ports.store import Document


@dataclass(frozen=True)
class RawDocument:
    """One document's fields by their stored names; SQLite returns times as text."""

    collection: Collection
    id: str
    fields: Mapping[str, Any]
    version: object = field(default=None, compare=False)
    """The store's optimistic-lock token; None for a document that was not read."""

    @property
    def key(self) -> Key[Any]:
        return Key(self.collection, self.id)


class RawDocuments(Protocol):
    """No types and no rules: the caller keeps the invariants."""

    def all(self, collection: Collection) -> Iterator[RawDocument]:
        """Stream a collection by id, in pages; raise `StoreUnavailable`."""

    def get(self, key: Key[Any]) -> RawDocument | None:
        """Return the current document, or None; raise `StoreUnavailable`."""

    def replace(
        self, read: Sequence[RawDocument], writes: Sequence[RawDocument | Document]
    ) -> None:
        """Replace `read` with `writes`, all or nothing; remove what is read but not written.

        A field that a write omits may remain in the document that it replaces.

        Raises:
            StoreContention: a document that was read has changed, or one that was not read
                exists; nothing was written.
            StoreUnavailable: nothing was written.
            OutcomeUnknown
        """


def stored_fields(document: RawDocument | Document) -> dict[str, Any]:
    return dict(document.fields) if isinstance(document, RawDocument) else to_fields(document)
