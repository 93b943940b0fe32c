"""Welcome tokens in the cloud: one grant per verified address, also if verified later."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.api.conftest import Server
from tests.api.test_cloud_identities import CloudApi
from tests.servers.certificate_server import LOOKUP, CertificateServer
from tests.support.world import World

UNVERIFIED: dict[str, Any] = {"email_verified": False}
DAY_S = 24 * 3600


@pytest.fixture
def new_cloud(new_world: Callable[..., World], server: Server) -> Iterator[Callable[..., CloudApi]]:
    """Creates the API of a world with other settings."""
    with ExitStack() as opened:

        def make(**environment: str) -> CloudApi:
            world = new_world(**environment)
            google = opened.enter_context(CertificateServer())
            api = CloudApi(world, google, server)
            opened.callback(api.close)
            return api

        yield make


@pytest.fixture
def cloud(new_cloud: Callable[..., CloudApi]) -> CloudApi:
    return new_cloud()


def balance(cloud: CloudApi, user: str, **claims: Any) -> int:
    """Return the balance that `/api/me` shows a user whose token has these claims."""
    answer = cloud.request("GET", "/api/me", cloud.google.user_token(user, **claims))
    assert answer.status_code == 200
    tokens: int = answer.json()["tokenBalance"]
    return tokens


def test_welcome_is_granted_when_the_email_is_verified_long_after_sign_up(cloud: CloudApi) -> None:
    assert balance(cloud, "ada", **UNVERIFIED) == 0
    assert balance(cloud, "ada", **UNVERIFIED) == 0

    assert balance(cloud, "ada") == 100
    assert balance(cloud, "ada") == 100


def test_first_verified_request_may_be_a_creation(cloud: CloudApi) -> None:
    balance(cloud, "ada", **UNVERIFIED)
    token = cloud.google.user_token()

    opened = cloud.request("POST", "/api/generate/video", token, prompt="a fox")

    assert (opened.status_code, opened.json()["tokenBalance"]) == (202, 90)


def test_unverified_user_cannot_pay_with_a_welcome(cloud: CloudApi) -> None:
    token = cloud.google.user_token(**UNVERIFIED)

    refused = cloud.request("POST", "/api/generate/video", token, prompt="a fox")

    assert (refused.status_code, refused.json()["balance"]) == (402, 0)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"email": "ada@example.com"}, {"email": "ada@example.com"}),
        ({"email": "ada@example.com"}, {"email": "Ada+two@EXAMPLE.com"}),
        ({"email": "ada.byron@gmail.com"}, {"email": "a.d.abyron+x@googlemail.com"}),
        ({"email": "ada@example.com"}, {"email": "\uff41da@example.com"}),
        (
            {"email": None, "phone_number": "+46701234567"},
            {"email": None, "phone_number": "+46701234567"},
        ),
    ],
)
def test_two_users_with_one_address_get_one_welcome(
    cloud: CloudApi, first: dict[str, object], second: dict[str, object]
) -> None:
    assert balance(cloud, "first", **first) == 100
    assert balance(cloud, "second", **second) == 0
    assert balance(cloud, "second", **second) == 0


def test_users_with_different_addresses_each_get_a_welcome(cloud: CloudApi) -> None:
    assert balance(cloud, "first", email="a.b@example.com") == 100
    assert balance(cloud, "second", email="ab@example.com") == 100
    assert balance(cloud, "third", email=None, phone_number="+46701234567") == 100


def test_disabled_user_gets_an_account_and_no_welcome(cloud: CloudApi) -> None:
    token = cloud.google.user_token()
    cloud.google.records["ada"] |= {"disabled": True}

    assert cloud.request("GET", "/api/me", token).json()["tokenBalance"] == 0

    cloud.google.records["ada"] |= {"disabled": False}
    assert cloud.request("GET", "/api/me", token).json()["tokenBalance"] == 100


def test_welcome_beyond_the_daily_limit_is_granted_later(
    new_cloud: Callable[..., CloudApi],
) -> None:
    cloud = new_cloud(PHOENIX_POLICY_WELCOME_GRANTS_PER_DAY_MAX="16")
    users = [f"user-{n}" for n in range(40)]

    balances = [balance(cloud, user) for user in users]
    assert 0 < balances.count(100) <= 16
    late = users[balances.index(0)]
    assert balance(cloud, late) == 0

    cloud.world.clock.sleep(DAY_S)
    assert balance(cloud, late) == 100


def test_account_that_could_not_be_created_is_created_by_the_next_request(cloud: CloudApi) -> None:
    cloud.world.store.faults = ["down"] * 5
    token = cloud.google.user_token()

    assert cloud.request("GET", "/api/me/transactions", token).status_code == 503

    cloud.world.store.faults = []
    [entry] = cloud.request("GET", "/api/me/transactions", token).json()["transactions"]
    assert entry["amount"] == 100


def test_verified_address_is_looked_up_only_once(cloud: CloudApi) -> None:
    balance(cloud, "ada")
    cloud.google.paths.clear()

    assert [balance(cloud, "ada") for _ in range(3)] == [100] * 3
    assert LOOKUP not in cloud.google.paths


def test_lookup_outage_delays_a_welcome_but_not_reads(cloud: CloudApi) -> None:
    balance(cloud, "ben")  # fetches the certificates
    cloud.google.is_down = True

    assert balance(cloud, "ada") == 0

    cloud.google.is_down = False
    assert balance(cloud, "ada") == 100
