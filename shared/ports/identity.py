"""Identity: callers with a bearer token, persons or this installation's own services."""

from dataclasses import dataclass
from typing import Protocol

from shared.domain.keys import UserId


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A signed-in person. `is_verified`: the email or the phone number is.

    `verified_contact` is that email address or phone number; on one machine it is the name.
    `is_admin`: an operator, by a claim of the token; on one machine by the settings.
    """

    user_id: UserId
    username_hint: str
    is_verified: bool
    verified_contact: str | None = None
    is_admin: bool = False


class Identity(Protocol):
    """Checks the tokens of users; `IdentityUnavailable` means that it could not."""

    def warm_up(self) -> None:
        """Fetch what checking a token needs; if it fails, every check tries again."""

    def may_wait(self) -> bool:
        """Return whether `caller` may wait for the network; if not, an event loop may call it.

        With `must_be_live` it may always wait.
        """

    def caller(self, token: str, *, must_be_live: bool = False) -> Caller:
        """Check signature, audience, issuer and time, and with `must_be_live` revocation.

        Raises `Unauthenticated` if the token proves nothing, or `AccountDisabled`.
        """

    def is_known_live(self, token: str) -> bool:
        """Return whether `must_be_live` adds nothing, since it was checked minutes ago."""

    def user_id_of(self, email: str) -> UserId | None:
        """Return the user id of an email address, or None; on one machine always None."""


class ServiceIdentity(Protocol):
    """Checks the tokens of services that call `/internal/*`, as `Identity` does."""

    def warm_up(self) -> None: ...
    def may_wait(self) -> bool: ...

    def service(self, token: str) -> str:
        """Return the service's name, or raise `Unauthenticated` or `WrongServiceAccount`."""
