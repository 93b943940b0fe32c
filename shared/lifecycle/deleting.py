"""The outbox of files: deleted at once by whoever wrote the entry, and by the sweep until done."""

import logging
from dataclasses import dataclass
from datetime import datetime

from shared.domain.errors import Unavailable
from shared.domain.media import MediaDeletion
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.media_store import MediaStore
from shared.ports.store import Decision, Found, unchanged, write

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Deleting:
    """Carrying out media deletions."""

    transactions: Transactions
    media: MediaStore
    clock: Clock

    def carry_out(self, deletion: MediaDeletion) -> None:
        """Delete the files; the entry stays until a file written late would be deleted too.

        An entry that waited is marked first: a publication that still wants its copies changes
        the same entry, so that only one of the two can happen.

        Raises:
            MediaUnavailable: some files may be left, and so is the entry.
        """
        at = self.clock.now()
        if not (deletion.is_begun or self._begin(deletion, at=at)):
            return
        for key in deletion.keys:
            self.media.delete(key)

        def decide(found: Found) -> Decision[None]:
            now = found.get(deletion.key)
            if now is None or now.due_at > at:
                return unchanged(None)
            if at < now.until:
                return write(now.postponed(), result=None)
            return write(removing=(now.key,), result=None)

        self.transactions.run([deletion.key], decide)

    def _begin(self, deletion: MediaDeletion, *, at: datetime) -> bool:
        """Mark the entry and return True, or return False if it is gone or not due any more."""

        def decide(found: Found) -> Decision[bool]:
            now = found.get(deletion.key)
            if now is None or now.due_at > at:
                return unchanged(result=False)
            return write(now.begun(), result=True)

        return self.transactions.run([deletion.key], decide)

    def carry_out_or_leave(self, deletion: MediaDeletion) -> None:
        """Delete the files now; what goes wrong is left to the sweep."""
        try:
            self.carry_out(deletion)
        except Unavailable as error:
            facts = {"deletion_id": deletion.deletion_id, "reason": repr(error)}
            log.warning("deletion_left", extra=facts)
