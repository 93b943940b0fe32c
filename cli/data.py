"""The data folder of one machine: find it, back it up while it runs, rotate its keys."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from shared.adapters.local.data_folder import (
    FOLDER_MODE,
    GENERATOR,
    KEY,
    MEDIA,
    STORE,
    UMASK,
    WELCOME_KEY,
    usable,
)
from shared.adapters.local.installation_keys import InstallationKeys
from shared.adapters.local.media_store import PRIVATE_PREFIX
from shared.adapters.local.sqlite import connect
from shared.adapters.local.store import SQLiteStore
from shared.adapters.system.clock import SystemClock
from shared.domain.creation import Creation
from shared.domain.errors import WrongSetting
from shared.domain.media import PUBLIC_PREFIX
from shared.lifecycle.auditing import stored_files
from shared.settings import DEFAULT_DATA, LocalBackend, Settings

DataOption = Annotated[
    Path | None, typer.Option(help=f"Local backend: the data folder [default: {DEFAULT_DATA}]")
]
KEYS = (KEY, WELCOME_KEY)
FILES = (f"{MEDIA}/private", f"{MEDIA}/public", GENERATOR)
"""Folders of write-once files. The queue is not copied: the sweep rebuilds it."""
COPY_COUNT_MAX = 5


@dataclass(frozen=True)
class Backup:
    files: int
    size_bytes: int


def environment(data: Path | None) -> Mapping[str, str]:
    """Return the process's environment, with `--data` as its data folder if given."""
    return {**os.environ, "PHOENIX_DATA": str(data)} if data else dict(os.environ)


def check_data_folder(data: Path) -> None:
    """Raise `WrongSetting` if the folder holds no installation: it may be a typo."""
    with usable(data):
        exists = (data / STORE).exists()
    if not exists:
        remedy = "check --data, or start an installation there with `phoenix up`"
        reason = f"there is no Phoenix data in {data}: {remedy}"
        raise WrongSetting(setting="PHOENIX_DATA", reason=reason)


def rotate_key(settings: Settings, *, revoke: bool) -> int:
    """Add a new signing key; return how many older ones are still accepted."""
    data = _data(settings, "rotate-key")
    return InstallationKeys(data / KEY, clock=SystemClock()).rotate(revoke=revoke)


def backup(settings: Settings, folder: Path) -> Backup:
    """Copy an installation's data to an empty folder, while it runs.

    Files are copied before and after the store, because a file is written before the store
    references it and deleted after. If one was written and deleted in between, the copy is
    repeated. The first sweep of a restored installation refunds unfinished creations.

    Raises:
        WrongSetting: the backend is not local, the target is not empty, not writable or inside
            the data folder, or files were deleted during every copy.
    """
    data = _data(settings, "backup")
    try:
        return _copied(data, folder)
    except (OSError, sqlite3.Error) as error:
        raise WrongSetting(setting="DIR", reason=f"{folder} cannot be written: {error}") from error


def _copied(data: Path, folder: Path) -> Backup:
    if folder.resolve().is_relative_to(data.resolve()):
        reason = f"{folder} is inside the data folder: choose another"
        raise WrongSetting(setting="DIR", reason=reason)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WrongSetting(setting="DIR", reason=f"{folder} is not empty: choose a new folder")
    os.umask(UMASK)
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    incoming = folder / f"{STORE}.incoming"
    for _ in range(COPY_COUNT_MAX):
        _copy_files(data, folder)
        incoming.unlink(missing_ok=True)
        _copy_database(data / STORE, incoming)
        _copy_files(data, folder)
        if _is_complete(incoming, folder):
            break
    else:
        raise WrongSetting(setting="DIR", reason="files were deleted during every copy: try again")
    for name in KEYS:
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(data / name, folder / name)
    incoming.rename(folder / STORE)  # last: a folder without it is not an installation
    copied = [path for path in folder.rglob("*") if path.is_file()]
    return Backup(len(copied), sum(path.stat().st_size for path in copied))


def _data(settings: Settings, command: str) -> Path:
    backend = settings.backend
    if not isinstance(backend, LocalBackend):
        reason = f"{command} is for the local backend: see docs/day-2.md"
        raise WrongSetting(setting="PHOENIX_BACKEND", reason=reason)
    check_data_folder(backend.data)
    return backend.data


def _copy_database(source: Path, target: Path) -> None:
    """Copy a consistent snapshot of a database, in a single read transaction."""
    with (
        contextlib.closing(connect(source)) as reading,
        contextlib.closing(sqlite3.connect(target)) as writing,
    ):
        reading.backup(writing)


def _copy_files(data: Path, folder: Path) -> None:
    """Copy the files that are not copied yet; any of them may be deleted meanwhile."""
    for name in FILES:
        (folder / name).mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        for path in sorted((data / name).rglob("*")):
            copy = folder / path.relative_to(data)
            if path.is_dir():
                copy.mkdir(mode=FOLDER_MODE, exist_ok=True)
            elif not copy.exists():
                with contextlib.suppress(FileNotFoundError):
                    _copy_file(path, copy)


def _copy_file(path: Path, copy: Path) -> None:
    """Hard-link a file, which never changes, or copy it to another disk."""
    try:
        copy.hardlink_to(path)
    except OSError:
        shutil.copy2(path, copy)


def _is_complete(store: Path, folder: Path) -> bool:
    with contextlib.closing(SQLiteStore(store)) as copied:
        creations = [each for each in copied.everything() if isinstance(each, Creation)]
    keys = (key for creation in creations for key in stored_files(creation))
    places = (key if key.startswith(PUBLIC_PREFIX) else f"{PRIVATE_PREFIX}{key}" for key in keys)
    return all((folder / MEDIA / place).exists() for place in places)
