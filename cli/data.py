"""The data folder of one machine: is it there, copy it while it runs, rotate its keys."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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
from shared.settings import LocalBackend, Settings

KEYS = (KEY, WELCOME_KEY)
FILES = (f"{MEDIA}/private", f"{MEDIA}/public", GENERATOR)
"""Folders whose files are written once. The queue is rebuilt by the sweep, so it is not copied."""
TRIES = 5


@dataclass(frozen=True)
class Copied:
    """What a backup holds."""

    files: int
    size_bytes: int


def environment(data: Path | None) -> Mapping[str, str]:
    """Return this process's environment, with the data folder of `--data` if it is given."""
    return {**os.environ, "PHOENIX_DATA": str(data)} if data else dict(os.environ)


def check_data_folder(data: Path) -> None:
    """Raise `WrongSetting` where no installation keeps its data: the folder may be a typo."""
    with usable(data):
        is_there = (data / STORE).exists()
    if not is_there:
        raise WrongSetting(
            setting="PHOENIX_DATA",
            reason=(
                f"there is no Phoenix data in {data}: check --data, "
                "or start an installation there with `phoenix up`"
            ),
        )


def rotate_key(settings: Settings, *, revoke: bool) -> int:
    """Make a new signing key; return how many older ones are still accepted."""
    data = _data(settings, "rotate-key")
    return InstallationKeys(data / KEY, clock=SystemClock()).rotate(revoke=revoke)


def backup(settings: Settings, folder: Path) -> Copied:
    """Copy an installation's data into an empty folder, while it runs.

    Files are copied before and after the store: those that it names were written before it, and
    are removed after it. Where one was written and removed meanwhile, all is copied again. What
    was unfinished is refunded by the first sweep of the restored installation.

    Raises:
        WrongSetting: this is no local installation, or the folder is not empty, inside the
            installation's own, or cannot be written, or too much was removed meanwhile.
    """
    data = _data(settings, "backup")
    try:
        return _copied(data, folder)
    except (OSError, sqlite3.Error) as error:
        raise WrongSetting(setting="DIR", reason=f"{folder} cannot be written: {error}") from error


def _copied(data: Path, folder: Path) -> Copied:
    if folder.resolve().is_relative_to(data.resolve()):
        raise WrongSetting(setting="DIR", reason=f"{folder} is in the data folder: name another")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WrongSetting(setting="DIR", reason=f"{folder} is not empty: name a new folder")
    os.umask(UMASK)
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    incoming = folder / f"{STORE}.incoming"
    for _ in range(TRIES):
        _copy_files(data, folder)
        incoming.unlink(missing_ok=True)
        _copy_database(data / STORE, incoming)
        _copy_files(data, folder)
        if _is_complete(incoming, folder):
            break
    else:
        raise WrongSetting(setting="DIR", reason="files were removed during each copy: try again")
    for name in KEYS:
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(data / name, folder / name)
    incoming.rename(folder / STORE)  # last: without it, the folder is no installation
    copied = [path for path in folder.rglob("*") if path.is_file()]
    return Copied(len(copied), sum(path.stat().st_size for path in copied))


def _data(settings: Settings, command: str) -> Path:
    backend = settings.backend
    if not isinstance(backend, LocalBackend):
        raise WrongSetting(
            setting="PHOENIX_BACKEND", reason=f"{command} is for one machine: see docs/day-2.md"
        )
    check_data_folder(backend.data)
    return backend.data


def _copy_database(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment, in a single read transaction."""
    with (
        contextlib.closing(connect(source)) as reading,
        contextlib.closing(sqlite3.connect(target)) as writing,
    ):
        reading.backup(writing)


def _copy_files(data: Path, folder: Path) -> None:
    """Copy the files that are not copied yet; any of them may be removed meanwhile."""
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
    """Link a file, which is never changed, or copy it to another disk."""
    try:
        copy.hardlink_to(path)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy2(path, copy)


def _is_complete(store: Path, folder: Path) -> bool:
    """Tell whether every file that a copied store names was copied."""
    copied = SQLiteStore(store)
    try:
        creations = [each for each in copied.everything() if isinstance(each, Creation)]
    finally:
        copied.close()
    keys = (key for creation in creations for key in stored_files(creation))
    return all((folder / "media" / _place(key)).exists() for key in keys)


def _place(key: str) -> str:
    return key if key.startswith(PUBLIC_PREFIX) else f"{PRIVATE_PREFIX}{key}"
