"""One thread that serves all watches of a process.

`PRAGMA data_version` changes with every commit of another connection, in any process, and costs a
few bytes. The watched documents are read again only after it has changed.
"""

import contextlib
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from shared.adapters.documents import from_fields
from shared.adapters.local.sqlite import connect
from shared.domain.account import account_key
from shared.domain.creation import creation_key
from shared.domain.keys import CreationId, UserId
from shared.ports.store import WATCHED_MAX, Snapshot

log = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.1

_ACCOUNT = "SELECT document FROM users WHERE id = ?"
_NEWEST = (
    "SELECT id, document FROM creations WHERE json_extract(document, '$.userId') = ?"
    " ORDER BY json_extract(document, '$.createdAt') DESC, id DESC LIMIT ?"
)


class _Watch:
    def __init__(self, user_id: UserId, changed: Callable[[Snapshot], None]) -> None:
        self._user_id = user_id
        self._changed = changed
        self._rows: object = None
        self.version: int | None = None
        """The file's version at the last read; None forces a read."""

    def read(self, connection: sqlite3.Connection) -> None:
        """Deliver changed documents; an unreadable one must not affect other users."""
        try:
            self._read(connection)
        except sqlite3.Error:
            raise
        except Exception:
            log.exception("watch_failed")

    def _read(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")
        account = connection.execute(_ACCOUNT, [self._user_id]).fetchone()
        creations = connection.execute(_NEWEST, [self._user_id, WATCHED_MAX]).fetchall()
        connection.execute("COMMIT")
        if (account, creations) != self._rows:
            key = account_key(self._user_id)
            snapshot = Snapshot(
                from_fields(key, json.loads(account[0])) if account else None,
                {
                    CreationId(id_): from_fields(creation_key(CreationId(id_)), json.loads(text))
                    for id_, text in creations
                },
            )
            self._rows = account, creations
            self._changed(snapshot)


class SQLiteWatches:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._watches: list[_Watch] = []
        self._delivering = threading.Lock()
        """Held during deliveries, so that none comes after the end of its block."""
        self._wake = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="sqlite-watches", daemon=True)

    @contextlib.contextmanager
    def watch(self, user_id: UserId, changed: Callable[[Snapshot], None]) -> Iterator[None]:
        watch = _Watch(user_id, changed)
        with self._delivering:
            self._watches.append(watch)
            if self._thread.ident is None:
                self._thread.start()
        self._wake.set()
        try:
            yield
        finally:
            with self._delivering:
                self._watches.remove(watch)

    def close(self) -> None:
        self._is_closed = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._is_closed:
            try:
                with contextlib.closing(connect(self._path)) as connection:
                    self._poll(connection)
            except sqlite3.Error as error:  # the next connection reads everything again
                log.warning("watch_failed", extra={"reason": str(error)})
                self._wake.wait(POLL_INTERVAL_S)

    def _poll(self, connection: sqlite3.Connection) -> None:
        with self._delivering:
            for watch in self._watches:
                watch.version = None  # versions are relative to one connection
        while not self._is_closed:
            [version] = connection.execute("PRAGMA data_version").fetchone()
            with self._delivering:
                for watch in self._watches:
                    if watch.version != version:
                        watch.version = version
                        watch.read(connection)
            self._wake.wait(POLL_INTERVAL_S if self._watches else None)
            self._wake.clear()
