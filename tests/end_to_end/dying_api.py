"""The API that SIGKILL ends around its first commit of a creation.

    python -m tests.end_to_end.dying_api MOMENT --port PORT

The moments: `decided` in the transaction, `written` between its statements and its commit, and
`committed`, before the answer.
"""

import os
import runpy
import signal
import sqlite3
import sys
from collections.abc import Callable, Sequence
from typing import Any

from shared.adapters.local import store
from shared.adapters.local.documents import Transaction, carry_out
from shared.adapters.local.writer import Outcome
from shared.domain.keys import Collection, Key
from shared.ports.store import Decision, Found, ResultT

MOMENTS = ("decided", "written", "committed")


def die_at(deadly: str) -> None:
    """Patch the store of this process."""
    as_written = store.SQLiteStore.transact

    def at(moment: str, reading: Sequence[Key[Any]]) -> None:
        if moment == deadly and any(key.collection is Collection.CREATIONS for key in reading):
            os.kill(os.getpid(), signal.SIGKILL)

    def writing(connection: sqlite3.Connection, parts: Sequence[Transaction[Any]]) -> list[Outcome]:
        outcomes = carry_out(connection, parts)
        for each in parts:
            at("written", each.reading)
        return outcomes

    def transact(
        self: store.SQLiteStore,
        reading: Sequence[Key[Any]],
        decide: Callable[[Found], Decision[ResultT]],
    ) -> ResultT:
        def decided(found: Found) -> Decision[ResultT]:
            decision = decide(found)
            at("decided", reading)
            return decision

        result = as_written(self, reading, decided)
        at("committed", reading)
        return result

    store.carry_out = writing  # type: ignore[attr-defined,assignment]  # the fault
    store.SQLiteStore.transact = transact  # type: ignore[method-assign]  # the fault


if __name__ == "__main__":
    die_at(sys.argv.pop(1))
    runpy.run_module("api_service", run_name="__main__", alter_sys=True)
