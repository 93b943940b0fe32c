"""A connection of SQLite whose next COMMITs raise, before or after they were applied."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self


@dataclass
class FailingCommits:
    connection: sqlite3.Connection
    failures: int
    is_applied: bool
    error: Exception

    @classmethod
    def of(
        cls,
        connect: Callable[..., sqlite3.Connection],
        *,
        failures: int,
        is_applied: bool,
        error: Exception | None = None,
    ) -> Callable[..., Self]:
        """Return `connect` with failing commits; by default the disk fails."""
        raised = error or sqlite3.OperationalError("disk I/O error")
        return lambda *args, **options: cls(connect(*args, **options), failures, is_applied, raised)

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        if statement == "COMMIT" and self.failures:
            self.failures -= 1
            if self.is_applied:
                self.connection.execute(statement)
            raise self.error
        return self.connection.execute(statement, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)
