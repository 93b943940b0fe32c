"""Records the changes of a watch and the state that they add up to."""

import threading
from dataclasses import replace

from shared.domain.account import Account
from shared.domain.creation import Creation
from shared.domain.keys import CreationId
from shared.ports.store import Changes
from tests.support.builders import shown


class ChangeRecorder:
    """A watch callback that keeps all changes and the resulting state, without internals."""

    def __init__(self) -> None:
        self.received: list[Changes] = []
        self.threads: set[int] = set()
        self.account: Account | None = None
        self.creations: dict[CreationId, Creation] = {}

    def __call__(self, changes: Changes) -> None:
        changes = replace(changes, creations=tuple(shown(*changes.creations)))
        self.account = changes.account or self.account
        self.creations |= {creation.creation_id: creation for creation in changes.creations}
        for creation_id in changes.gone:
            del self.creations[creation_id]
        self.threads.add(threading.get_ident())
        self.received.append(changes)

    def sees(self, account: Account | None, *creations: Creation) -> bool:
        newest = {creation.creation_id: creation for creation in shown(*creations)}
        return bool(self.received) and (self.account, self.creations) == (account, newest)
