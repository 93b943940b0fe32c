"""The migration over a built Phoenix."""

from infrastructure.migration.migration import Migration
from infrastructure.migration.raw_documents import RawDocuments
from infrastructure.migration.sqlite_raw_documents import SQLiteRawDocuments
from shared.adapters.local.data_folder import STORE
from shared.settings import LocalBackend
from shared.wiring import Phoenix


def migration(phoenix: Phoenix) -> Migration:
    """Return the migration of this installation's store; raise `StoreUnavailable`."""
    raw, ports = _raw_documents(phoenix), phoenix.ports
    return Migration(raw, ports.store, phoenix.accounts, ports.clock, phoenix.settings.costs)


def _raw_documents(phoenix: Phoenix) -> RawDocuments:
    backend = phoenix.settings.backend
    if isinstance(backend, LocalBackend):
        return SQLiteRawDocuments(backend.data / STORE)
    from infrastructure.migration.firestore_raw_documents import FirestoreRawDocuments

    return FirestoreRawDocuments(
        backend.project, database=backend.database, prefix=backend.collection_prefix
    )
