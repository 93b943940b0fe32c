"""What an installation is made of: one adapter for each port."""

from collections.abc import Callable
from dataclasses import dataclass

from shared.adapters.cloud_run.grants import GoogleGrants
from shared.adapters.local.executions import LocalExecutions
from shared.adapters.local.identity import LocalIdentity
from shared.adapters.local.media_store import FileMediaStore
from shared.adapters.local.task_queue import SQLiteQueue
from shared.domain.kind import Kind
from shared.ports.clock import Clock, Ids
from shared.ports.executions import Executions
from shared.ports.generator import Generator
from shared.ports.identity import Identity, ServiceIdentity
from shared.ports.media_store import MediaStore
from shared.ports.raw_documents import RawDocuments
from shared.ports.store import Store
from shared.ports.task_queue import TaskQueue


@dataclass(frozen=True, kw_only=True)
class Ports:
    """One adapter for each port."""

    store: Store
    queue: TaskQueue
    media: MediaStore
    executions: Executions
    identity: Identity
    service_identity: ServiceIdentity
    clock: Clock
    ids: Ids
    generator: Callable[[Kind], Generator]
    """Makes the generator when a job first needs it: its vendor is slow to import."""
    raw_documents: Callable[[], RawDocuments]
    """Opens what lies beneath the store, for the takeover of an older system."""
    close: Callable[[], None]
    price_usd: Callable[[Kind], float] = lambda _: 0.0
    """Returns what one creation costs at the vendor, at most; one machine's samples are free."""
    welcome_key: bytes = b""
    """Hashes verified addresses into ids of welcome grants; a new one would welcome all again."""
    grants: GoogleGrants | None = None
    """Only the cloud has grants; they are asked about by the doctor alone."""


@dataclass(frozen=True, kw_only=True)
class LocalParts:
    """What only one machine has: signing in by name, opening links, dispatching tasks."""

    identity: LocalIdentity
    media: FileMediaStore
    queue: SQLiteQueue
    executions: LocalExecutions
