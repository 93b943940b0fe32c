"""What routes ask for: the application, the caller, the idempotency key."""

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import WithJsonSchema
from pydantic.json_schema import JsonSchemaValue

from api_service.events import Streams
from api_service.links import Links
from api_service.public_pages import PublicPages
from shared.domain.brief import IDEMPOTENCY_KEY
from shared.domain.errors import (
    AccountDisabled,
    IdentityUnavailable,
    Unauthenticated,
    WrongField,
)
from shared.ports.identity import Caller
from shared.wiring import Phoenix

KNOWN_ACCOUNTS_MAX = 10_000
_KEY: JsonSchemaValue = {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY.pattern}$"}


# What takes no time is `async`: FastAPI runs every other dependency in a thread.


async def _phoenix(request: Request) -> Phoenix:
    phoenix: Phoenix = request.app.state.phoenix
    return phoenix


PhoenixDep = Annotated[Phoenix, Depends(_phoenix)]


_UserToken = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(HTTPBearer(auto_error=False, scheme_name="user", description="A user's token")),
]
_ServiceToken = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(HTTPBearer(auto_error=False, scheme_name="service", description="A service's token")),
]


def _token(credentials: HTTPAuthorizationCredentials | None) -> str:
    if credentials is None:
        raise Unauthenticated(reason="no bearer token")
    return credentials.credentials


def caller_of(request: Request, phoenix: PhoenixDep, token: _UserToken) -> Caller:
    """Return who is calling."""
    return _logged(request, phoenix.ports.identity.caller(_token(token)))


def live_caller_of(request: Request, phoenix: PhoenixDep, token: _UserToken) -> Caller:
    """Return who is calling, with a token that is not revoked."""
    return _logged(request, phoenix.ports.identity.caller(_token(token), must_be_live=True))


def _logged(request: Request, caller: Caller) -> Caller:
    """Name the caller in the request's log line."""
    request.state.user_id = caller.user_id
    return caller


def service_of(phoenix: PhoenixDep, token: _ServiceToken) -> str:
    """Return which service is calling."""
    return phoenix.ports.service_identity.service(_token(token))


CallerDep = Annotated[Caller, Depends(caller_of)]


def owner_of(request: Request, phoenix: PhoenixDep, caller: CallerDep, token: _UserToken) -> Caller:
    """Return who is calling, with an account: the first request of any kind makes it.

    The first one with a verified address brings the welcome grant.
    """
    known: set[tuple[str, bool]] = request.app.state.known_accounts
    accounts = phoenix.accounts
    this = (caller.user_id, accounts.welcome.is_for(caller))
    if this in known:
        return caller
    account, checked = accounts.find(caller), caller
    if account is None or accounts.owes_welcome(account, caller):
        checked = _checked_for_welcome(phoenix, caller, token)
        account = accounts.of(checked)
    if not accounts.owes_welcome(account, caller):  # else a later request tries again
        if len(known) >= KNOWN_ACCOUNTS_MAX:
            known.clear()
        known.add(this)
    return checked


def _checked_for_welcome(phoenix: Phoenix, caller: Caller, token: _UserToken) -> Caller:
    """Return the caller, without a verified address unless the token is live.

    A disabled or signed-out user may still look, and gets no grant.
    """
    if not phoenix.accounts.welcome.is_for(caller):
        return caller
    try:
        return phoenix.ports.identity.caller(_token(token), must_be_live=True)
    except (AccountDisabled, IdentityUnavailable, Unauthenticated):
        return replace(caller, is_verified=False)


def links_of(phoenix: Phoenix) -> Links:
    """Return the signed links of this half hour."""
    return Links(phoenix.ports.media, phoenix.ports.clock, phoenix.settings.policy)


async def _links(phoenix: PhoenixDep) -> Links:
    return links_of(phoenix)


async def _streams(request: Request) -> Streams:
    streams: Streams = request.app.state.streams
    return streams


async def _public_pages(request: Request) -> PublicPages:
    pages: PublicPages = request.app.state.public_pages
    return pages


async def idempotency_key_of(
    idempotency_key: Annotated[str | None, Header(), WithJsonSchema(_KEY)] = None,
) -> str | None:
    """Return the checked Idempotency-Key."""
    if idempotency_key is not None and not IDEMPOTENCY_KEY.fullmatch(idempotency_key):
        raise WrongField(field="Idempotency-Key", reason="use 1 to 200 printable ASCII characters")
    return idempotency_key


LiveCallerDep = Annotated[Caller, Depends(live_caller_of)]
OwnerDep = Annotated[Caller, Depends(owner_of)]
ServiceDep = Annotated[str, Depends(service_of)]
PublicPagesDep = Annotated[PublicPages, Depends(_public_pages)]
StreamsDep = Annotated[Streams, Depends(_streams)]
LinksDep = Annotated[Links, Depends(_links)]
IdempotencyKeyDep = Annotated[str | None, Depends(idempotency_key_of)]
