"""The `FileIndex` of an audit: 64-bit digests in a temporary database, most of it on disk.

Two of five million keys have the same digest with a probability below one in a million; a damage
could then stay unseen until the next audit.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from shared.ports.file_index import Suspect
from shared.ports.media_store import StoredFile

CACHE_KIB = 8 * 1024
BATCH = 10_000
ANY_SIZE = -1
"""A file whose size is recorded nowhere, such as a thumbnail."""
SIZE_BYTES_MAX = 2**63 - 1
_SCHEMA = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -{CACHE_KIB};
CREATE TABLE expected (digest INTEGER PRIMARY KEY, size_bytes INTEGER NOT NULL);
CREATE TABLE tolerated (digest INTEGER PRIMARY KEY);
"""


class DigestIndex:
    """The files that must exist, and those that may."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # a temporary file, which the system removes
        self._database.executescript(_SCHEMA)
        self._new: list[tuple[int, int]] = []
        self._wrong_bytes: dict[int, int] = {}

    def close(self) -> None:
        self._database.close()

    def expect(self, files: Iterable[tuple[str, int | None]]) -> None:
        for key, size_bytes in files:
            self._new.append((_digest(key), ANY_SIZE if size_bytes is None else _size(size_bytes)))
        if len(self._new) >= BATCH:
            self._flush()

    def tolerate(self, keys: Iterable[str]) -> None:
        rows = [(_digest(key),) for key in keys]
        self._database.executemany("INSERT OR IGNORE INTO tolerated VALUES (?)", rows)

    def _flush(self) -> None:
        self._database.executemany("INSERT OR REPLACE INTO expected VALUES (?, ?)", self._new)
        self._new.clear()

    def compare(self, listed: Iterable[StoredFile]) -> Iterator[StoredFile]:
        self._flush()
        for file in listed:
            digest = _digest(file.key)
            select = "SELECT size_bytes FROM expected WHERE digest = ?"
            row = self._database.execute(select, [digest]).fetchone()
            if row is None:
                tolerated = "SELECT 1 FROM tolerated WHERE digest = ?"
                if self._database.execute(tolerated, [digest]).fetchone() is None:
                    yield file
            elif row[0] in (ANY_SIZE, file.size_bytes):
                self._database.execute("DELETE FROM expected WHERE digest = ?", [digest])
            else:
                self._wrong_bytes[digest] = file.size_bytes

    @property
    def has_suspects(self) -> bool:
        return self._database.execute("SELECT 1 FROM expected LIMIT 1").fetchone() is not None

    def suspect(self, key: str) -> Suspect | None:
        digest = _digest(key)
        select = "SELECT 1 FROM expected WHERE digest = ?"
        if self._database.execute(select, [digest]).fetchone() is None:
            return None
        return Suspect(self._wrong_bytes.get(digest))


def _size(bytes_: int) -> int:
    """Return a size that SQLite can hold, also of a damaged document."""
    return min(max(bytes_, 0), SIZE_BYTES_MAX)


def _digest(key: str) -> int:
    digest = blake2b(key.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
