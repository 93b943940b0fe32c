"""Google Cloud service accounts: the OIDC tokens of Cloud Scheduler for `/internal/*`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from shared.adapters.firebase.tokens import (
    CLOCK_SKEW_S,
    FETCH_TIMEOUT_S,
    GOOGLE_APIS,
    PublishedCertificates,
    check_form,
    check_times,
)
from shared.domain.errors import Unauthenticated, WrongServiceAccount
from shared.ports.clock import Clock

CERTIFICATES_PATH = "/oauth2/v1/certs"


@dataclass(kw_only=True, eq=False)
class GoogleServiceIdentity:
    """The `ServiceIdentity` in the cloud; a service is named by its account's email address."""

    audience: str
    accounts: Collection[str]
    clock: Clock
    endpoint: str | None = None
    """Replaces Google's URL."""
    timeout_s: float = FETCH_TIMEOUT_S

    def __post_init__(self) -> None:
        url = f"{self.endpoint or GOOGLE_APIS}{CERTIFICATES_PATH}"
        self._certificates = PublishedCertificates(url, clock=self.clock, timeout_s=self.timeout_s)

    def warm_up(self) -> None:
        self._certificates()

    def may_wait(self) -> bool:
        return not self._certificates.are_fresh

    def service(self, token: str) -> str:
        from google.auth.exceptions import GoogleAuthError
        from google.oauth2 import id_token

        check_form(token)
        try:
            claims: Mapping[str, Any] = id_token.verify_oauth2_token(  # type: ignore[no-untyped-call]  # google-auth has few types
                token,
                self._certificates,
                audience=[self.audience],  # None would disable the check
                clock_skew_in_seconds=CLOCK_SKEW_S,
            )
        except (ValueError, GoogleAuthError, KeyError, TypeError) as error:
            # KeyError: no issuer. TypeError: its times are not numbers.
            raise Unauthenticated(reason=repr(error)) from error
        check_times(claims, now=self.clock.now())
        email = claims.get("email")
        if claims.get("email_verified") is not True or email not in self.accounts:
            raise WrongServiceAccount
        return str(email)
