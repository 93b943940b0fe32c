"""Fill a store with overdue images, sweep once, and print what one call has settled.

    python -P sweep.py USERS EACH

Works in any tree, on the store that the environment names. Each user's images are a burst, a second
apart. One line of JSON on standard output: seconds, CPU seconds, settled and peak MiB.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from shared import settings, wiring
from shared.domain.account import InFlight, UsernameClaim
from shared.domain.keys import UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Actor, EntryType, LedgerEntry, debit_id
from shared.ports.store import Decision, Document, Found, write
from tests.support.builders import a_creation, an_account

NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = NOW - timedelta(days=30)
BALANCE_TOKENS = 1_000


def main() -> None:
    users, each = map(int, sys.argv[1:])
    phoenix = wiring.build(settings.load(os.environ))
    store = phoenix.ports.store
    for number in range(users):
        began_at = LONG_AGO + timedelta(minutes=number)
        decision = write(*documents(f"user-{number:04}", each, began_at), result=None)
        store.transact([], partial(_decided, decision))
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    counts = phoenix.sweeping.sweep()
    seconds, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
    found = {
        "seconds": seconds,
        "cpu_s": cpu_s,
        "settled": counts["refunded"],
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    phoenix.ports.close()
    print(json.dumps(found))  # noqa: T201 (read by the benchmark)


def _decided(decision: Decision[None], _: Found) -> Decision[None]:
    return decision


def documents(name: str, each: int, began_at: datetime) -> Iterator[Document]:
    """Yield a user, and images that were debited a month ago."""
    yield UsernameClaim(username=name, user_id=UserId(name))
    yield an_account(name, tokens=BALANCE_TOKENS, ledger_count=each, in_flight=InFlight(image=each))
    for sequence in range(1, each + 1):
        at = began_at + timedelta(seconds=sequence)
        creation = replace(
            a_creation(f"{name}-{sequence}", kind=Kind.IMAGE, user_id=name),
            created_at=at,
            updated_at=at,
            sweep_at=at + timedelta(minutes=1),
            deadline_at=at + timedelta(minutes=15),
        )
        yield creation
        yield LedgerEntry(
            entry_id=debit_id(creation.creation_id, 1),
            user_id=creation.user_id,
            entry_type=EntryType.DEBIT,
            amount_tokens=1,
            balance_after_tokens=BALANCE_TOKENS,
            sequence=sequence,
            creation_id=creation.creation_id,
            actor=Actor.OWNER,
            created_at=at,
        )


if __name__ == "__main__":
    main()
