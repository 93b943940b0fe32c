"""One thread that serves all watches of a process, and reads only the users that changed.

Triggers list the user of each changed account and creation in the table `changes`. Commits exclude
each other, so the numbers are in their order, whichever process or release writes. `PRAGMA
data_version` changes with every commit of another connection and costs a few bytes; the table is
read only after that.
"""

import contextlib
import logging
import sqlite3
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from pathlib import Path

from shared.adapters.local.documents import parsed
from shared.adapters.local.sqlite import connect
from shared.domain.account import account_key
from shared.domain.creation import creation_key
from shared.domain.keys import CreationId, UserId
from shared.domain.snapshot import WATCHED_MAX, Snapshot

log = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.025
CHANGES_KEPT = 10_000
"""Rows of `changes` that remain; a process that has missed some reads all its watched users."""
TRIM_EVERY = 1_000

_ACCOUNT = "SELECT document FROM users WHERE id = ?"
_NEWEST = (
    "SELECT id, document FROM creations WHERE json_extract(document, '$.userId') = ?"
    " ORDER BY json_extract(document, '$.createdAt') DESC, id DESC LIMIT ?"
)
_SINCE = "SELECT number, user_id FROM changes WHERE number >= ? ORDER BY number"
_LAST = "SELECT number, user_id FROM changes ORDER BY number DESC LIMIT 1"
_NONE = (0, "")


def _listing(event: str, table: str, user_id: str) -> str:
    return (
        f"CREATE TRIGGER IF NOT EXISTS {table}_{event.lower()}_is_listed AFTER {event} ON {table}"  # noqa: S608 (fixed names)
        f" BEGIN INSERT INTO changes (user_id) VALUES ({user_id}); END;\n"
    )


_LISTINGS = "".join(
    _listing(event, "users", f"{row}.id")
    + _listing(event, "creations", f"json_extract({row}.document, '$.userId')")
    for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD"))
)
CHANGES_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS changes (number INTEGER PRIMARY KEY, user_id TEXT);
CREATE TRIGGER IF NOT EXISTS changes_are_trimmed AFTER INSERT ON changes
  WHEN NEW.number % {TRIM_EVERY} = 0
  BEGIN DELETE FROM changes WHERE number <= NEW.number - {CHANGES_KEPT}; END;
{_LISTINGS}"""  # noqa: S608 (fixed names)
"""For the store's schema. The last row is never removed, so no number is used twice."""


class _Changes:
    """The rows of `changes` that one connection has not seen yet."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._version: int | None = None
        self._last: tuple[int, str] = self._newest()

    def users(self) -> set[UserId] | None:
        """Return whose documents have changed since the last call; None means perhaps everyone's.

        The last seen row is read again: it is missing if others were trimmed, or if the file's
        content was replaced.
        """
        [version] = self._connection.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return set()
        self._version = version
        rows = self._connection.execute(_SINCE, [self._last[0]]).fetchall()
        if not rows or rows[0] != self._last:
            self._last = self._newest()
            return None
        self._last = rows[-1]
        return {UserId(user_id) for _, user_id in rows[1:]}

    def _newest(self) -> tuple[int, str]:
        return self._connection.execute(_LAST).fetchone() or _NONE


class _Watch:
    def __init__(self, user_id: UserId, changed: Callable[[Snapshot], None]) -> None:
        self._user_id = user_id
        self._changed = changed
        self._rows_hash: int | None = None
        self._delivering = threading.Lock()
        """Held during a delivery, so that none comes after the end."""
        self._has_ended = False

    def end(self) -> None:
        with self._delivering:
            self._has_ended = True

    def read(self, connection: sqlite3.Connection) -> None:
        """Deliver changed documents; an unreadable one must not affect other users."""
        with self._delivering:
            if self._has_ended:
                return
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
        rows_hash = hash((account, *creations))  # the rows themselves would be 60 KB a user
        if rows_hash != self._rows_hash:
            key = account_key(self._user_id)
            snapshot = Snapshot(
                parsed(key, account[0]) if account else None,
                {
                    CreationId(id_): parsed(creation_key(CreationId(id_)), text)
                    for id_, text in creations
                },
            )
            self._rows_hash = rows_hash
            self._changed(snapshot)


class SQLiteWatches:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._watches: defaultdict[UserId, list[_Watch]] = defaultdict(list)
        self._unread: deque[_Watch] = deque()
        """Watches to be read whatever has changed: new ones, and all after an outage."""
        self._lock = threading.Lock()
        """Protects both collections; it is never held during a read."""
        self._wake = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="sqlite-watches", daemon=True)

    @contextlib.contextmanager
    def watch(self, user_id: UserId, changed: Callable[[Snapshot], None]) -> Iterator[None]:
        watch = _Watch(user_id, changed)
        with self._lock:
            self._watches[user_id].append(watch)
            self._unread.append(watch)
            if self._thread.ident is None:
                self._thread.start()
        self._wake.set()
        try:
            yield
        finally:
            watch.end()
            with self._lock:
                self._watches[user_id].remove(watch)
                if not self._watches[user_id]:
                    del self._watches[user_id]

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
        changes = _Changes(connection)
        self._expect_everyone()
        while not self._is_closed:
            for watch in self._of(changes.users()):
                watch.read(connection)
            if self._unread:  # one at a time: changes come first
                self._unread.popleft().read(connection)
                continue
            self._wake.wait(POLL_INTERVAL_S if self._watches else None)
            self._wake.clear()

    def _expect_everyone(self) -> None:
        with self._lock:
            self._unread = deque(watch for same in self._watches.values() for watch in same)

    def _of(self, user_ids: set[UserId] | None) -> list[_Watch]:
        if user_ids is None:
            self._expect_everyone()
            return []
        with self._lock:
            return [
                watch for id_ in user_ids if id_ in self._watches for watch in self._watches[id_]
            ]
