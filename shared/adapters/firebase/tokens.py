"""What the checks of all Google-signed tokens share: their form, their certificates, their times.

Vendors' parsers see a token only after `check_form`: they overlook characters that do not belong,
and answer some malformed tokens with a `TypeError` or a `RecursionError`.
"""

import base64
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from shared.domain.errors import IdentityUnavailable, Unauthenticated
from shared.ports.clock import Clock

GOOGLE_APIS = "https://www.googleapis.com"
FETCH_TIMEOUT_S = 5
CLOCK_SKEW_S = 10
"""A token may come this much before its time and after its end."""
TOKEN_LENGTH_MAX = 8192
KEPT_S_MIN = 60
KEPT_S_MAX = 24 * 3600
PAUSE_AFTER_FAILURE_S = 1

_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def check_form(token: str) -> None:
    """Refuse what no token of Google's looks like: RS256 by a named key, three plain parts.

    Raises:
        Unauthenticated
    """
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


def _decoded(part: str) -> object:
    decoded: object = json.loads(base64.urlsafe_b64decode(part + "=="))
    return decoded


def check_begun(claims: Mapping[str, Any], *, now: datetime) -> None:
    """Refuse a token, or a sign-in, of the future: the vendors look at `iat` and `exp` only.

    Raises:
        Unauthenticated
    """
    for name in ("nbf", "auth_time"):
        begins_s = claims.get(name, 0)
        is_time = isinstance(begins_s, int | float)
        if not is_time or not begins_s <= now.timestamp() + CLOCK_SKEW_S:
            raise Unauthenticated(reason=f"its {name} is in the future")


@dataclass(frozen=True)
class Certificates:
    """Certificates by key id, as the JSON that was answered, in the shape google-auth reads."""

    data: bytes
    status: int = HTTPStatus.OK


class PublishedCertificates:
    """The certificates at one address, kept for as long as their answer allows.

    All who ask at once wait for one fetch and share its outcome, good or bad; a bad one stands for
    1 s. What a public cache has aged counts, and a key that is new appears when the kept ones end:
    Google publishes a key before it signs with it.

    Called as google-auth calls a transport.
    """

    def __init__(self, url: str, *, clock: Clock, timeout_s: float = FETCH_TIMEOUT_S) -> None:
        self._url = url
        self._clock = clock
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._outcome: Certificates | str = "not asked yet"
        self._ends_s = -1.0

    def __call__(self, *_: object, **__: object) -> Certificates:
        """Return the certificates, whatever address the vendor names.

        Raises:
            IdentityUnavailable: there are none, and the address does not answer with any.
        """
        with self._lock:
            if self._clock.monotonic_s() >= self._ends_s:
                self._outcome, kept_s = self._fetched()
                self._ends_s = self._clock.monotonic_s() + kept_s
            outcome = self._outcome
        if isinstance(outcome, str):
            raise IdentityUnavailable(reason=f"certificates at {self._url}: {outcome}")
        return outcome

    def _fetched(self) -> tuple[Certificates | str, float]:
        """Return what the address answers, or what is wrong with it, and for how many seconds."""
        from google.auth.exceptions import TransportError
        from google.auth.transport.requests import Request

        try:
            answer = Request()(self._url, timeout=self._timeout_s)
        except TransportError as error:
            return str(error), PAUSE_AFTER_FAILURE_S
        if not _are_certificates(answer.data):
            return f"status {answer.status}, no certificates", PAUSE_AFTER_FAILURE_S
        return Certificates(answer.data), _kept_s(answer.headers)


def _are_certificates(data: bytes) -> bool:
    """Tell whether this is what is expected; the vendors take anything else for a bad token."""
    try:
        certificates = json.loads(data)
    except ValueError:
        return False
    return (
        isinstance(certificates, dict)
        and bool(certificates)
        and all(str(pem).startswith("-----BEGIN CERTIFICATE") for pem in certificates.values())
    )


def _kept_s(headers: Mapping[str, str]) -> float:
    max_age = re.search(r"max-age=(\d{1,9})", headers.get("Cache-Control", ""))
    age = re.fullmatch(r"\d{1,9}", headers.get("Age", ""))
    left_s = (int(max_age[1]) if max_age else 0) - (int(age[0]) if age else 0)
    return min(max(left_s, KEPT_S_MIN), KEPT_S_MAX)
