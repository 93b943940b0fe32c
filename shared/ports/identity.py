"""Who is calling: a person with a bearer token, or one of this installation's services."""

from dataclasses import dataclass
from typing import Protocol

from shared.domain.keys import UserId


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A signed-in person. `is_verified`: the email or the phone number is.

    `verified_contact` is that email address or phone number; on one machine it is the name.
    """

    user_id: UserId
    username_hint: str
    is_verified: bool
    verified_contact: str | None = None


class Identity(Protocol):
    """Whose bearer token this is."""

    def warm_up(self) -> None:
        """Fetch what checking a token needs, before the first one comes.

        Raises:
            IdentityUnavailable: it cannot be had now; every check will try again.
        """
        ...

    def caller(self, token: str, *, must_be_live: bool = False) -> Caller:
        """Check signature, audience, issuer and time; `must_be_live` also asks for revocation.

        Raises:
            Unauthenticated: the token proves nothing.
            AccountDisabled: the account may not act.
            IdentityUnavailable: it cannot be checked.
        """
        ...

    def user_id_of(self, email: str) -> UserId | None:
        """Return whose email address this is, or None; on one machine nobody has one.

        Raises:
            IdentityUnavailable: it cannot be looked up.
        """
        ...


class ServiceIdentity(Protocol):
    """Which of the installation's own services is calling `/internal/*`."""

    def warm_up(self) -> None:
        """See `Identity.warm_up`."""
        ...

    def service(self, token: str) -> str:
        """Check the token and return the service's name.

        Raises:
            Unauthenticated: the token proves nothing.
            WrongServiceAccount: a good token, but not of an allowed service.
            IdentityUnavailable: it cannot be checked.
        """
        ...
