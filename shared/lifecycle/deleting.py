"""The outbox of files: deleted at once by whoever wrote the entry, and by the sweep until done."""

from dataclasses import dataclass

from shared.domain.media import MediaDeletion
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.media_store import MediaStore
from shared.ports.store import Decision, Found, unchanged, write


@dataclass(frozen=True)
class Deleting:
    """Carrying out media deletions."""

    transactions: Transactions
    media: MediaStore
    clock: Clock

    def carry_out(self, deletion: MediaDeletion) -> None:
        """Delete the files; the entry stays until a file written late would be deleted too.

        Raises:
            MediaUnavailable: some files may be left, and so is the entry.
        """
        at = self.clock.now()
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
