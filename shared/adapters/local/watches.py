"""One thread that looks whether the file has changed, for all watches of one process.

`PRAGMA data_version` moves with every commit of another connection, in whatever process it is,
and reads a few bytes. Only when it has moved are the watched documents read again.
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
from shared.ports.store import WATCHED_MAX, Changes

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1

_ACCOUNT = "SELECT document FROM users WHERE id = ?"
_NEWEST = (
    "SELECT id, document FROM creations WHERE json_extract(document, '$.userId') = ?"
    " ORDER BY json_extract(document, '$.createdAt') DESC, id DESC LIMIT ?"
)


class _Watch:
    """What one caller has been told, as the text of each document."""

    def __init__(self, user_id: UserId, changed: Callable[[Changes], None]) -> None:
        self._user_id = user_id
        self._changed = changed
        self._account: str | None = None
        self._creations: dict[str, str] = {}
        self.version: int | None = None
        """Of the file when it was last looked at; None: look at it, whatever its version is."""
        self._was_told = False

    def look(self, connection: sqlite3.Connection) -> None:
        """Tell what is new, as it is at one moment."""
        connection.execute("BEGIN")
        [account] = connection.execute(_ACCOUNT, [self._user_id]).fetchone() or [None]
        creations = dict(connection.execute(_NEWEST, [self._user_id, WATCHED_MAX]).fetchall())
        connection.execute("COMMIT")
        new = {id_: text for id_, text in creations.items() if self._creations.get(id_) != text}
        gone = self._creations.keys() - creations.keys()
        is_other = account is not None and account != self._account
        if new or gone or is_other or not self._was_told:
            changes = Changes(
                account=from_fields(account_key(self._user_id), json.loads(account))
                if is_other
                else None,
                creations=tuple(
                    from_fields(creation_key(CreationId(id_)), json.loads(text))
                    for id_, text in new.items()
                ),
                gone=tuple(CreationId(id_) for id_ in gone),
            )
            self._account, self._creations, self._was_told = account, creations, True
            self._changed(changes)


class SQLiteWatches:
    """The watches of one process; the thread begins with the first of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._watches: list[_Watch] = []
        self._telling = threading.Lock()
        """Held while callers are told, so that none is told after the end of its block."""
        self._look_now = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="sqlite-watches", daemon=True)

    @contextlib.contextmanager
    def watch(self, user_id: UserId, changed: Callable[[Changes], None]) -> Iterator[None]:
        """See `Store.watch`."""
        watch = _Watch(user_id, changed)
        with self._telling:
            self._watches.append(watch)
            if self._thread.ident is None:
                self._thread.start()
        self._look_now.set()
        try:
            yield
        finally:
            with self._telling:
                self._watches.remove(watch)

    def close(self) -> None:
        """End the thread."""
        self._is_closed = True
        self._look_now.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._is_closed:
            try:
                with contextlib.closing(connect(self._path)) as connection:
                    self._look_through(connection)
            except sqlite3.Error as error:  # whoever was not told is told later
                log.warning("watch_failed", extra={"reason": str(error)})
                self._look_now.wait(LOOK_EVERY_S)

    def _look_through(self, connection: sqlite3.Connection) -> None:
        """Look again and again; versions of another connection say nothing."""
        with self._telling:
            for watch in self._watches:
                watch.version = None
        while not self._is_closed:
            [version] = connection.execute("PRAGMA data_version").fetchone()
            with self._telling:
                for watch in self._watches:
                    if watch.version != version:
                        watch.version = version
                        _look(watch, connection)
            self._look_now.wait(LOOK_EVERY_S if self._watches else None)
            self._look_now.clear()


def _look(watch: _Watch, connection: sqlite3.Connection) -> None:
    """Let one watch look; a document that cannot be read spoils no other user's."""
    try:
        watch.look(connection)
    except sqlite3.Error:
        raise
    except Exception:
        log.exception("watch_failed")
