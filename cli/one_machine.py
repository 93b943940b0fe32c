"""The commands that only an installation on one machine has."""

from pathlib import Path
from typing import Annotated

import typer

from cli.data import backup as copy_data
from cli.data import environment
from cli.data import rotate_key as rotate_keys
from shared import settings
from shared.settings import DEFAULT_DATA

commands = typer.Typer()

DataOption = Annotated[Path | None, typer.Option(help=f"The data folder [default: {DEFAULT_DATA}]")]


@commands.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="Where to copy it: a new or empty folder.")],
    data: DataOption = None,
) -> None:
    """Copy the data folder of one machine, also while it runs; restore it by copying it back."""
    copied = copy_data(settings.load(environment(data)), folder)
    typer.echo(f"{copied.files} files, {copied.size_bytes} bytes in {folder}")


@commands.command("rotate-key")
def rotate_key(
    *,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Refuse the old keys at once: users sign in again.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Sign with a new key from now on; what older keys signed is valid until it expires."""
    older = rotate_keys(settings.load(environment(data)), revoke=revoke)
    typer.echo(f"A new key signs; older ones that are still accepted: {older}")
