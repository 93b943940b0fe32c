"""Whether the parts behind the ports answer: harmless questions, timed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from shared.domain.account import account_key
from shared.domain.keys import CreationId, UserId
from shared.domain.kind import Kind
from shared.ports.clock import Clock
from shared.ports.media_store import MediaStore
from shared.ports.store import Store
from shared.ports.task_queue import TaskQueue

PROBE = "health"
"""What is asked for: nothing has this name."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a part answered a question, and what went wrong if it did not."""

    took_s: float
    detail: object = None
    error: Exception | None = None

    @property
    def is_ok(self) -> bool:
        """Tell whether the part answered."""
        return self.error is None


def asked(question: Callable[[], object], *, clock: Clock, expecting: type[Exception]) -> Answer:
    """Ask a question; only an error that is expected is an answer too."""
    began_s = clock.monotonic_s()
    try:
        detail = question()
    except expecting as error:
        return Answer(took_s=clock.monotonic_s() - began_s, error=error)
    return Answer(took_s=clock.monotonic_s() - began_s, detail=detail)


@runtime_checkable
class OnDisk(Protocol):
    """A part on a disk of this machine, which may be full or read-only."""

    def check_writable(self) -> None:
        """Write something that changes nothing; raises `Unavailable` if that fails."""
        ...


def ask_store(store: Store) -> None:
    """Read a document."""
    store.get(account_key(UserId(PROBE)))
    _check_disk(store)


def ask_queue(queue: TaskQueue, kind: Kind) -> None:
    """Look for a task."""
    queue.waits(CreationId(PROBE), kind=kind, number=1)
    _check_disk(queue)


def ask_to_withdraw(queue: TaskQueue, kind: Kind) -> None:
    """Withdraw a task that was never created: only the permission is needed for that."""
    queue.withdraw(CreationId(PROBE), kind=kind, number=1)


def ask_media(media: MediaStore) -> None:
    """Look for a private file."""
    media.size_bytes(PROBE)
    _check_disk(media)


def _check_disk(part: object) -> None:
    if isinstance(part, OnDisk):
        part.check_writable()
