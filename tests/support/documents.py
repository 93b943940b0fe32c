"""Writes documents into a store without a use case."""

from shared.ports.store import Decision, Document, Found, Store, write


def put(store: Store, *documents: Document) -> None:
    """Create or replace documents."""

    def decide(found: Found) -> Decision[None]:
        return write(*documents, result=None)

    store.transact([document.key for document in documents], decide)
