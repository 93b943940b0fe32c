"""Fill a new data folder, with the modules of the tree that runs this.

    python -P seed.py USERS DRAFTS PUBLISHED HEAVY

Every user gets so many drafts and publications; the first one gets HEAVY more of each. All get an
unfinished creation, a full balance, and a ledger entry for each creation. The queue gets a finished
task for each. Prints one line of JSON for each user: name, token, and the ids of a draft and of the
unfinished creation.
"""

import contextlib
import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared import settings, wiring
from shared.domain.account import HourlyCount, InFlight, UsernameClaim
from shared.domain.creation import Creation
from shared.domain.keys import UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Actor, EntryType, LedgerEntry, debit_id
from shared.domain.status import Status
from shared.ports.store import Document, Store, write
from tests.support.builders import a_creation, an_account, stored_media

BALANCE_TOKENS = 1_000_000
BATCH = 1_000
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)


def main() -> None:
    users, drafts, published, heavy = map(int, sys.argv[1:])
    phoenix = wiring.build(settings.load(os.environ))
    local = phoenix.local
    assert local is not None
    waiting: list[Document] = []
    for number in range(users):
        user_id, more = f"user-{number:04}", heavy if number == 0 else 0
        [pending, draft, *_] = made = list(creations(user_id, drafts + more, published + more))
        for document in documents(user_id, made):
            waiting.append(document)
            if len(waiting) == BATCH:
                commit(phoenix.ports.store, waiting)
        token = local.identity.sign_in(user_id)
        row = {"name": user_id, "token": token}
        ids = {"draft": draft.creation_id, "unfinished": pending.creation_id}
        print(json.dumps(row | ids))  # noqa: T201 (read by the benchmark)
    commit(phoenix.ports.store, waiting)
    phoenix.ports.close()
    fill_queue(
        Path(os.environ["PHOENIX_DATA"]) / "queue.db", users * (drafts + published) + 2 * heavy
    )


def creations(user_id: str, drafts: int, published: int) -> Iterator[Creation]:
    """Yield a user's creations: an unfinished one, the drafts, and then the published ones."""
    yield replace(
        a_creation("unfinished", kind=Kind.IMAGE, user_id=user_id),
        created_at=NOW,
        updated_at=NOW,
    )
    for number in range(drafts + published):
        at = NOW - timedelta(seconds=number + 1)
        opened = a_creation(f"{user_id}-{number}", kind=Kind.IMAGE, user_id=user_id)
        ready = replace(
            opened,
            status=Status.DRAFT,
            stage=None,
            progress=100,
            attempt=1,
            deadline_at=None,
            sweep_at=None,
            created_at=at,
            updated_at=at,
            **vars(stored_media(opened)),
        )
        if number >= drafts:
            ready = ready.published("a caption", at=at)
            ready = replace(ready, public_id=f"public-{user_id}-{number}", publication_count=1)
        yield ready


def documents(user_id: str, made: list[Creation]) -> Iterator[Document]:
    """Yield the documents of one user."""
    yield UsernameClaim(username=user_id, user_id=UserId(user_id))
    yield an_account(
        user_id,
        tokens=BALANCE_TOKENS,
        ledger_count=len(made),
        in_flight=InFlight(image=1),
        opened_hour=HourlyCount(started_at=NOW),
        welcomed=True,
    )
    for sequence, creation in enumerate(made, start=1):
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
            created_at=creation.created_at,
        )


def commit(store: Store, waiting: list[Document]) -> None:
    store.transact([], lambda _: write(*waiting, result=None))
    waiting.clear()


def fill_queue(path: Path, count: int) -> None:
    """Add finished tasks of this day, whose names the queue still keeps."""
    now_s = time.time()
    tasks = (
        (f"seeded-{n}", Kind.IMAGE, f"seeded-{n}", now_s, now_s, 1, now_s) for n in range(count)
    )
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO tasks (name, kind, creation_id, created_s, due_s, dispatches, done_s)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            tasks,
        )


if __name__ == "__main__":
    main()
