"""Contract of the Identity and ServiceIdentity ports, for every adapter."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest

from shared.adapters.firebase.identity import FirebaseIdentity
from shared.adapters.firebase.service_identity import GoogleServiceIdentity
from shared.adapters.local.identity import LocalIdentity
from shared.adapters.system.clock import SystemClock
from shared.domain.errors import Unauthenticated, WrongServiceAccount
from shared.ports.identity import Identity, ServiceIdentity
from tests.servers.certificate_server import AUDIENCE, PROJECT, SCHEDULER, CertificateServer
from tests.support.builders import ADA, seconds
from tests.support.fakes import FakeClock
from tests.support.forged_tokens import forged_locally, forged_service_tokens, forged_user_tokens

KEY = b"0123456789abcdef0123456789abcdef"


@dataclass(kw_only=True)
class Issuer:
    """Identities, with valid, expired and forged tokens."""

    identity: Identity
    services: ServiceIdentity
    user_token: Callable[..., str]
    """Return a user's token, issued `age_s` ago, valid for less than 32 days."""
    service_token: Callable[..., str]
    """Return an allowed service's token, issued `age_s` ago."""
    strangers_token: Callable[[], str]
    """Return a valid token of a forbidden service."""
    forged_users: Callable[[], dict[str, str]]
    forged_services: Callable[[], dict[str, str]]


@contextmanager
def local() -> Iterator[Issuer]:
    clock = FakeClock()
    identity = LocalIdentity(KEY, clock=clock)

    def before(age_s: float) -> LocalIdentity:
        return LocalIdentity(KEY, clock=FakeClock(clock.now() - seconds(age_s)))

    yield Issuer(
        identity=identity,
        services=identity,
        user_token=lambda name, age_s=0: before(age_s).sign_in(name),
        service_token=lambda age_s=0: before(age_s).service_token("scheduler"),
        strangers_token=lambda: identity.sign_in("ada"),
        forged_users=lambda: forged_locally(KEY, clock),
        forged_services=lambda: forged_locally(KEY, clock),
    )


@contextmanager
def google() -> Iterator[Issuer]:
    """Firebase's users and Google's service accounts."""
    clock = SystemClock()
    with CertificateServer() as server:
        yield Issuer(
            identity=FirebaseIdentity(PROJECT, clock=clock, endpoint=server.base_url),
            services=GoogleServiceIdentity(
                audience=AUDIENCE, accounts=[SCHEDULER], clock=clock, endpoint=server.base_url
            ),
            user_token=server.user_token,
            service_token=server.service_token,
            strangers_token=lambda: server.service_token("stranger@example.com"),
            forged_users=lambda: forged_user_tokens(server),
            forged_services=lambda: forged_service_tokens(server),
        )


@pytest.fixture(params=[pytest.param(local, id="local"), pytest.param(google, id="google")])
def issuer(request: pytest.FixtureRequest) -> Iterator[Issuer]:
    make: Callable[[], AbstractContextManager[Issuer]] = request.param
    with make() as issuer:
        yield issuer


@pytest.mark.parametrize("must_be_live", [False, True])
def test_user_token_identifies_the_user(issuer: Issuer, must_be_live: bool) -> None:  # noqa: FBT001 (a parameter of pytest)
    caller = issuer.identity.caller(issuer.user_token("ada"), must_be_live=must_be_live)

    assert (caller.user_id, caller.username_hint, caller.is_verified) == (ADA, "ada", True)
    assert caller.verified_contact


def test_user_is_no_operator_by_default(issuer: Issuer) -> None:
    assert not issuer.identity.caller(issuer.user_token("ada")).is_admin


def test_service_token_identifies_the_service(issuer: Issuer) -> None:
    assert issuer.services.service(issuer.service_token())


def test_user_and_service_tokens_are_not_interchangeable(issuer: Issuer) -> None:
    with pytest.raises((WrongServiceAccount, Unauthenticated)):
        issuer.services.service(issuer.user_token("ada"))
    with pytest.raises(Unauthenticated):
        issuer.identity.caller(issuer.service_token())


def test_forbidden_service_has_its_own_error(issuer: Issuer) -> None:
    with pytest.raises(WrongServiceAccount):
        issuer.services.service(issuer.strangers_token())


def test_expired_token_is_refused(issuer: Issuer) -> None:
    month_s = 32 * 24 * 3600

    with pytest.raises(Unauthenticated):
        issuer.identity.caller(issuer.user_token("ada", age_s=month_s))
    with pytest.raises(Unauthenticated):
        issuer.services.service(issuer.service_token(age_s=month_s))


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "a" * 5000, "é.é.é", "..", "{}", "\ud800", "null"], ids=ascii
)
def test_garbage_is_refused(issuer: Issuer, token: str) -> None:
    for ask in (issuer.identity.caller, issuer.services.service):
        with pytest.raises(Unauthenticated):
            ask(token)


def test_forgeries_are_refused(issuer: Issuer) -> None:
    believed = [
        name
        for ask, tokens in (
            (issuer.identity.caller, issuer.forged_users()),
            (issuer.services.service, issuer.forged_services()),
        )
        for name, token in tokens.items()
        if not is_refused(ask, token)
    ]

    assert believed == []


def is_refused(ask: Callable[[str], object], token: str) -> bool:
    try:
        ask(token)
    except Unauthenticated:
        return True
    return False


def test_tampered_token_is_refused(issuer: Issuer) -> None:
    head, body, signature = issuer.user_token("ada").split(".")
    others = issuer.user_token("ben").split(".")[1]

    for token in (f"{head}.{others}.{signature}", f"{head}.{body}.", f"{head}.{body}"):
        with pytest.raises(Unauthenticated):
            issuer.identity.caller(token)


def test_tokens_are_accepted_after_warm_up(issuer: Issuer) -> None:
    issuer.identity.warm_up()
    issuer.services.warm_up()

    assert issuer.identity.caller(issuer.user_token("ada")).user_id == ADA
    assert issuer.services.service(issuer.service_token())


@pytest.mark.parametrize("email", ["nobody@example.com", "no address", "", "@"])
def test_unknown_email_address_has_no_user(issuer: Issuer, email: str) -> None:
    assert issuer.identity.user_id_of(email) is None
