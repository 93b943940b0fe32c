"""Folds what is due in a Firestore database: `python -m tests.end_to_end.firestore_fold PROJECT`."""

import sys

from shared.adapters.firestore.store import FirestoreStore
from shared.adapters.system.clock import SystemClock
from shared.lifecycle.folding import Folding
from shared.lifecycle.transactions import Transactions
from tests.support.builders import POLICY

RETRY_BUDGET_S = 10


def main(project: str) -> None:
    store, clock = FirestoreStore(project), SystemClock()
    duty = Folding(Transactions(store, clock, RETRY_BUDGET_S), clock, POLICY).duty(clock.now())
    for page in duty.pages:
        for batch in page:
            duty.handle(batch)


if __name__ == "__main__":
    main(*sys.argv[1:])
