"""Operator actions: pause and resume a kind, unpublish and delete; reruns are in `opening.py`.

Each act on a creation is recorded in the transaction that changes it: no reason is lost, and no act
is recorded that did not happen.
"""

import logging
from dataclasses import dataclass

from shared.domain.creation import Creation
from shared.domain.kind import Kind
from shared.domain.operating import Switch, Verb, checked_reason, switch_key
from shared.domain.status import Status
from shared.lifecycle.media_cleanup import MediaCleanup
from shared.lifecycle.publishing import Publishing
from shared.lifecycle.reading import Reading
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.store import write

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Operating:
    """Use cases of operators; the platform decides who may call them.

    Each raises `WrongField` for its reason, and `CreationNotFound` or `IllegalTransition`.
    """

    transactions: Transactions
    reading: Reading
    cleanup: MediaCleanup
    publishing: Publishing
    clock: Clock

    def switch(self, kind: Kind, *, is_paused: bool) -> None:
        """Pause or resume a kind; each process notices when it next reads its gauges."""
        switch = Switch(kind=kind, is_paused=is_paused, changed_at=self.clock.now())
        self.transactions.run([switch_key(kind)], lambda _: write(switch, result=None))
        log.warning("paused" if is_paused else "resumed", extra={"kind": kind})

    def unpublish(self, creation_id: str, *, reason: str) -> Creation:
        """Make a published creation its owner's draft again; leave a draft as it is."""
        reason, known = checked_reason(reason), self.reading.any_creation(creation_id)
        draft = self.publishing.unpublish(creation_id, owner=known.user_id, reason=reason)
        if known.status is Status.PUBLISHED:
            _log_act(Verb.UNPUBLISH, known, reason)
        return draft

    def delete(self, creation_id: str, *, reason: str) -> None:
        """Remove a settled creation with its files; the ledger keeps its entries."""
        reason, known = checked_reason(reason), self.reading.any_creation(creation_id)
        self.cleanup.delete_creation(creation_id, owner=known.user_id, reason=reason)
        _log_act(Verb.DELETE, known, reason)


def _log_act(verb: Verb, creation: Creation, reason: str) -> None:
    facts = {"creation_id": creation.creation_id, "kind": creation.kind}
    log.warning("operator_action", extra={**facts, "verb": verb, "reason": reason})
