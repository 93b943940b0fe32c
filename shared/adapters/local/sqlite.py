"""SQLite connections: WAL, synchronous=FULL, bounded waiting for locks."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from shared.domain.errors import Unavailable, WrongSetting

BUSY_TIMEOUT_S = 5.0
WAL_CHECKPOINT_PAGES = 10_000
BUSY = "SQLITE_BUSY"
DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
RESTORE = "restore the data folder from a backup (docs/day-2.md)"
REMOVE_QUEUE = (
    "remove this file with its -wal and -shm: the queue is rebuilt from the store by the sweep"
)
"""Remedies for a damaged file."""
TOUCH = "PRAGMA user_version = 0"
"""Writes something that changes nothing, to find out whether a commit succeeds."""


@contextlib.contextmanager
def translated(unavailable: type[Unavailable]) -> Iterator[None]:
    """Raise this error in place of SQLite's and the file system's."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise unavailable(reason=str(error)) from error


def connect(path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """Open a file that several processes write, in autocommit mode."""
    connection = sqlite3.connect(
        path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_CHECKPOINT_PAGES}")
    return connection


def check_header(path: Path, *, remedy: str) -> None:
    """Raise `WrongSetting` with the remedy if a file is not a database."""
    if path.exists():
        with _undamaged(path, remedy), contextlib.closing(connect(path)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def check_whole(path: Path, *, remedy: str) -> None:
    """Check a whole database; raise `WrongSetting` if it is damaged."""
    with _undamaged(path, remedy), contextlib.closing(connect(path)) as connection:
        [result] = connection.execute("PRAGMA quick_check(1)").fetchone()
        if result != "ok":
            raise _damaged(path, result, remedy)


@contextlib.contextmanager
def _undamaged(path: Path, remedy: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname in DAMAGED:
            raise _damaged(path, error, remedy) from error
        if error.sqlite_errorname.startswith(BUSY):
            raise
        reason = f"{path} cannot be opened ({error}): it must be a file that this user may write"
        raise WrongSetting(setting="PHOENIX_DATA", reason=reason) from error


def _damaged(path: Path, reason: object, remedy: str) -> WrongSetting:
    text = f"{path} is damaged ({reason}). Stop Phoenix and {remedy}"
    return WrongSetting(setting="PHOENIX_DATA", reason=text)


class ConnectionPool:
    def __init__(self, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._path, self._busy_timeout_s = path, busy_timeout_s
        self._idle: list[sqlite3.Connection] = []

    @contextlib.contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; close it after an error."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = connect(self._path, busy_timeout_s=self._busy_timeout_s)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection inside BEGIN IMMEDIATE .. COMMIT."""
        with self.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()
