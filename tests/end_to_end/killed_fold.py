"""A sweep that dies by SIGKILL at its second fold: `killed_fold.py MOMENT`, with `PHOENIX_DATA`.

The moments: `decided` in the transaction, `written` between its statements and its commit, and
`committed`.
"""

import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Sequence
from typing import Any

from shared import settings, wiring
from shared.adapters.local import store
from shared.adapters.local.documents import Transaction, carry_out
from shared.adapters.local.writer import Outcome
from shared.domain.keys import Collection, Key
from shared.ports.store import Decision, Found

DEADLY = 2


class Death:
    """Ends the process at the nth time that it is asked."""

    def __init__(self) -> None:
        self.folds = 0

    def at(self, moment: str) -> None:
        if moment == sys.argv[1] and self.folds == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)


def is_fold(reading: Sequence[Key[Any]]) -> bool:
    return any(key.collection is Collection.STATISTICS for key in reading)


def main() -> None:
    death = Death()

    def writing(connection: sqlite3.Connection, parts: Sequence[Transaction[Any]]) -> list[Outcome]:
        outcomes = carry_out(connection, parts)
        if any(is_fold(each.reading) for each in parts):
            death.at("written")
        return outcomes

    store.carry_out = writing  # type: ignore[attr-defined,assignment]  # the fault
    phoenix = wiring.build(settings.load(dict(os.environ)))
    transact = phoenix.ports.store.transact

    def dying(reading: Sequence[Key[Any]], decide: Callable[[Found], Decision[Any]]) -> object:
        if not is_fold(reading):
            return transact(reading, decide)
        death.folds += 1

        def decided(found: Found) -> Decision[Any]:
            decision = decide(found)
            death.at("decided")
            return decision

        result = transact(reading, decided)
        death.at("committed")
        return result

    phoenix.ports.store.transact = dying  # type: ignore[method-assign,assignment]  # the fault
    phoenix.sweeping.sweep()


if __name__ == "__main__":
    main()
