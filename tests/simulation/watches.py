"""Watches of the simulated store: one thread each, notified after every commit."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from shared.domain.account import Account, account_key
from shared.domain.creation import Creation
from shared.domain.keys import Key, UserId
from shared.domain.snapshot import WATCHED_MAX, Snapshot
from shared.ports.store import Document


class Watches:
    def __init__(self, documents: Mapping[Key[Any], Document]) -> None:
        self._documents = documents
        self._changed = threading.Condition()
        self._commits = 0

    def notify(self) -> None:
        """Wake all watches after a commit."""
        with self._changed:
            self._commits += 1
            self._changed.notify_all()

    @contextmanager
    def watch(self, user_id: UserId, changed: Callable[[Snapshot], None]) -> Iterator[None]:
        is_closed = False

        def follow() -> None:
            shown: Snapshot | None = None
            seen = -1
            while True:
                with self._changed:
                    while not is_closed and self._commits == seen:
                        self._changed.wait()
                    if is_closed:
                        return
                    seen = self._commits
                    snapshot = self._of(user_id)
                if snapshot != shown:
                    changed(snapshot)
                shown = snapshot

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            yield
        finally:
            with self._changed:
                is_closed = True
                self._changed.notify_all()
            thread.join()

    def _of(self, user_id: UserId) -> Snapshot:
        documents = list(self._documents.values())
        mine = [
            each for each in documents if isinstance(each, Creation) and each.user_id == user_id
        ]
        newest = sorted(mine, key=lambda each: (each.created_at, each.creation_id), reverse=True)
        account = self._documents.get(account_key(user_id))
        return Snapshot(
            cast("Account | None", account),
            {each.creation_id: each for each in newest[:WATCHED_MAX]},
        )
