"""The signing keys of one installation: a file that only its owner can read.

It holds 32 random bytes at first. After a rotation it is JSON: the newest key first, and each
older key with the time until which its signatures are accepted. The longest-lived signatures are
those of users' tokens, so an old key is kept as long as they live.
"""

import json
import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shared.adapters.local.identity import KEY_BYTES, USER_TOKEN_LIFE, installation_key
from shared.domain.errors import WrongSetting
from shared.ports.clock import Clock

REMEDY = (
    "Stop Phoenix and restore it from a backup, or remove it: "
    "then every user must sign in again, and open links end"
)
WELCOME_REMEDY = (
    "Stop Phoenix and restore it from a backup, or remove it: "
    "accounts that were welcomed are not welcomed again"
)


@dataclass(frozen=True)
class _Key:
    key: bytes
    accepted_until: datetime | None = None


class InstallationKeys:
    """The `SigningKeys` of a file; a rotation by another process is seen at once."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        """Read the file, making it if needed; raises `WrongSetting` if it is damaged."""
        installation_key(path)
        self._path = path
        self._clock = clock
        self._version = _version(path)
        self._keys = _read(path)

    def current(self) -> bytes:
        return self._read()[0].key

    def accepted(self) -> tuple[bytes, ...]:
        now = self._clock.now()
        return tuple(
            each.key
            for each in self._read()
            if each.accepted_until is None or now < each.accepted_until
        )

    def rotate(self, *, revoke: bool = False) -> int:
        """Make a new current key and return how many older ones stay accepted.

        `revoke`: none does. Every user must sign in again, and open links end.
        """
        now = self._clock.now()
        current, *older = self._read()
        kept = [
            _Key(current.key, now + USER_TOKEN_LIFE),
            *(each for each in older if each.accepted_until and now < each.accepted_until),
        ]
        if revoke:
            kept = []
        _write(self._path, [_Key(secrets.token_bytes(KEY_BYTES)), *kept])
        return len(kept)

    def _read(self) -> list[_Key]:
        """Return the keys, read again if the file was replaced; they are kept if it is missing."""
        version = _version(self._path)
        if version not in (None, self._version):
            self._keys, self._version = _read(self._path), version
        return self._keys


def welcome_key(path: Path) -> bytes:
    """Return the key of the welcome grants, which is never rotated, making it if needed.

    Raises:
        WrongSetting: the file is damaged.
    """
    key = installation_key(path)
    if len(key) != KEY_BYTES:
        raise _damaged(path, WELCOME_REMEDY)
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
        keys = [
            _Key(bytes.fromhex(each["key"]), _time(each["acceptedUntil"]))
            for each in json.loads(content)["keys"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path) from error
    if not keys or any(len(each.key) != KEY_BYTES for each in keys):
        raise _damaged(path)
    return keys


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _write(path: Path, keys: list[_Key]) -> None:
    """Replace the file at once: a reader finds the old keys or the new ones."""
    fields = [
        {
            "key": each.key.hex(),
            "acceptedUntil": each.accepted_until.isoformat() if each.accepted_until else None,
        }
        for each in keys
    ]
    incoming = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    file = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, json.dumps({"keys": fields}, indent=1).encode())
        os.fsync(file)
    finally:
        os.close(file)
    incoming.replace(path)


def _damaged(path: Path, remedy: str = REMEDY) -> WrongSetting:
    return WrongSetting(setting="PHOENIX_DATA", reason=f"{path} is damaged. {remedy}")
