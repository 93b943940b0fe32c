"""A recorder of a watch's snapshots."""

import threading

from shared.domain.account import Account
from shared.domain.creation import Creation
from shared.domain.snapshot import Changes, Snapshot
from tests.support.builders import shown


class ChangeRecorder:
    """The last snapshot, and every difference; creations are without their internals."""

    def __init__(self) -> None:
        self.changes: list[Changes] = []
        self.threads: set[int] = set()
        self.last = Snapshot()

    def __call__(self, snapshot: Snapshot) -> None:
        creations = {each.creation_id: each for each in shown(*snapshot.creations.values())}
        current = Snapshot(snapshot.account, creations)
        self.changes.append(current.since(self.last))
        self.threads.add(threading.get_ident())
        self.last = current

    def sees(self, account: Account | None, *creations: Creation) -> bool:
        newest = {creation.creation_id: creation for creation in shown(*creations)}
        return bool(self.changes) and self.last == Snapshot(account, newest)
