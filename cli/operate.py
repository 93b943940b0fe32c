"""The commands with which operators stop what must not go on."""

from pathlib import Path
from typing import Annotated, cast

import typer

from shared.domain.kind import Kind
from shared.settings import DEFAULT_DATA
from shared.wiring import Phoenix

commands = typer.Typer()

KindOption = Annotated[
    Kind | None, typer.Option(help="Only this kind [default: images and videos]")
]
ReasonOption = Annotated[str, typer.Option(help="Why; it is recorded with the act.")]
DataOption = Annotated[
    Path | None, typer.Option(help=f"Local backend: the data folder [default: {DEFAULT_DATA}]")
]


def _phoenix(context: typer.Context, data: Path | None) -> Phoenix:
    """Return what the command works on; the program says how it is put together."""
    return cast("Phoenix", context.obj(data))


@commands.command()
def pause(context: typer.Context, *, kind: KindOption = None, data: DataOption = None) -> None:
    """Refuse new creations (503); what is paid goes on."""
    _switch(_phoenix(context, data), kind, is_paused=True)


@commands.command()
def resume(context: typer.Context, *, kind: KindOption = None, data: DataOption = None) -> None:
    """Accept new creations again."""
    _switch(_phoenix(context, data), kind, is_paused=False)


def _switch(phoenix: Phoenix, kind: Kind | None, *, is_paused: bool) -> None:
    kinds = [kind] if kind else [*Kind]
    for each in kinds:
        phoenix.operating.switch(each, is_paused=is_paused)
    names = " and ".join(f"{each}s" for each in kinds)
    within_s = phoenix.settings.policy.gauges_every_s
    typer.echo(
        f"New {names} are {'refused' if is_paused else 'accepted'}; "
        f"every process knows within {2 * within_s:g} s"
    )


@commands.command()
def unpublish(
    context: typer.Context, creation_id: str, reason: ReasonOption, data: DataOption = None
) -> None:
    """Take a publication down: its public copy goes, its owner keeps the draft."""
    draft = _phoenix(context, data).operating.unpublish(creation_id, reason=reason)
    typer.echo(f"{creation_id} is {draft.status}")


@commands.command()
def delete(
    context: typer.Context, creation_id: str, reason: ReasonOption, data: DataOption = None
) -> None:
    """Remove a creation with its files; the ledger stays as it is."""
    _phoenix(context, data).operating.delete(creation_id, reason=reason)
    typer.echo(f"{creation_id} is gone")
