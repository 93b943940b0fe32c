"""Keys that sign tokens and links: one signs, and older ones are accepted until their end."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Protocol


class SigningKeys(Protocol):
    """The keys of one installation; they may change while a process runs."""

    def current(self) -> bytes:
        """Return the key that signs."""
        ...

    def accepted(self) -> tuple[bytes, ...]:
        """Return every key whose signatures are valid now, the current one first."""
        ...


@dataclass(frozen=True)
class OneKey:
    """A key that is never rotated."""

    key: bytes

    def current(self) -> bytes:
        return self.key

    def accepted(self) -> tuple[bytes, ...]:
        return (self.key,)


def keys_of(secret: bytes | SigningKeys) -> SigningKeys:
    """Return the keys of a secret that is given as one key, or as keys."""
    return OneKey(secret) if isinstance(secret, bytes) else secret


def signature_of(key: bytes, message: bytes) -> str:
    """Return the signature of a message, as text."""
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def is_signed(keys: SigningKeys, message: bytes, claimed: str) -> bool:
    """Tell whether one of the accepted keys has made this signature."""
    return any(
        hmac.compare_digest(signature_of(key, message).encode(), claimed.encode())
        for key in keys.accepted()
    )
