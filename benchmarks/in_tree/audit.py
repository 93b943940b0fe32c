"""Fill a store with settled images, audit it, and print what that takes.

    python -P audit.py USERS EACH

Works in any tree, on the store that the environment names. Every image is a draft with two files,
which are listed without being stored. One line of JSON on standard output: seconds, peak MiB of the
process, and the number of violations; where there is an incremental audit, its seconds and the
accounts that it checked, first without checkpoints and then when nothing moved.
"""

import base64
import hashlib
import json
import os
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared import settings, wiring
from shared.adapters.documents import to_fields
from shared.domain.account import UsernameClaim
from shared.domain.keys import Collection, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Actor, EntryType, LedgerEntry, debit_id
from shared.domain.status import Stage, Status
from shared.ports.media_store import StoredFile
from tests.support.builders import LEASE_OWNER, NOON, POLICY, a_creation, an_account

SIZE_BYTES = 5
STORED_AT = datetime(2020, 1, 1, tzinfo=UTC)
FILL = "fill"
Row = tuple[Collection, str, dict[str, Any]]


def main() -> None:
    users, each = map(int, sys.argv[1:3])
    if sys.argv[3:] == [FILL]:
        _fill(users, each)
        return
    # Another process fills the store: this one's peak memory is the audit's.
    subprocess.run([sys.executable, *sys.orig_argv[1:], FILL], check=True)
    phoenix = wiring.build(settings.load(os.environ))
    media: Any = Listed(users, each)
    auditing = replace(phoenix.auditing, media=media)
    began_s = time.monotonic()
    report = auditing.audit()
    found: dict[str, Any] = {
        "seconds": time.monotonic() - began_s,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "violations": len(report.violations),
        "creations": report.creations,
    }
    if hasattr(phoenix, "incremental_audit"):
        found["since"] = [_incremental(phoenix.incremental_audit) for _ in range(2)]
    phoenix.ports.close()
    print(json.dumps(found))  # noqa: T201 (read by the benchmark)


def _incremental(auditing: Any) -> dict[str, float]:  # noqa: ANN401 (another tree has no such type)
    began_s = time.monotonic()
    report = auditing.audit()
    if report.violations:
        raise SystemExit(f"violations: {report.violations[:3]}")
    return {"seconds": time.monotonic() - began_s, "accounts": report.accounts}


class Listed:
    """A media store that lists two files for each image."""

    def __init__(self, users: int, each: int) -> None:
        self._users, self._each = users, each

    def everything(self) -> Iterator[StoredFile]:
        for user in range(self._users):
            for nth in range(self._each):
                for key in _keys(_name(user), _id(user, nth)):
                    yield StoredFile(key, SIZE_BYTES, STORED_AT)


def _fill(users: int, each: int) -> None:
    wiring.build(settings.load(os.environ)).ports.close()
    path = Path(os.environ["PHOENIX_DATA"]) / "store.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for user in range(users):
            for collection, id_, fields in _rows(user, each):
                text = json.dumps(fields, default=_time, separators=(",", ":"))
                connection.execute(f'INSERT INTO "{collection}" VALUES (?, ?)', (id_, text))  # noqa: S608 (fixed names)
    connection.close()


def _rows(user: int, each: int) -> Iterator[Row]:
    name = _name(user)
    account = an_account(name, tokens=0, ledger_count=each + 1, total_tokens_spent=each)
    yield Collection.USERS, name, to_fields(account)
    claim = UsernameClaim(username=name, user_id=UserId(name))
    yield Collection.USERNAMES, name, to_fields(claim)
    grant = LedgerEntry(
        entry_id=f"{name}_grant",
        user_id=UserId(name),
        entry_type=EntryType.GRANT,
        amount_tokens=each,
        balance_after_tokens=each,
        sequence=1,
        actor=Actor.API,
        created_at=NOON,
    )
    yield Collection.TRANSACTIONS, grant.entry_id, to_fields(grant)
    claimed = a_creation("one", kind=Kind.IMAGE, user_id=name, cost_tokens=1).claimed(
        LEASE_OWNER, policy=POLICY, at=NOON
    )
    settled = replace(
        claimed, lease_expires_at=None, available_at=None, deadline_at=None, sweep_at=None
    )
    draft = to_fields(
        replace(settled, status=Status.DRAFT, stage=Stage.DONE, progress=100, size_bytes=SIZE_BYTES)
    )
    for nth in range(each):
        creation_id = _id(user, nth)
        media_key, thumbnail_key = _keys(name, creation_id)
        named = {"mediaKey": media_key, "thumbnailKey": thumbnail_key}
        yield Collection.CREATIONS, creation_id, {**draft, **named}
        debit = {
            "type": "debit",
            "amount": 1,
            "balanceAfter": each - nth - 1,
            "sequence": nth + 2,
            "creationId": creation_id,
        }
        entry_id = debit_id(creation_id, 1)
        yield Collection.TRANSACTIONS, entry_id, {**to_fields(grant), **debit}


def _name(user: int) -> str:
    return f"user-{user:06}"


def _id(user: int, nth: int) -> Any:  # noqa: ANN401 (a creation's id)
    digest = hashlib.sha256(f"{user} {nth}".encode()).digest()
    return base64.b32encode(digest).decode().lower()[:26]


def _keys(name: str, creation_id: str) -> tuple[str, str]:
    folder = f"images/{name}/{creation_id}"
    return f"{folder}/1.png", f"{folder}/1_thumb.jpg"


def _time(time_: datetime) -> str:
    return time_.isoformat(timespec="microseconds")


if __name__ == "__main__":
    main()
