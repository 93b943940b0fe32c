"""The signing keys of one installation, in a file that only its owner can read.

It starts as 32 random bytes. After a rotation it is JSON: the newest key first, and each older key
with its expiry, which is that of the last user token it may have signed.
"""

import contextlib
import json
import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shared.adapters.local.identity import USER_TOKEN_LIFE
from shared.domain.errors import WrongSetting
from shared.ports.clock import Clock

KEY_BYTES = 32
REMEDY = "Stop Phoenix and restore it from a backup, or remove it: "
REMOVED = "then every user must sign in again, and existing links expire"
WELCOME_REMOVED = "accounts with a welcome grant get no second one"


@dataclass(frozen=True)
class _Key:
    key: bytes
    accepted_until: datetime | None = None


class InstallationKeys:
    """The `SigningKeys` of a file; picks up a rotation by another process at once."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        """Read or create the file; raise `WrongSetting` if it is damaged."""
        installation_key(path)
        self._path, self._clock = path, clock
        self._version, self._keys = _version(path), _read(path)

    def current(self) -> bytes:
        return self._read()[0].key

    def accepted(self) -> tuple[bytes, ...]:
        now, keys = self._clock.now(), self._read()
        return tuple(
            each.key for each in keys if each.accepted_until is None or now < each.accepted_until
        )

    def rotate(self, *, revoke: bool = False) -> int:
        """Create a new current key; return how many older ones stay accepted.

        `revoke` drops them: every user must sign in again, and links expire.
        """
        now = self._clock.now()
        current, *older = self._read()
        kept = [
            _Key(current.key, now + USER_TOKEN_LIFE),
            *(each for each in older if each.accepted_until and now < each.accepted_until),
        ]
        kept = [] if revoke else kept
        _write(self._path, [_Key(secrets.token_bytes(KEY_BYTES)), *kept])
        return len(kept)

    def _read(self) -> list[_Key]:
        """Return the keys; reread a replaced file, ignore a missing one."""
        version = _version(self._path)
        if version not in (None, self._version):
            self._keys, self._version = _read(self._path), version
        return self._keys


def installation_key(path: Path) -> bytes:
    """Return the installation's secret, created once with mode 600."""
    if path.exists():
        return path.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    incoming = _write_new(path, secrets.token_bytes(KEY_BYTES))
    with contextlib.suppress(FileExistsError):
        os.link(incoming, path)
    incoming.unlink()
    return path.read_bytes()


def welcome_key(path: Path) -> bytes:
    """Return or create the key of the welcome grants, which is never rotated."""
    key = installation_key(path)
    if len(key) != KEY_BYTES:
        raise _damaged(path, WELCOME_REMOVED)
    return key


def _version(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return (stat.st_ino, stat.st_mtime_ns)


def _read(path: Path) -> list[_Key]:
    content = path.read_bytes()
    if len(content) == KEY_BYTES:
        return [_Key(content)]
    try:
        fields = json.loads(content)["keys"]
        keys = [_Key(bytes.fromhex(each["key"]), _time(each["acceptedUntil"])) for each in fields]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path) from error
    if not keys or any(len(each.key) != KEY_BYTES for each in keys):
        raise _damaged(path)
    return keys


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _write(path: Path, keys: list[_Key]) -> None:
    fields = [{"key": each.key.hex(), "acceptedUntil": each.accepted_until} for each in keys]
    content = json.dumps({"keys": fields}, indent=1, default=datetime.isoformat)
    _write_new(path, content.encode()).replace(path)


def _write_new(path: Path, content: bytes) -> Path:
    """Write and sync a temporary file next to `path`; return it."""
    incoming = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        file.write(content)
        os.fsync(file)
    return incoming


def _damaged(path: Path, removed: str = REMOVED) -> WrongSetting:
    return WrongSetting(setting="PHOENIX_DATA", reason=f"{path} is damaged. {REMEDY}{removed}")
