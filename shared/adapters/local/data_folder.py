"""The data folder of one machine, readable only by its owner."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from shared.domain.errors import MediaUnavailable, WrongSetting

STORE, QUEUE = "store.db", "queue.db"
KEY, WELCOME_KEY = "key", "welcome-key"
STACK_LOCK, API_LOCK = "stack.lock", "api.lock"
"""Locked by a running stack, and by a running API, which may outlive its stack."""
MEDIA, GENERATOR, EXECUTIONS, LOGS = "media", "generator", "executions", "logs"

UMASK = 0o077
FOLDER_MODE = 0o700
FILE_MODE = 0o600
_FOLDERS = {MEDIA, GENERATOR, EXECUTIONS, LOGS}
_FILE = re.compile(
    rf"({KEY}|{WELCOME_KEY})(\.\w+)?|{STACK_LOCK}|{API_LOCK}|({STORE}|{QUEUE})(-wal|-shm|-lock)?"
)


def prepare(data: Path) -> None:
    """Create the folder; set a umask that keeps other users out."""
    os.umask(UMASK)
    with usable(data):
        data.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)


@contextlib.contextmanager
def usable(data: Path) -> Iterator[None]:
    """Raise `WrongSetting` if this process cannot use the folder or its contents."""
    try:
        yield
    except (OSError, MediaUnavailable) as error:
        reason = f"{data} cannot be used as the data folder: {getattr(error, 'reason', error)}"
        raise WrongSetting(setting="PHOENIX_DATA", reason=reason) from error


def check_not_emptied(store: Path, media: Path, *, remedy: str) -> None:
    """Raise `WrongSetting` for an empty store file: SQLite would create a new store in it."""
    is_empty = store.is_file() and store.stat().st_size == 0
    if is_empty and any(path.is_file() for path in media.rglob("*.*")):
        reason = f"{store} is damaged (it is empty). Stop Phoenix and {remedy}"
        raise WrongSetting(setting="PHOENIX_DATA", reason=reason)


def close_to_others(data: Path) -> None:
    """Remove other users' permissions from Phoenix's files, and from a folder with no others."""
    entries = list(data.iterdir())
    ours = [entry for entry in entries if entry.name in _FOLDERS or _FILE.fullmatch(entry.name)]
    for path in ours:
        _close(path)
        for each in () if path.is_symlink() else path.rglob("*"):
            _close(each)
    if len(ours) == len(entries):
        _close(data)


def _close(path: Path) -> None:
    """Set the mode of a path of this user, which may disappear meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        is_other = path.is_symlink() or path.stat().st_uid != os.geteuid()
        mode = FOLDER_MODE if path.is_dir() else FILE_MODE
        if not is_other and path.stat().st_mode & 0o777 != mode:
            path.chmod(mode)
