"""`phoenix replay`: debit failures again and run them, after an outage."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, cast

import typer

from cli.data import DataOption
from shared.domain.errors import RequestError, Unavailable, WrongField
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.schedule import parsed_time
from shared.lifecycle.replaying import Replayed, ReplayRequest
from shared.lifecycle.statements import counted
from shared.wiring import Phoenix

commands = typer.Typer()

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
AGO = re.compile(r"([0-9]{1,6})([smhd])")
ACCEPTED = "use an age such as 90m, 2h or 1d, or a time such as 2026-11-28T10:00:00Z"


def parsed_since(text: str, *, now: datetime) -> datetime:
    """Return the time of an age or of a time of RFC 3339; raise `WrongField`."""
    try:
        if ago := AGO.fullmatch(text):
            return now - timedelta(seconds=int(ago[1]) * UNITS_S[ago[2]])
        return parsed_time(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:  # OverflowError: before year 1
        raise WrongField(field="since", reason=ACCEPTED) from error


@commands.command()
def replay(
    context: typer.Context,
    code: Annotated[FailureCode, typer.Option(help="The failures' code.")],
    since: Annotated[str, typer.Option(help="How long ago, or when: 90m, 2h, 1d, or a time.")],
    *,
    grant: Annotated[
        bool, typer.Option("--grant", help="First grant the price, so that owners pay nothing.")
    ] = False,
    kind: Annotated[Kind | None, typer.Option(help="Only this kind.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be replayed; change nothing.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Debit failures again for their owners and run them; each failed run at most once."""
    phoenix = _phoenix(context, data)
    now = phoenix.ports.clock.now()
    request = ReplayRequest(
        code=code, since=parsed_since(since, now=now), kind=kind, is_granted=grant
    )
    if dry_run:
        _list(phoenix, request)
        return
    counts = Counter(replayed=0, skipped=0)
    for each in phoenix.replaying.replay(request):
        counts["replayed" if each.is_replayed else "skipped"] += 1
        typer.echo(_line(each))
    typer.echo(f"{counts['replayed']} replayed, {counts['skipped']} skipped")


def _phoenix(context: typer.Context, data: Path | None) -> Phoenix:
    """Return the application, built by the function that `cli.main` passes as the context."""
    return cast("Phoenix", context.obj(data))


def _list(phoenix: Phoenix, request: ReplayRequest) -> None:
    count = tokens = 0
    for each in phoenix.replaying.candidates(request):
        count, tokens = count + 1, tokens + each.cost_tokens
        typer.echo(
            f"{each.creation_id} {each.kind} of {each.user_id}: {counted(each.cost_tokens, 'token')}"
        )
    typer.echo(f"{count} would be replayed, for {counted(tokens, 'token')}")


def _line(replayed: Replayed) -> str:
    about = f"{replayed.creation_id} {replayed.kind} of {replayed.user_id}:"
    if replayed.error is not None:
        return f"{about} skipped: {_reason(replayed.error)}"
    granted = f", {replayed.granted_tokens} granted" if replayed.granted_tokens else ""
    return f"{about} replayed for {counted(replayed.tokens, 'token')}{granted}"


def _reason(error: RequestError) -> str:
    detail = error.reason if isinstance(error, Unavailable) else ""
    return f"{error} ({detail})" if detail else str(error)
