"""Checks of Google-signed tokens: form, certificates, times.

`check_form` comes first: vendors' parsers ignore invalid characters, and raise `TypeError` or
`RecursionError` on some malformed tokens.
"""

import base64
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

from shared.domain.errors import IdentityUnavailable, Unauthenticated
from shared.ports.clock import Clock

GOOGLE_APIS = "https://www.googleapis.com"
FETCH_TIMEOUT_S = 5
CLOCK_SKEW_S = 10
"""Tolerance before a token's start and after its end."""
TOKEN_LENGTH_MAX = 8192
CACHE_S_MIN = 60
CACHE_S_MAX = 24 * 3600
FAILURE_CACHE_S = 1
FRESH_S = 5
"""What must be left of the cache before a caller that may not wait relies on it."""

_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def check_form(token: str) -> None:
    """Raise `Unauthenticated` unless this looks like an RS256 token with a named key."""
    if len(token) > TOKEN_LENGTH_MAX or not _FORM.fullmatch(token):
        raise Unauthenticated(reason="not the form of a token")
    head, body, _ = token.split(".")
    try:
        header, claims = _decoded(head), _decoded(body)
    except (ValueError, RecursionError) as error:
        raise Unauthenticated(reason="not the JSON of a token") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise Unauthenticated(reason="not the JSON of a token")
    kid = header.get("kid")
    if header.get("alg") != "RS256" or not isinstance(kid, str) or not kid:
        raise Unauthenticated(reason="not RS256 by a named key")


def _decoded(part: str) -> Any:  # noqa: ANN401 (any JSON)
    return json.loads(base64.urlsafe_b64decode(part + "=="))


def check_times(claims: Mapping[str, Any], *, now: datetime) -> None:
    """Raise `Unauthenticated` for a token or a sign-in in the future, or an expired token.

    SDKs check only `iat` and `exp`, and only when they verify the signature.
    """
    if not now.timestamp() <= claims["exp"] + CLOCK_SKEW_S:
        raise Unauthenticated(reason="it has expired")
    for name in ("nbf", "auth_time"):
        begins_s, latest_s = claims.get(name, 0), now.timestamp() + CLOCK_SKEW_S
        if not isinstance(begins_s, int | float) or not begins_s <= latest_s:
            raise Unauthenticated(reason=f"its {name} is in the future")


@dataclass(frozen=True)
class Certificates:
    """A JSON response with certificates by key id, as google-auth reads it."""

    data: bytes
    status: int = HTTPStatus.OK


@dataclass(eq=False)
class PublishedCertificates:
    """A cache of the certificates at one URL; callable like a transport of google-auth.

    Concurrent callers share one fetch and its outcome; a failure is cached for 1 s. A new key
    appears when the cache expires: Google publishes keys before it signs with them.
    """

    url: str
    clock: Clock
    timeout_s: float = FETCH_TIMEOUT_S
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _outcome: Certificates | str = "not fetched yet"
    _expires_s: float = -1.0

    def __call__(self, *_: object, **__: object) -> Certificates:
        """Return the certificates, ignoring the SDK's URL; raise `IdentityUnavailable`."""
        with self._lock:
            if self.clock.monotonic_s() >= self._expires_s:
                self._outcome, cache_s = self._fetch()
                self._expires_s = self.clock.monotonic_s() + cache_s
            outcome = self._outcome
        if isinstance(outcome, str):
            raise IdentityUnavailable(reason=f"certificates at {self.url}: {outcome}")
        return outcome

    @property
    def are_fresh(self) -> bool:
        """Whether a call in the next seconds returns without fetching."""
        return self.clock.monotonic_s() < self._expires_s - FRESH_S

    def _fetch(self) -> tuple[Certificates | str, float]:
        """Return the certificates or an error, and how long to cache it."""
        from google.auth.exceptions import TransportError
        from google.auth.transport.requests import Request

        try:
            response = Request()(self.url, timeout=self.timeout_s)
        except TransportError as error:
            return str(error), FAILURE_CACHE_S
        if not _are_certificates(response.data):
            return f"status {response.status}, no certificates", FAILURE_CACHE_S
        return Certificates(response.data), _cache_s(response.headers)


def _are_certificates(data: bytes) -> bool:
    """Validate: SDKs report any other response as an invalid token."""
    try:
        pems = list(json.loads(data).values())
    except (ValueError, AttributeError):
        return False
    return bool(pems) and all(str(pem).startswith("-----BEGIN CERTIFICATE") for pem in pems)


def _cache_s(headers: Mapping[str, str]) -> float:
    max_age = re.search(r"max-age=(\d{1,9})", headers.get("Cache-Control", ""))
    age = re.fullmatch(r"\d{1,9}", headers.get("Age", ""))
    left_s = (int(max_age[1]) if max_age else 0) - (int(age[0]) if age else 0)
    return min(max(left_s, CACHE_S_MIN), CACHE_S_MAX)
