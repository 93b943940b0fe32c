"""`phoenix account`: one account's statement, to explain its balance."""

import json
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from shared.domain.creation import Creation
from shared.domain.ledger import EntryType, LedgerEntry, opening_id
from shared.lifecycle.statements import Statement

ENTRIES_SHOWN = 10
UNKNOWN = "No account has the username, email address or user id {who!r}. Use one of these three."


def show(statement: Statement, out: Console, *, as_json: bool) -> int:
    """Print a statement; return the exit status: 1 if something is wrong."""
    if as_json:
        print(json.dumps(_fields(statement)))
    else:
        _print(statement, out)
    return 0 if statement.is_right else 1


def _print(statement: Statement, out: Console) -> None:
    account = statement.account
    granted, paid, returned = (statement.tokens_of(each) for each in EntryType)
    _line(out, f"{account.username}, user id {account.user_id}")
    _line(
        out,
        f"balance    {account.balance_tokens} = "
        f"{granted} granted - {paid} paid + {returned} returned",
    )
    _line(
        out,
        f"in flight  {account.in_flight.image} images, {account.in_flight.video} videos",
    )
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
    title = f"last {min(ENTRIES_SHOWN, len(ledger))} of {len(ledger)} entries"
    table = Table(
        "no.", "time (UTC)", "what", "tokens", "balance", Column("for", no_wrap=True), title=title
    )
    for each in ledger[:ENTRIES_SHOWN]:
        table.add_row(
            str(each.sequence),
            _minute(each.created_at),
            each.entry_type,
            f"{each.signed_tokens:+}",
            str(each.balance_after_tokens),
            each.creation_id or each.reference or _first_grant(each),
        )
    return table


def _first_grant(entry: LedgerEntry) -> str:
    """Return what a grant without a reference is: only an account's first ones have none."""
    is_opening = entry.entry_id == opening_id(entry.user_id)
    return "balance of the older system" if is_opening else "welcome"


def _unfinished(creations: tuple[Creation, ...]) -> Table:
    table = Table(
        Column("creation", no_wrap=True),
        "kind",
        "status",
        "tokens",
        "back by (UTC)",
        title="unfinished",
    )
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
        "lastEntries": [
            {
                "id": each.entry_id,
                "sequence": each.sequence,
                "createdAt": each.created_at.isoformat(),
                "type": each.entry_type,
                "tokens": each.signed_tokens,
                "balanceAfter": each.balance_after_tokens,
                "creationId": each.creation_id,
                "reference": each.reference,
                "actor": each.actor,
            }
            for each in statement.ledger[:ENTRIES_SHOWN]
        ],
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


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
