"""Health probes: harmless, timed calls to the parts behind the ports."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from shared.domain.account import account_key
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId, UserId
from shared.domain.kind import Kind
from shared.ports.clock import Clock
from shared.ports.media_store import MediaStore
from shared.ports.store import Page, Store
from shared.ports.task_queue import TaskQueue

PROBE = "health"
"""The id that probes use; no document has it."""


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    took_s: float
    detail: object = None
    error: Exception | None = None

    @property
    def is_ok(self) -> bool:
        return self.error is None


def run_probe(
    probe: Callable[[], object], *, clock: Clock, expecting: type[Exception]
) -> ProbeResult:
    """Run a probe and record an expected error."""
    began_s = clock.monotonic_s()
    try:
        detail = probe()
    except expecting as error:
        return ProbeResult(took_s=clock.monotonic_s() - began_s, error=error)
    return ProbeResult(took_s=clock.monotonic_s() - began_s, detail=detail)


@runtime_checkable
class OnDisk(Protocol):
    """A part on a disk of this machine, which may be full or read-only."""

    def check_writable(self) -> None:
        """Write something that changes nothing; raises `Unavailable` if that fails."""


def probe_store(store: Store) -> None:
    store.get(account_key(UserId(PROBE)))
    _check_disk(store)


def probe_queries(store: Store, *, at: datetime) -> None:
    """Make the queries whose indexes are new: each fails while the database has no index for it."""
    one = Page(1)
    for kind in Kind:
        store.waiting(kind, at, one)
    store.held(PROBE, Kind.IMAGE)
    store.overdue(at, one)
    store.shared_with(PROBE, one)
    store.unfolded(at, one)
    store.expired(at, one)
    store.scheduled(at, one)
    store.expired_downloads(at, one)
    store.changed_likes(at, one)
    store.like_count(CreationId(PROBE))
    store.acts(one)
    store.acts_of(CreationId(PROBE), one)
    for each in (None, Kind.IMAGE):
        store.failed_since(FailureCode.INTERNAL, each, at, one)


def probe_queue(queue: TaskQueue, kind: Kind) -> None:
    queue.waits(CreationId(PROBE), kind=kind, number=1)
    _check_disk(queue)


def probe_withdrawal(queue: TaskQueue, kind: Kind) -> None:
    """Withdraw a task that was never created: this needs only the permission."""
    queue.withdraw(CreationId(PROBE), kind=kind, number=1)


def probe_media(media: MediaStore) -> None:
    media.size_bytes(PROBE)
    _check_disk(media)


def _check_disk(part: object) -> None:
    if isinstance(part, OnDisk):
        part.check_writable()
