"""Bulk: publish or delete many creations, each by its own use case with its own outcome."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait
from contextvars import copy_context
from dataclasses import dataclass

from shared.domain.brief import CREATION_ID
from shared.domain.errors import (
    CreationNotFound,
    IllegalTransition,
    OutcomeUnknown,
    PhoenixError,
    RequestError,
)
from shared.domain.keys import CreationId, UserId
from shared.domain.ledger import debit_id, entry_key
from shared.domain.status import Status
from shared.lifecycle.media_cleanup import MediaCleanup
from shared.lifecycle.publishing import Publishing
from shared.ports.clock import Clock
from shared.ports.store import Store

log = logging.getLogger(__name__)

ITEMS_MAX = 50
AT_ONCE = 8
"""How many items of one request are worked on at the same time."""
THREADS_MAX = 32
"""Of one process, for all its bulk requests."""
BEGIN_WITHIN_S = 20
"""No item begins later than this after its request."""
END_WITHIN_S = 45
"""A response is sent by then, even if an item still runs."""
NOT_STARTED = "not_started"


@dataclass(frozen=True, kw_only=True)
class ItemResult:
    """The outcome of one item: its new status, or the code of its error."""

    creation_id: str
    ok: bool
    status: Status | None = None
    code: str | None = None


@dataclass(frozen=True)
class Bulk:
    """Work on many creations; `workers` has `THREADS_MAX` threads."""

    publishing: Publishing
    cleanup: MediaCleanup
    store: Store
    workers: Executor
    clock: Clock

    def publish(
        self, creation_ids: Sequence[str], *, owner: UserId, caption: str | None = None
    ) -> list[ItemResult]:
        """Publish each, as `Publishing.publish` does; return the results in the given order."""

        def publish(creation_id: str) -> Status:
            published = self.publishing.publish(creation_id, owner=owner, caption=caption)
            return published.status

        return self._each(creation_ids, publish)

    def delete(self, creation_ids: Sequence[str], *, owner: UserId) -> list[ItemResult]:
        """Delete each, as `MediaCleanup.delete_creation` does; return results in the given order.

        An own creation that is gone already counts as deleted, so that a repeat has equal results.
        """

        def delete(creation_id: str) -> None:
            try:
                self.cleanup.delete_creation(creation_id, owner=owner)
            except CreationNotFound:
                if not self._was_own(creation_id, owner):
                    raise

        return self._each(creation_ids, delete)

    def _was_own(self, creation_id: str, owner: UserId) -> bool:
        """Return whether the ledger has a debit of this owner for the creation."""
        if not CREATION_ID.fullmatch(creation_id):
            return False
        entry = self.store.get(entry_key(debit_id(CreationId(creation_id), 1)))
        return entry is not None and entry.user_id == owner

    def _each(
        self, creation_ids: Sequence[str], act: Callable[[str], Status | None]
    ) -> list[ItemResult]:
        """Work on each distinct id once, several at a time, within the request's time."""
        start_s = self.clock.monotonic_s()
        waiting = deque(dict.fromkeys(creation_ids))
        results: dict[str, ItemResult] = {}
        begun: set[str] = set()

        def work() -> None:
            while waiting and self.clock.monotonic_s() < start_s + BEGIN_WITHIN_S:
                try:
                    creation_id = waiting.popleft()
                except IndexError:  # another thread took the last one
                    return
                begun.add(creation_id)
                results[creation_id] = _result(creation_id, act)

        count = min(AT_ONCE, len(waiting))
        threads = [self.workers.submit(copy_context().run, work) for _ in range(count)]
        done, running = wait(threads, start_s + END_WITHIN_S - self.clock.monotonic_s())
        waiting.clear()  # a thread that is late begins nothing more
        for thread in running:
            thread.cancel()
        for thread in done:
            thread.result()
        return [results.get(each) or _unfinished(each, begun) for each in creation_ids]


def _result(creation_id: str, act: Callable[[str], Status | None]) -> ItemResult:
    """Return the outcome of one item, whose failure must not stop the others."""
    try:
        return ItemResult(creation_id=creation_id, ok=True, status=act(creation_id))
    except IllegalTransition as error:
        status = Status(error.status)
        return ItemResult(creation_id=creation_id, ok=False, status=status, code=error.code)
    except RequestError as error:
        return ItemResult(creation_id=creation_id, ok=False, code=error.code)
    except Exception:
        log.exception("bulk_item_failed", extra={"creation_id": creation_id})
        return ItemResult(creation_id=creation_id, ok=False, code=PhoenixError.code)


def _unfinished(creation_id: str, begun: set[str]) -> ItemResult:
    code = OutcomeUnknown.code if creation_id in begun else NOT_STARTED
    return ItemResult(creation_id=creation_id, ok=False, code=code)
