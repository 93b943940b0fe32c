"""Tokens signed by the installation's own keys (JWT, HS256)."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
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
VERIFIED_TOKENS_MAX = 4096
"""How many claims a process keeps with their tokens, about 1 KB each."""


class LocalIdentity:
    def __init__(
        self, key: bytes | SigningKeys, *, clock: Clock, admins: Collection[str] = ()
    ) -> None:
        """Accept users and services by this key; users with these names are operators."""
        self._keys = keys_of(key)
        self._clock = clock
        self._admins = frozenset(admins)

    def warm_up(self) -> None:
        """Do nothing: the key is local."""

    def may_wait(self) -> bool:
        return False

    def is_known_live(self, token: str) -> bool:  # noqa: ARG002 (local tokens are not revoked)
        return True

    def sign_in(self, username: str) -> str:
        """Return a user's token; raise `WrongField` for a forbidden username."""
        return self._token(checked_username(username), USER_AUDIENCE, USER_TOKEN_LIFE)

    def service_token(self, service: str) -> str:
        return self._token(service, SERVICE_AUDIENCE, SERVICE_TOKEN_LIFE)

    def caller(self, token: str, *, must_be_live: bool = False) -> Caller:  # noqa: ARG002 (local tokens are not revoked)
        claims = self._claims(token)
        if claims["aud"] != USER_AUDIENCE:
            raise Unauthenticated(reason="not a user's token")
        name, id_ = claims["sub"], UserId(claims["sub"])
        return Caller(
            user_id=id_,
            username_hint=name,
            is_verified=True,
            verified_contact=name,
            is_admin=name in self._admins,
        )

    def user_id_of(self, email: str) -> UserId | None:  # noqa: ARG002 (local users have names only)
        return None

    def service(self, token: str) -> str:
        claims = self._claims(token)
        if claims["aud"] != SERVICE_AUDIENCE:
            raise WrongServiceAccount
        return str(claims["sub"])

    def _token(self, subject: str, audience: str, life: timedelta) -> str:
        import jwt  # missing in the job images

        now = self._clock.now()
        claims = {"iss": ISSUER, "aud": audience, "sub": subject, "iat": now, "exp": now + life}
        return jwt.encode(claims, self._keys.current(), algorithm="HS256")

    def _claims(self, token: str) -> Mapping[str, Any]:
        if len(token) > TOKEN_LENGTH_MAX:
            raise Unauthenticated(reason="the token is too long")
        claims = self._verified(token)
        if not claims["iat"] - 1 <= self._clock.now().timestamp() < claims["exp"]:
            raise Unauthenticated(reason="the token is not valid now")
        return claims

    def _verified(self, token: str) -> Mapping[str, Any]:
        import jwt

        reason = ""
        for key in self._keys.accepted():
            try:
                return _signed_claims(token, key)
            except (jwt.InvalidTokenError, ValueError) as error:
                reason = reason or str(error)
        raise Unauthenticated(reason=reason)


@lru_cache(VERIFIED_TOKENS_MAX)
def _signed_claims(token: str, key: bytes) -> Mapping[str, Any]:
    """Return the claims that this key signed: always the same, so that they are kept.

    Their times are not checked here.
    """
    import jwt

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
    return MappingProxyType(claims)
