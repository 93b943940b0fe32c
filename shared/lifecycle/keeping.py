"""Keeping: an owner's creation that must not expire, until that is undone."""

import logging
from dataclasses import dataclass

from shared.domain.creation import Creation
from shared.domain.keys import UserId
from shared.domain.policy import Policy
from shared.domain.retention import with_kept
from shared.lifecycle.reading import Reading, owned
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.store import Decision, Found, write

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Keeping:
    transactions: Transactions
    reading: Reading
    clock: Clock
    policy: Policy

    def keep(self, creation_id: str, *, owner: UserId) -> Creation:
        """Keep a settled creation for ever.

        `CreationNotFound` and `IllegalTransition` mean that nothing was written.
        """
        return self._set(creation_id, owner, is_kept=True)

    def stop_keeping(self, creation_id: str, *, owner: UserId) -> Creation:
        """Let a kept creation expire again, a whole life from now; raises as `keep`."""
        return self._set(creation_id, owner, is_kept=False)

    def _set(self, creation_id: str, owner: UserId, *, is_kept: bool) -> Creation:
        creation, at = self.reading.own_creation(creation_id, owner=owner), self.clock.now()

        def decide(found: Found) -> Decision[Creation]:
            current = owned(found.get(creation.key), owner)
            changed = with_kept(current, is_kept=is_kept, policy=self.policy, at=at)
            return write(changed, result=changed)

        changed = self.transactions.run([creation.key], decide)
        log.info("creation_kept", extra={"creation_id": creation_id, "is_kept": is_kept})
        return changed
