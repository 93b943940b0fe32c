"""Signing keys: the current one, and older ones accepted until their expiry."""

import hmac
from dataclasses import dataclass
from typing import Protocol


class SigningKeys(Protocol):
    """The keys of one installation, which may be rotated at any time."""

    def current(self) -> bytes: ...
    def accepted(self) -> tuple[bytes, ...]:
        """Return every valid key, the current one first."""
        ...


@dataclass(frozen=True)
class OneKey:
    key: bytes

    def current(self) -> bytes:
        return self.key

    def accepted(self) -> tuple[bytes, ...]:
        return (self.key,)


def keys_of(secret: bytes | SigningKeys) -> SigningKeys:
    return OneKey(secret) if isinstance(secret, bytes) else secret


def signature_of(key: bytes, message: bytes) -> str:
    return hmac.digest(key, message, "sha256").hex()


def is_signed(keys: SigningKeys, message: bytes, claimed: str) -> bool:
    return any(
        hmac.compare_digest(signature_of(key, message).encode(), claimed.encode())
        for key in keys.accepted()
    )
