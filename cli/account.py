"""`phoenix account`: one account's statement, which explains its balance."""

import json
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from shared.domain.creation import Creation
from shared.domain.ledger import EntryType, LedgerEntry, opening_id
from shared.lifecycle.statements import Statement, counted

SHOWN_COUNT_MAX = 10
UNKNOWN = "No account has the username, email address or user id {who!r}. Use one of these three."


def show(statement: Statement, out: Console, *, as_json: bool) -> int:
    """Print a statement; return the exit status, 1 if it has violations."""
    if as_json:
        print(json.dumps(_fields(statement)))
    else:
        _print(statement, out)
    return 0 if statement.is_right else 1


def _print(statement: Statement, out: Console) -> None:
    account, in_flight = statement.account, statement.account.in_flight
    granted, paid, returned = (statement.tokens_of(each) for each in EntryType)
    sums = f"{granted} granted - {paid} paid + {returned} returned"
    _line(out, f"{account.username}, user id {account.user_id}")
    _line(out, f"balance    {account.balance_tokens} = {sums}")
    image, video = counted(in_flight.image, "image"), counted(in_flight.video, "video")
    _line(out, f"in flight  {image}, {video}")
    out.print(_entries(statement.ledger), soft_wrap=False)
    if statement.unfinished:
        out.print(_unfinished(statement.unfinished), soft_wrap=False)
    for each in statement.violations:
        _line(out, f"WRONG      {each.invariant} {each.document}: {each.what}")
    _line(out, f"verdict    {statement.verdict}")
    _line(out, f"say        {statement.message}")


def _line(out: Console, text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def _entries(ledger: tuple[LedgerEntry, ...]) -> Table:
    title = f"last {min(SHOWN_COUNT_MAX, len(ledger))} of {len(ledger)} entries"
    table = Table(
        "no.", "time (UTC)", "what", "tokens", "balance", Column("for", no_wrap=True), title=title
    )
    for each in ledger[:SHOWN_COUNT_MAX]:
        table.add_row(
            str(each.sequence),
            _minute(each.created_at),
            each.entry_type,
            f"{each.signed_tokens:+}",
            str(each.balance_after_tokens),
            Text(each.creation_id or each.reference or _first_grant(each)),
        )
    return table


def _first_grant(entry: LedgerEntry) -> str:
    """Describe a grant without a reference, which only an account's first ones are."""
    is_opening = entry.entry_id == opening_id(entry.user_id)
    return "balance of the legacy system" if is_opening else "welcome"


def _unfinished(creations: tuple[Creation, ...]) -> Table:
    creation = Column("creation", no_wrap=True)
    table = Table(creation, "kind", "status", "tokens", "back by (UTC)", title="unfinished")
    for each in creations:
        back_by = _minute(each.deadline_at) if each.deadline_at else ""
        table.add_row(each.creation_id, each.kind, each.status, str(each.cost_tokens), back_by)
    return table


def _fields(statement: Statement) -> dict[str, Any]:
    account = statement.account
    return {
        "userId": account.user_id,
        "username": account.username,
        "balance": account.balance_tokens,
        "granted": statement.tokens_of(EntryType.GRANT),
        "paid": statement.tokens_of(EntryType.DEBIT),
        "returned": statement.tokens_of(EntryType.REFUND),
        "inFlight": vars(account.in_flight),
        "welcomed": account.welcomed,
        "entryCount": len(statement.ledger),
        "lastEntries": [_entry_fields(each) for each in statement.ledger[:SHOWN_COUNT_MAX]],
        "unfinished": [
            {
                "creationId": each.creation_id,
                "type": each.kind,
                "status": each.status,
                "tokens": each.cost_tokens,
                "backBy": each.deadline_at.isoformat() if each.deadline_at else None,
            }
            for each in statement.unfinished
        ],
        "violations": [vars(each) for each in statement.violations],
        "isRight": statement.is_right,
        "verdict": statement.verdict,
        "say": statement.message,
    }


def _entry_fields(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "id": entry.entry_id,
        "sequence": entry.sequence,
        "createdAt": entry.created_at.isoformat(),
        "type": entry.entry_type,
        "tokens": entry.signed_tokens,
        "balanceAfter": entry.balance_after_tokens,
        "creationId": entry.creation_id,
        "reference": entry.reference,
        "actor": entry.actor,
    }


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
