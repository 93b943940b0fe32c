"""Signed tokens of one installation: its random keys make them and prove them (JWT, HS256)."""

import contextlib
import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

from shared.adapters.local.signing_keys import SigningKeys, keys_of
from shared.domain.account import checked_username
from shared.domain.errors import Unauthenticated, WrongServiceAccount
from shared.domain.keys import UserId
from shared.ports.clock import Clock
from shared.ports.identity import Caller

ISSUER = "phoenix-local"
USER_AUDIENCE = "phoenix"
SERVICE_AUDIENCE = "phoenix-internal"
USER_TOKEN_LIFE = timedelta(days=30)
SERVICE_TOKEN_LIFE = timedelta(minutes=5)
TOKEN_LENGTH_MAX = 4096
KEY_BYTES = 32


class LocalIdentity:
    """The `Identity` and the `ServiceIdentity` on one machine."""

    def __init__(self, key: bytes | SigningKeys, *, clock: Clock) -> None:
        self._keys = keys_of(key)
        self._clock = clock

    def warm_up(self) -> None:
        """See `Identity.warm_up`: the key is here."""

    def sign_in(self, username: str) -> str:
        """Return a user's token; raises `WrongField` for a username that may not be used."""
        return self._token(checked_username(username), USER_AUDIENCE, USER_TOKEN_LIFE)

    def service_token(self, service: str) -> str:
        """Return a token for `/internal/*`."""
        return self._token(service, SERVICE_AUDIENCE, SERVICE_TOKEN_LIFE)

    def caller(self, token: str, *, must_be_live: bool = False) -> Caller:  # noqa: ARG002 (local tokens are not revoked)
        claims = self._claims(token)
        if claims["aud"] != USER_AUDIENCE:
            raise Unauthenticated(reason="not a user's token")
        name = claims["sub"]
        return Caller(
            user_id=UserId(name), username_hint=name, is_verified=True, verified_contact=name
        )

    def user_id_of(self, email: str) -> UserId | None:  # noqa: ARG002 (local users have names only)
        return None

    def service(self, token: str) -> str:
        claims = self._claims(token)
        if claims["aud"] != SERVICE_AUDIENCE:
            raise WrongServiceAccount
        return str(claims["sub"])

    def _token(self, subject: str, audience: str, life: timedelta) -> str:
        import jwt  # a job proves nobody's identity: its image is without it

        now = self._clock.now()
        claims = {"iss": ISSUER, "aud": audience, "sub": subject, "iat": now, "exp": now + life}
        return jwt.encode(claims, self._keys.current(), algorithm="HS256")

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > TOKEN_LENGTH_MAX:
            raise Unauthenticated(reason="the token is too long")
        claims = self._proven(token)
        if not claims["iat"] - 1 <= self._clock.now().timestamp() < claims["exp"]:
            raise Unauthenticated(reason="the token is not valid now")
        return claims

    def _proven(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that one of the accepted keys has signed."""
        import jwt

        reason = ""
        for key in self._keys.accepted():
            try:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    key,
                    algorithms=["HS256"],
                    issuer=ISSUER,
                    audience=[USER_AUDIENCE, SERVICE_AUDIENCE],
                    options={
                        "require": ["iss", "aud", "sub", "iat", "exp"],
                        "verify_exp": False,
                        "verify_iat": False,
                    },
                )
            except (jwt.InvalidTokenError, ValueError) as error:
                reason = reason or str(error)
            else:
                return claims
        raise Unauthenticated(reason=reason)


def installation_key(path: Path) -> bytes:
    """Return the installation's secret, made once; only its owner can read the file."""
    if path.exists():
        return path.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    incoming = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    file = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, secrets.token_bytes(KEY_BYTES))
        os.fsync(file)
    finally:
        os.close(file)
    with contextlib.suppress(FileExistsError):
        os.link(incoming, path)
    incoming.unlink()
    return path.read_bytes()
