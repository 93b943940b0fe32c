"""The commands of operators: pause and resume, take down and delete, back up, rotate keys."""

from pathlib import Path
from typing import Annotated, cast

import typer

from cli import data as data_folder
from cli.data import DataOption, environment
from shared import settings
from shared.domain.kind import Kind
from shared.wiring import Phoenix

commands = typer.Typer()

KindOption = Annotated[
    Kind | None, typer.Option(help="Only this kind [default: images and videos]")
]
ReasonOption = Annotated[str, typer.Option(help="Why; it is recorded with the action.")]


def _phoenix(context: typer.Context, data: Path | None) -> Phoenix:
    """Return the application, built by the function that `cli.main` passes as the context."""
    return cast("Phoenix", context.obj(data))


@commands.command()
def pause(context: typer.Context, *, kind: KindOption = None, data: DataOption = None) -> None:
    """Refuse new creations (503); paid ones continue."""
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
    """Take a publication down, and end sharing and a schedule; its owner keeps the draft."""
    draft = _phoenix(context, data).operating.unpublish(creation_id, reason=reason)
    typer.echo(f"{creation_id} is {draft.status}")


@commands.command()
def delete(
    context: typer.Context, creation_id: str, reason: ReasonOption, data: DataOption = None
) -> None:
    """Delete a creation and its files; the ledger is unchanged."""
    _phoenix(context, data).operating.delete(creation_id, reason=reason)
    typer.echo(f"{creation_id} is deleted")


@commands.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="The target: a new or empty folder.")],
    data: DataOption = None,
) -> None:
    """Copy the data folder, even while Phoenix runs; restore it by copying it back."""
    copied = data_folder.backup(settings.load(environment(data)), folder)
    typer.echo(f"{copied.files} files, {copied.size_bytes} bytes in {folder}")


@commands.command("rotate-key")
def rotate_key(
    *,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Refuse the old keys at once: users sign in again.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Sign with a new key; signatures of older keys stay valid until they expire."""
    older = data_folder.rotate_key(settings.load(environment(data)), revoke=revoke)
    typer.echo(f"New signing key; older keys still accepted: {older}")
