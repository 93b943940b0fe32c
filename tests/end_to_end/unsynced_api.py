"""The API with a deliberate mistake: its commits do not wait for the disk. Run with `python -m`.

In WAL mode, SQLite with synchronous=NORMAL syncs only before a checkpoint.
"""

import runpy
import sqlite3
from pathlib import Path
from typing import Any

from shared.adapters.local import sqlite

connect = sqlite.connect


def connect_unsynced(path: Path, **options: Any) -> sqlite3.Connection:
    connection = connect(path, **options)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


if __name__ == "__main__":
    sqlite.connect = connect_unsynced  # before its users import it by name
    runpy.run_module("api_service", run_name="__main__", alter_sys=True)
