"""Users of Firebase Authentication: ID tokens, verified by firebase-admin."""

import hashlib
import os
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

from shared.adapters.firebase.sdk_internals import customize
from shared.adapters.firebase.tokens import (
    CLOCK_SKEW_S,
    FETCH_TIMEOUT_S,
    GOOGLE_APIS,
    Certificates,
    PublishedCertificates,
    check_form,
    check_times,
)
from shared.domain.errors import AccountDisabled, IdentityUnavailable, Unauthenticated
from shared.domain.keys import UserId
from shared.once import Once
from shared.ports.clock import Clock
from shared.ports.identity import Caller

CERTIFICATES_PATH = "/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"
LOOKUP_TIMEOUT_S = 2
LIVE_FOR_S = 5 * 60
LIVE_TOKENS_MAX = 10_000
VERIFIED_TOKENS_MAX = 4096
"""How many claims a process keeps with their tokens, about 4 KB each."""
ADMIN_CLAIM = "admin"
"""A custom claim, which only the project's own service accounts can set."""
UNKNOWN_USER = "nobody"
EMULATOR = "FIREBASE_AUTH_EMULATOR_HOST"

_USER_ID = re.compile(r"(?!\.|__)[!-.0-~]{1,128}")
"""Safe in a document path and in a file key: printable ASCII without a slash."""


class LiveTokens:
    """Tokens that were checked for revocation in the last 5 minutes; the oldest are evicted."""

    def __init__(self, clock: Clock, *, tokens_max: int = LIVE_TOKENS_MAX) -> None:
        self._clock, self._tokens_max = clock, tokens_max
        self._lock = threading.Lock()
        self._until_s: OrderedDict[bytes, float] = OrderedDict()

    def __contains__(self, token: str) -> bool:
        with self._lock:
            return self._until_s.get(_digest(token), 0) > self._clock.monotonic_s()

    def add(self, token: str) -> None:
        with self._lock:
            self._until_s[_digest(token)] = self._clock.monotonic_s() + LIVE_FOR_S
            self._until_s.move_to_end(_digest(token))
            if len(self._until_s) > self._tokens_max:
                self._until_s.popitem(last=False)


class FirebaseIdentity:
    def __init__(
        self,
        project_id: str,
        *,
        clock: Clock,
        endpoint: str | None = None,
        timeout_s: float = FETCH_TIMEOUT_S,
    ) -> None:
        """Accept users of this project; `endpoint` replaces all of Google's URLs."""
        self._project_id, self._endpoint = project_id, endpoint
        self._clock = clock
        url = f"{endpoint or GOOGLE_APIS}{CERTIFICATES_PATH}"
        self._certificates = PublishedCertificates(url, clock=clock, timeout_s=timeout_s)
        self._opened_app = Once(self._open_app)
        self._live = LiveTokens(clock)
        self._signed_claims = lru_cache(VERIFIED_TOKENS_MAX)(self._claims_by)

    def warm_up(self) -> None:
        from firebase_admin import auth

        self._certificates()
        with _translated(), suppress(auth.UserNotFoundError):
            auth.get_user(UNKNOWN_USER, self._app())

    def caller(self, token: str, *, must_be_live: bool = False) -> Caller:
        check_form(token)
        check_revoked = must_be_live and token not in self._live
        if check_revoked:
            claims = self._verified(token, check_revoked=True)
        else:
            claims = self._signed_claims(token, self._certificates())
        check_times(claims, now=self._clock.now())
        caller = _caller(claims)
        if check_revoked:
            self._live.add(token)
        return caller

    def may_wait(self) -> bool:
        return not (self._opened_app.is_open and self._certificates.are_fresh)

    def is_known_live(self, token: str) -> bool:
        return token in self._live

    def user_id_of(self, email: str) -> UserId | None:
        from firebase_admin import auth

        # ValueError: no email address
        with _translated(), suppress(auth.UserNotFoundError, ValueError):
            return UserId(auth.get_user_by_email(email, self._app()).uid)
        return None

    def _claims_by(self, token: str, _: Certificates) -> Mapping[str, Any]:
        """Return a token's claims, verified with these certificates: always the same, so kept."""
        return self._verified(token, check_revoked=False)

    def _verified(self, token: str, *, check_revoked: bool) -> Mapping[str, Any]:
        from firebase_admin import auth

        with _translated():
            try:
                claims: Mapping[str, Any] = auth.verify_id_token(
                    token, self._app(), check_revoked=check_revoked, clock_skew_seconds=CLOCK_SKEW_S
                )
            except auth.UserDisabledError as error:
                raise AccountDisabled from error
            except (
                auth.InvalidIdTokenError,
                auth.UserNotFoundError,
                ValueError,
                TypeError,
            ) as error:
                # TypeError: its times are not numbers.
                raise Unauthenticated(reason=str(error)) from error
        return claims

    def _app(self) -> Any:  # noqa: ANN401 (firebase-admin has no types)
        if os.environ.get(EMULATOR):
            # With this variable the SDK accepts unsigned and expired tokens.
            raise IdentityUnavailable(reason=f"{EMULATOR} is set")
        return self._opened_app()

    def _open_app(self) -> Any:  # noqa: ANN401 (firebase-admin has no types)
        import firebase_admin
        from firebase_admin import credentials
        from google.auth.credentials import AnonymousCredentials

        class Anonymous(credentials.Base):  # type: ignore[misc]  # firebase-admin has no types
            def get_credential(self) -> AnonymousCredentials:
                return AnonymousCredentials()  # type: ignore[no-untyped-call]  # google-auth has few types

        # Only Google itself receives a credential.
        credential = Anonymous() if self._endpoint else credentials.ApplicationDefault()
        credential.get_credential()  # raises before an unusable app is registered
        options = {"projectId": self._project_id, "httpTimeout": LOOKUP_TIMEOUT_S}
        name = f"phoenix-{secrets.token_hex(8)}"
        app = firebase_admin.initialize_app(credential, options, name=name)
        url = f"{self._endpoint}/v1/projects/{self._project_id}" if self._endpoint else None
        customize(app, certificates=self._certificates, users_url=url)
        return app


@contextmanager
def _translated() -> Iterator[None]:
    from firebase_admin.exceptions import FirebaseError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except (FirebaseError, GoogleAuthError) as error:
        raise IdentityUnavailable(reason=str(error)) from error


def _caller(claims: Mapping[str, Any]) -> Caller:
    """Return a verified token's caller; raise `Unauthenticated` for one of another tenant."""
    user_id = claims["sub"]
    if not _USER_ID.fullmatch(user_id):
        raise Unauthenticated(reason="its user id cannot be a key")
    if "tenant" in (claims.get("firebase") or {}):
        # Another tenant of the project may have users with the same ids.
        raise Unauthenticated(reason="its user belongs to a tenant")
    name, contact = claims.get("name"), _verified_contact(claims)
    # A display name may be an email address, which must not be shown.
    hint = name if isinstance(name, str) and "@" not in name else ""
    return Caller(
        user_id=UserId(user_id),
        username_hint=hint,
        is_verified=contact is not None,
        verified_contact=contact,
        is_admin=claims.get(ADMIN_CLAIM) is True,
    )


def _verified_contact(claims: Mapping[str, Any]) -> str | None:
    """Return the verified email address, else the phone number, which is always verified."""
    email, phone = claims.get("email"), claims.get("phone_number")
    if email and claims.get("email_verified") is True:
        return str(email)
    return str(phone) if phone else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
