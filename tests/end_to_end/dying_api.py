"""The API that SIGKILL ends around its first commit of a creation, or around a later one.

    python -m tests.end_to_end.dying_api MOMENT [--commit NUMBER] --port PORT

The moments: `decided` in the transaction, `written` between its statements and its commit, and
`committed`, before the answer.
"""

import argparse
import itertools
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


def die_at(deadly: str, *, commit: int, signal_number: signal.Signals = signal.SIGKILL) -> None:
    """Patch the store of this process; commits of creations are counted from 1."""
    as_written = store.SQLiteStore.transact
    numbers = itertools.count(1)

    def at(moment: str, reading: Sequence[Key[Any]]) -> None:
        is_creation = any(key.collection is Collection.CREATIONS for key in reading)
        if moment == deadly and is_creation and next(numbers) == commit:
            os.kill(os.getpid(), signal_number)

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
    parser = argparse.ArgumentParser()
    parser.add_argument("moment", choices=MOMENTS)
    parser.add_argument("--commit", type=int, default=1)
    chosen, rest = parser.parse_known_args()
    die_at(chosen.moment, commit=chosen.commit)
    sys.argv[1:] = rest
    runpy.run_module("api_service", run_name="__main__", alter_sys=True)
