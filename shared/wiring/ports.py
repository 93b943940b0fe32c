"""One adapter for each port."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.adapters.system.crew import SystemCrew
from shared.domain.kind import Kind
from shared.ports.clock import Clock, Ids
from shared.ports.crew import Crew
from shared.ports.executions import Executions
from shared.ports.generator import Generator
from shared.ports.identity import Identity, ServiceIdentity
from shared.ports.media_store import MediaStore
from shared.ports.store import Store
from shared.ports.task_queue import TaskQueue

if TYPE_CHECKING:
    from shared.adapters.cloud_run.grants import GoogleGrants
    from shared.adapters.local.executions import LocalExecutions
    from shared.adapters.local.identity import LocalIdentity
    from shared.adapters.local.media_store import FileMediaStore
    from shared.adapters.local.task_queue import SQLiteQueue


@dataclass(frozen=True, kw_only=True)
class Ports:
    store: Store
    queue: TaskQueue
    media: MediaStore
    executions: Executions
    identity: Identity
    service_identity: ServiceIdentity
    clock: Clock
    ids: Ids
    generator: Callable[[Kind], Generator]
    """Called when a job first needs its generator, whose vendor is slow to import."""
    close: Callable[[], None]
    crew: Callable[[], Crew] = SystemCrew
    """Called once in a job's process."""
    price_usd: Callable[[Kind], float] = lambda _: 0.0
    """Returns the highest vendor cost of one creation."""
    welcome_key: bytes = b""
    """Hashes verified addresses into ids of welcome grants; changing it repeats every grant."""
    grants: "GoogleGrants | None" = None
    """For `phoenix doctor`, in the cloud only."""


@dataclass(frozen=True, kw_only=True)
class LocalParts:
    """Local adapters with more than their ports: sign-in by name, open links, task dispatch."""

    identity: "LocalIdentity"
    media: "FileMediaStore"
    queue: "SQLiteQueue"
    executions: "LocalExecutions"
