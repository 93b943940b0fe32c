"""The API with a deliberate mistake: `python -m tests.end_to_end.broken_api MISTAKE --port PORT`."""

import runpy
import sqlite3
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from shared.adapters.local import sqlite
from shared.domain.keys import Collection, Key
from shared.ports.store import Decision, Found, ResultT

MODULE = ("-m", "tests.end_to_end.broken_api")
UNSYNCED, EARLY = (*MODULE, "unsynced"), (*MODULE, "early")
COMMITTED_LATER_S = 30.0


def sync_no_commit() -> None:
    """Use synchronous=NORMAL: SQLite then syncs its write-ahead log only before a checkpoint."""
    as_written = sqlite.connect

    def connect(path: Path, **options: Any) -> sqlite3.Connection:
        connection = as_written(path, **options)
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    sqlite.connect = connect  # before its users import it by name


def answer_early() -> None:
    """Return the result of a creation's transaction before it is committed."""
    from shared.adapters.local.store import SQLiteStore

    as_written = SQLiteStore.transact

    def transact(
        self: SQLiteStore, reading: Sequence[Key[Any]], decide: Callable[[Found], Decision[ResultT]]
    ) -> ResultT:
        if not any(key.collection is Collection.CREATIONS for key in reading):
            return as_written(self, reading, decide)
        documents = {key: self.get(key) for key in reading}
        decision = decide(Found({key: each for key, each in documents.items() if each is not None}))
        threading.Timer(COMMITTED_LATER_S, as_written, (self, reading, lambda _: decision)).start()
        return decision.result

    SQLiteStore.transact = transact  # type: ignore[method-assign]


if __name__ == "__main__":
    {"unsynced": sync_no_commit, "early": answer_early}[sys.argv.pop(1)]()
    runpy.run_module("api_service", run_name="__main__", alter_sys=True)
