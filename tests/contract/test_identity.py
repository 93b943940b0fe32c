"""The promises of the Identity and ServiceIdentity ports, for every adapter."""

from collections.abc import Callable
from dataclasses import dataclass

import jwt
import pytest

from shared.adapters.local_identity import ISSUER, USER_AUDIENCE, LocalIdentity
from shared.domain.errors import Unauthenticated, WrongServiceAccount
from shared.ports.identity import Identity, ServiceIdentity
from tests.builders import ADA
from tests.fakes import FakeClock

KEY = b"0123456789abcdef0123456789abcdef"


@dataclass
class Issuer:
    """Identities, and how to get tokens that are good, over, and not for this purpose."""

    identity: Identity
    services: ServiceIdentity
    user_token: Callable[[str], str]
    service_token: Callable[[], str]
    clock: FakeClock
    forged: Callable[[], list[str]]


def local() -> Issuer:
    clock = FakeClock()
    identity = LocalIdentity(KEY, clock=clock)

    def forged() -> list[str]:
        now_s = int(clock.now().timestamp())
        good = {"iss": ISSUER, "aud": USER_AUDIENCE, "sub": "ada", "iat": now_s, "exp": now_s + 60}
        claims: list[dict[str, object]] = [
            good | {"aud": "other"},
            good | {"iss": "other"},
            good | {"exp": now_s - 1},
            good | {"iat": now_s + 60},
            good | {"sub": 7},
            *({name: good[name] for name in good if name != left_out} for left_out in good),
        ]
        return [
            *(jwt.encode(each, KEY, algorithm="HS256") for each in claims[:4]),
            *(jwt.encode(each, KEY, algorithm="HS256") for each in claims[5:]),
            jwt.encode(good, "x" * 32, algorithm="HS256"),
            jwt.encode(good, KEY * 2, algorithm="HS512"),
            jwt.encode(good, "", algorithm="none"),
        ]

    return Issuer(
        identity,
        identity,
        identity.sign_in,
        lambda: identity.service_token("scheduler"),
        clock,
        forged,
    )


@pytest.fixture(params=[pytest.param(local, id="local")])
def issuer(request: pytest.FixtureRequest) -> Issuer:
    made: Issuer = request.param()
    return made


@pytest.mark.parametrize("must_be_live", [False, True])
def test_a_users_token_is_the_user(issuer: Issuer, must_be_live: bool) -> None:  # noqa: FBT001 (a parameter of pytest)
    caller = issuer.identity.caller(issuer.user_token("ada"), must_be_live=must_be_live)

    assert (caller.user_id, caller.username_hint, caller.is_verified) == (ADA, "ada", True)


def test_a_services_token_is_the_service(issuer: Issuer) -> None:
    assert issuer.services.service(issuer.service_token())


def test_a_user_is_no_service_and_a_service_no_user(issuer: Issuer) -> None:
    with pytest.raises(WrongServiceAccount):
        issuer.services.service(issuer.user_token("ada"))
    with pytest.raises(Unauthenticated):
        issuer.identity.caller(issuer.service_token())


def test_a_token_that_is_over_proves_nothing(issuer: Issuer) -> None:
    user, service = issuer.user_token("ada"), issuer.service_token()
    issuer.clock.sleep(31 * 24 * 3600)

    with pytest.raises(Unauthenticated):
        issuer.identity.caller(user)
    with pytest.raises(Unauthenticated):
        issuer.services.service(service)


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "a" * 5000, "é.é.é", "..", "{}", "\ud800", "null"], ids=ascii
)
def test_garbage_proves_nothing(issuer: Issuer, token: str) -> None:
    for ask in (issuer.identity.caller, issuer.services.service):
        with pytest.raises(Unauthenticated):
            ask(token)


def test_forgeries_prove_nothing(issuer: Issuer) -> None:
    for token in issuer.forged():
        with pytest.raises(Unauthenticated):
            issuer.identity.caller(token)


def test_a_tampered_token_proves_nothing(issuer: Issuer) -> None:
    head, body, signature = issuer.user_token("ada").split(".")
    others = issuer.user_token("ben").split(".")[1]

    for token in (f"{head}.{others}.{signature}", f"{head}.{body}.", f"{head}.{body}"):
        with pytest.raises(Unauthenticated):
            issuer.identity.caller(token)
