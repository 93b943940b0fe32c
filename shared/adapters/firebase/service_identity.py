"""Google Cloud service accounts: the OIDC tokens of Cloud Scheduler for `/internal/*`."""

from collections.abc import Collection, Mapping
from typing import Any

from shared.adapters.firebase.tokens import (
    CLOCK_SKEW_S,
    FETCH_TIMEOUT_S,
    GOOGLE_APIS,
    PublishedCertificates,
    check_form,
    check_not_before,
)
from shared.domain.errors import Unauthenticated, WrongServiceAccount
from shared.ports.clock import Clock

CERTIFICATES_PATH = "/oauth2/v1/certs"


class GoogleServiceIdentity:
    """The `ServiceIdentity` in the cloud; a service is named by its account's email address."""

    def __init__(
        self,
        *,
        audience: str,
        accounts: Collection[str],
        clock: Clock,
        endpoint: str | None = None,
        timeout_s: float = FETCH_TIMEOUT_S,
    ) -> None:
        """Accept these accounts; `endpoint` replaces Google's URL."""
        self._audience = audience
        self._accounts = accounts
        self._clock = clock
        self._certificates = PublishedCertificates(
            f"{endpoint or GOOGLE_APIS}{CERTIFICATES_PATH}", clock=clock, timeout_s=timeout_s
        )

    def warm_up(self) -> None:
        self._certificates()

    def service(self, token: str) -> str:
        check_form(token)
        claims = self._verified(token)
        check_not_before(claims, now=self._clock.now())
        email = claims.get("email")
        if claims.get("email_verified") is not True or email not in self._accounts:
            raise WrongServiceAccount
        return str(email)

    def _verified(self, token: str) -> Mapping[str, Any]:
        from google.auth.exceptions import GoogleAuthError
        from google.oauth2 import id_token

        try:
            claims: Mapping[str, Any] = id_token.verify_oauth2_token(  # type: ignore[no-untyped-call]  # google-auth has few types
                token,
                self._certificates,
                audience=[self._audience],  # None would disable the check
                clock_skew_in_seconds=CLOCK_SKEW_S,
            )
        except (ValueError, GoogleAuthError, KeyError, TypeError) as error:
            # KeyError: no issuer. TypeError: its times are no numbers.
            raise Unauthenticated(reason=repr(error)) from error
        return claims
