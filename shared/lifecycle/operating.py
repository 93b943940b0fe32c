"""What operators do: pause and resume a kind, and act on a creation as its owner could.

Each act on a creation is recorded with what it changes, in one transaction: a reason that is given
is never lost, and no act is recorded that did not happen.
"""

import logging
from dataclasses import dataclass

from shared.domain.brief import CREATION_ID
from shared.domain.creation import Creation, creation_key
from shared.domain.errors import CreationNotFound
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.operating import Switch, Verb, checked_reason, switch_key
from shared.domain.status import Status
from shared.lifecycle.media_cleanup import MediaCleanup
from shared.lifecycle.publishing import Publishing
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.store import Decision, Found, write

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Operating:
    """An operator's acts; who may call them is the platform's business."""

    transactions: Transactions
    cleanup: MediaCleanup
    publishing: Publishing
    clock: Clock

    def switch(self, kind: Kind, *, is_paused: bool) -> None:
        """Pause or resume a kind; each process notices when it next reads its gauges."""
        switch = Switch(kind=kind, is_paused=is_paused, changed_at=self.clock.now())

        def decide(_: Found) -> Decision[None]:
            return write(switch, result=None)

        self.transactions.run([switch_key(kind)], decide)
        log.warning("paused" if is_paused else "resumed", extra={"kind": kind})

    def unpublish(self, creation_id: str, *, reason: str) -> Creation:
        """Take a publication down: its owner's draft again. Of a draft: nothing is done.

        Raises:
            WrongField: the reason is not accepted.
            CreationNotFound, IllegalTransition: nothing was written.
        """
        reason, known = checked_reason(reason), self._one(creation_id)
        draft = self.publishing.unpublish(creation_id, owner=known.user_id, reason=reason)
        if known.status is Status.PUBLISHED:
            _log_act(Verb.UNPUBLISH, known, reason)
        return draft

    def delete(self, creation_id: str, *, reason: str) -> None:
        """Remove a creation that is not in the making, with its files; the ledger stays.

        Raises:
            WrongField: the reason is not accepted.
            CreationNotFound, IllegalTransition: nothing was written.
        """
        reason, known = checked_reason(reason), self._one(creation_id)
        self.cleanup.delete_creation(creation_id, owner=known.user_id, reason=reason)
        _log_act(Verb.DELETE, known, reason)

    def _one(self, creation_id: str) -> Creation:
        found = None
        if CREATION_ID.fullmatch(creation_id):
            found = self.transactions.store.get(creation_key(CreationId(creation_id)))
        if found is None:
            raise CreationNotFound
        return found


def _log_act(verb: Verb, creation: Creation, reason: str) -> None:
    facts = {"creation_id": creation.creation_id, "kind": creation.kind}
    log.warning("operator_action", extra={**facts, "verb": verb, "reason": reason})
