"""Writes documents into a store without a use case."""

from collections.abc import Iterable

from shared.domain.keys import DocumentT
from shared.ports.store import Decision, Document, Found, Store, Stored, write


def put(store: Store, *documents: Document) -> None:
    """Create or replace documents."""

    def decide(found: Found) -> Decision[None]:
        return write(*documents, result=None)

    store.transact([document.key for document in documents], decide)


def remove(store: Store, *documents: Document) -> None:
    """Remove stored documents that are not of the ledger."""
    keys = tuple(document.key for document in documents)
    store.transact(keys, lambda _: write(removing=keys, result=None))


def parsed(stored: Iterable[Stored[DocumentT]]) -> list[DocumentT]:
    return [each.parse() for each in stored]
