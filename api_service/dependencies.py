"""Dependencies of routes: the application's state, the caller, the idempotency key.

The `async` ones run on the event loop before the body is read, all others in the request's thread
(`one_hop.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, cast

from fastapi import Depends, FastAPI, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import WithJsonSchema
from starlette.routing import BaseRoute

from api_service.archive import DownloadSlots
from api_service.events import Streams
from api_service.links import Links
from api_service.page_cache import PageCache
from api_service.readiness import ReadinessCheck
from api_service.static_files import StaticFiles
from api_service.threads import THREADS
from api_service.view_cache import ViewCache
from shared.domain import errors
from shared.domain.brief import IDEMPOTENCY_KEY
from shared.ports.identity import Caller
from shared.wiring import Phoenix

KNOWN_ACCOUNTS_MAX = 10_000


@dataclass(frozen=True, kw_only=True)
class AppState:
    """Everything that the routes and handlers of one application share."""

    phoenix: Phoenix
    new_links: Callable[[], Links]
    new_short_links: Callable[[], Links]
    streams: Streams
    page_cache: PageCache
    readiness: ReadinessCheck
    static_files: StaticFiles
    routes: tuple[BaseRoute, ...]
    views: ViewCache = field(default_factory=ViewCache)
    download_slots: DownloadSlots = field(default_factory=DownloadSlots)
    known_accounts: set[tuple[str, bool]] = field(default_factory=set)
    """Users who have an account, and whether they had a verified address."""

    @classmethod
    def of(cls, app: FastAPI) -> "AppState":
        return cast("AppState", app.state.app)


async def _state(request: Request) -> AppState:
    return AppState.of(request.app)


StateDep = Annotated[AppState, Depends(_state)]


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
        raise errors.Unauthenticated(reason="no bearer token")
    return credentials.credentials


async def caller_of(request: Request, state: StateDep, token: _UserToken) -> Caller:
    """Return the caller, in a second thread hop while the certificates must be fetched."""
    identity, text = state.phoenix.ports.identity, _token(token)
    if identity.may_wait():
        caller = await THREADS.run(partial(identity.caller, text))
    else:
        caller = identity.caller(text)
    request.state.user_id = caller.user_id  # for the access log
    return caller


CallerDep = Annotated[Caller, Depends(caller_of)]


def live_caller_of(state: StateDep, caller: CallerDep, token: _UserToken) -> Caller:
    """Return the caller after checking that the token is not revoked."""
    identity, text = state.phoenix.ports.identity, _token(token)
    return caller if identity.is_known_live(text) else identity.caller(text, must_be_live=True)


async def service_of(state: StateDep, token: _ServiceToken) -> str:
    identity, text = state.phoenix.ports.service_identity, _token(token)
    if identity.may_wait():
        return await THREADS.run(partial(identity.service, text))
    return identity.service(text)


def owner_of(state: StateDep, caller: CallerDep, token: _UserToken) -> Caller:
    """Return the caller after creating the account, and the welcome grant, if missing.

    The grant requires a verified address and a live token.
    """
    known, accounts = state.known_accounts, state.phoenix.accounts
    user = (caller.user_id, accounts.welcome.is_for(caller))
    if user in known:
        return caller
    account, checked = accounts.find(caller), caller
    if account is None or accounts.owes_welcome(account, caller):
        checked = _checked_for_welcome(state.phoenix, caller, token)
        account = accounts.of(checked)
    if not accounts.owes_welcome(account, caller):  # else a later request tries again
        if len(known) >= KNOWN_ACCOUNTS_MAX:
            known.clear()
        known.add(user)
    return checked


def _checked_for_welcome(phoenix: Phoenix, caller: Caller, token: _UserToken) -> Caller:
    """Return the caller as unverified if the token is not live.

    A disabled or signed-out user can still read, but gets no grant.
    """
    if not phoenix.accounts.welcome.is_for(caller):
        return caller
    try:
        return phoenix.ports.identity.caller(_token(token), must_be_live=True)
    except (errors.AccountDisabled, errors.IdentityUnavailable, errors.Unauthenticated):
        return replace(caller, is_verified=False)


_KEY = WithJsonSchema({"type": "string", "pattern": f"^{IDEMPOTENCY_KEY.pattern}$"})


def _idempotency_key(
    idempotency_key: Annotated[str | None, Header(), _KEY] = None,
) -> str | None:
    if idempotency_key is not None and not IDEMPOTENCY_KEY.fullmatch(idempotency_key):
        reason = "use 1 to 200 printable ASCII characters"
        raise errors.WrongField(field="Idempotency-Key", reason=reason)
    return idempotency_key


LiveCallerDep = Annotated[Caller, Depends(live_caller_of)]
OwnerDep = Annotated[Caller, Depends(owner_of)]
IdempotencyKeyDep = Annotated[str | None, Depends(_idempotency_key)]
