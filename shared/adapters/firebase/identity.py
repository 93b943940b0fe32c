"""Users signed in with Firebase Authentication: their ID tokens, proved by firebase-admin."""

import hashlib
import os
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from shared.adapters.firebase.tokens import (
    CLOCK_SKEW_S,
    FETCH_TIMEOUT_S,
    GOOGLE_APIS,
    PublishedCertificates,
    check_begun,
    check_form,
)
from shared.domain.errors import AccountDisabled, IdentityUnavailable, Unauthenticated
from shared.domain.keys import UserId
from shared.ports.clock import Clock
from shared.ports.identity import Caller

CERTIFICATES_PATH = "/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"
LOOKUP_TIMEOUT_S = 2
LIVE_FOR_S = 5 * 60
LIVE_TOKENS_MAX = 10_000
NOBODY = "nobody"
EMULATOR = "FIREBASE_AUTH_EMULATOR_HOST"

_USER_ID = re.compile(r"(?!\.|__)[!-.0-~]{1,128}")
"""What can be part of a document's path and of a file's key: ASCII that prints, without a slash."""


class LiveTokens:
    """Tokens that were found live in the last 5 minutes; beyond a number, the first ones go."""

    def __init__(self, clock: Clock, *, tokens_max: int = LIVE_TOKENS_MAX) -> None:
        self._clock = clock
        self._tokens_max = tokens_max
        self._lock = threading.Lock()
        self._until_s: OrderedDict[bytes, float] = OrderedDict()

    def __contains__(self, token: str) -> bool:
        with self._lock:
            return self._until_s.get(_digest(token), 0) > self._clock.monotonic_s()

    def add(self, token: str) -> None:
        """Keep a token, by its digest, from now on."""
        with self._lock:
            self._until_s[_digest(token)] = self._clock.monotonic_s() + LIVE_FOR_S
            self._until_s.move_to_end(_digest(token))
            if len(self._until_s) > self._tokens_max:
                self._until_s.popitem(last=False)


class FirebaseIdentity:
    """The `Identity` in the cloud."""

    def __init__(
        self,
        project_id: str,
        *,
        clock: Clock,
        endpoint: str | None = None,
        timeout_s: float = FETCH_TIMEOUT_S,
    ) -> None:
        """Accept users of this project; an `endpoint` stands in for all of Google's addresses."""
        self._project_id = project_id
        self._clock = clock
        self._endpoint = endpoint
        self._certificates = PublishedCertificates(
            f"{endpoint or GOOGLE_APIS}{CERTIFICATES_PATH}", clock=clock, timeout_s=timeout_s
        )
        self._lock = threading.Lock()
        self._opened_app: Any = None
        self._live = LiveTokens(clock)

    def warm_up(self) -> None:
        """See `Identity.warm_up`."""
        from firebase_admin import auth, exceptions
        from google.auth.exceptions import GoogleAuthError

        self._certificates()
        try:
            auth.get_user(NOBODY, self._app())
        except auth.UserNotFoundError:
            return
        except (exceptions.FirebaseError, GoogleAuthError) as error:
            raise IdentityUnavailable(reason=str(error)) from error

    def caller(self, token: str, *, must_be_live: bool = False) -> Caller:
        """See `Identity.caller`; whether a token is live is asked once in 5 minutes."""
        check_form(token)
        asks = must_be_live and token not in self._live
        claims = self._proved(token, check_revoked=asks)
        check_begun(claims, now=self._clock.now())
        caller = _caller(claims)
        if asks:
            self._live.add(token)
        return caller

    def user_id_of(self, email: str) -> UserId | None:
        """See `Identity.user_id_of`."""
        from firebase_admin import auth, exceptions
        from google.auth.exceptions import GoogleAuthError

        try:
            return UserId(auth.get_user_by_email(email, self._app()).uid)
        except (auth.UserNotFoundError, ValueError):  # ValueError: it is no address
            return None
        except (exceptions.FirebaseError, GoogleAuthError) as error:
            raise IdentityUnavailable(reason=str(error)) from error

    def _proved(self, token: str, *, check_revoked: bool) -> Mapping[str, Any]:
        """Return the claims of a token whose signature, audience, issuer and time are good."""
        from firebase_admin import auth, exceptions
        from google.auth.exceptions import GoogleAuthError

        try:
            claims: Mapping[str, Any] = auth.verify_id_token(
                token, self._app(), check_revoked=check_revoked, clock_skew_seconds=CLOCK_SKEW_S
            )
        except auth.UserDisabledError as error:
            raise AccountDisabled from error
        except (auth.InvalidIdTokenError, auth.UserNotFoundError, ValueError, TypeError) as error:
            # TypeError: its times are no numbers.
            raise Unauthenticated(reason=str(error)) from error
        except (exceptions.FirebaseError, GoogleAuthError) as error:
            raise IdentityUnavailable(reason=str(error)) from error
        return claims

    # The SDK

    def _app(self) -> Any:  # noqa: ANN401 (firebase-admin has no types)
        """Return firebase-admin's app, opened when it is first needed: it is slow to import."""
        if os.environ.get(EMULATOR):
            # The SDK looks at it with every token, and then takes unsigned and expired ones.
            raise IdentityUnavailable(reason=f"{EMULATOR} is set")
        with self._lock:
            if self._opened_app is None:
                self._opened_app = self._open_app()
            return self._opened_app

    def _open_app(self) -> Any:  # noqa: ANN401 (firebase-admin has no types)
        import firebase_admin
        from firebase_admin import auth, credentials
        from google.auth.credentials import AnonymousCredentials
        from requests.adapters import HTTPAdapter
        from urllib3 import Retry

        class Anonymous(credentials.Base):  # type: ignore[misc]  # firebase-admin has no types
            def get_credential(self) -> AnonymousCredentials:
                return AnonymousCredentials()  # type: ignore[no-untyped-call]  # google-auth has few types

        # Only Google itself gets to see a credential.
        credential = Anonymous() if self._endpoint else credentials.ApplicationDefault()
        credential.get_credential()  # raises before an app is registered that cannot work
        app = firebase_admin.initialize_app(
            credential,
            {"projectId": self._project_id, "httpTimeout": LOOKUP_TIMEOUT_S},
            name=f"phoenix-{secrets.token_hex(8)}",
        )
        client = auth._get_client(app)
        # Its own fetch asks once for every caller that waits, and takes a garbled answer for a
        # bad token. Its lookup is sent up to 5 times, over 7 s or as long as Retry-After says.
        client._token_verifier.request = self._certificates
        users = client._user_manager
        once_more = Retry(1, allowed_methods=None, respect_retry_after_header=False)
        for scheme in ("https://", "http://"):
            users.http_client.session.mount(scheme, HTTPAdapter(max_retries=once_more))
        if self._endpoint:
            users.base_url = f"{self._endpoint}/v1/projects/{self._project_id}"
        return app


def _caller(claims: Mapping[str, Any]) -> Caller:
    """Return who a proved token speaks of.

    Raises:
        Unauthenticated: somebody who cannot be a user of this installation.
    """
    user_id = claims["sub"]
    if not _USER_ID.fullmatch(user_id):
        raise Unauthenticated(reason="its user id cannot be a key")
    if "tenant" in (claims.get("firebase") or {}):
        # Another tenant of the project may have users of the same ids.
        raise Unauthenticated(reason="of a tenant")
    name = claims.get("name")
    # A display name may be an address too, and is then no name to show.
    hint = name if isinstance(name, str) and "@" not in name else ""
    contact = _verified_contact(claims)
    return Caller(
        user_id=UserId(user_id),
        username_hint=hint,
        is_verified=contact is not None,
        verified_contact=contact,
    )


def _verified_contact(claims: Mapping[str, Any]) -> str | None:
    """Return the verified email address, else the phone number, which always is verified."""
    email, phone = claims.get("email"), claims.get("phone_number")
    if email and claims.get("email_verified") is True:
        return str(email)
    return str(phone) if phone else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
