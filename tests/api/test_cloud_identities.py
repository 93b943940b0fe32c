"""The API with Firebase's users and Google's service accounts."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import httpx
import pytest

from api_service.app import create_app
from shared.adapters.firebase.identity import FirebaseIdentity
from shared.adapters.firebase.service_identity import GoogleServiceIdentity
from shared.adapters.system.clock import SystemClock
from tests.api.conftest import Server
from tests.servers.certificate_server import (
    AUDIENCE,
    LOOKUP,
    PROJECT,
    SCHEDULER,
    SERVICES_CERTIFICATES,
    USERS_CERTIFICATES,
    CertificateServer,
)
from tests.support.eventually import eventually
from tests.support.forged_tokens import forged_service_tokens, forged_user_tokens
from tests.support.world import World


class CloudApi:
    """The API of a world whose callers have tokens from Google."""

    def __init__(self, world: World, google: CertificateServer, server: Server) -> None:
        self.world = world
        self.google = google
        clock = SystemClock()
        identity = FirebaseIdentity(PROJECT, clock=clock, endpoint=google.base_url)
        services = GoogleServiceIdentity(
            audience=AUDIENCE, accounts=[SCHEDULER], clock=clock, endpoint=google.base_url
        )
        ports = replace(world.phoenix.ports, identity=identity, service_identity=services)
        self.app = create_app(replace(world.phoenix, ports=ports, local=None))
        server.app = self.app
        self.base_url = server.base_url
        self._client = httpx.Client(base_url=server.base_url, verify=False)
        self.close = self._client.close

    def request(self, method: str, path: str, token: str, **body: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return self._client.request(method, path, headers=headers, json=body or None)


@pytest.fixture
def cloud(world: World, server: Server) -> Iterator[CloudApi]:
    with ExitStack() as opened:
        google = opened.enter_context(CertificateServer())
        api = CloudApi(world, google, server)
        opened.callback(api.close)
        yield api


def test_forged_tokens_are_401(cloud: CloudApi) -> None:
    calls = [
        *(("GET", "/api/me", each) for each in forged_user_tokens(cloud.google).items()),
        *(
            ("POST", "/internal/cleanup", each)
            for each in forged_service_tokens(cloud.google).items()
        ),
    ]
    answers = {
        f"{path}: {name}": cloud.request(method, path, token).status_code
        for method, path, (name, token) in calls
        if name != "followed by a line end"  # no header can hold it
    }

    assert len(answers) > 100
    assert {name: status for name, status in answers.items() if status != 401} == {}


def test_users_and_the_scheduler_are_accepted(cloud: CloudApi) -> None:
    me = cloud.request("GET", "/api/me", cloud.google.user_token(name="Ada Lovelace"))
    swept = cloud.request("POST", "/internal/cleanup", cloud.google.service_token())

    assert (me.json()["userId"], me.json()["username"]) == ("ada", "ada-lovelace")
    assert swept.status_code == 200


def test_unlisted_service_is_refused(cloud: CloudApi) -> None:
    stranger = cloud.google.service_token("stranger@phoenix-test.iam.gserviceaccount.com")
    refused = cloud.request("POST", "/internal/cleanup", stranger)

    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_service_account")
    assert cloud.request("POST", "/internal/cleanup", cloud.google.user_token()).status_code == 401


def test_disabled_account_can_read_but_not_spend(cloud: CloudApi) -> None:
    token = cloud.google.user_token()
    cloud.google.records["ada"] |= {"disabled": True}
    spent = cloud.request("POST", "/api/generate/video", token, prompt="a fox")

    assert cloud.request("GET", "/api/me", token).status_code == 200
    assert (spent.status_code, spent.json()["code"]) == (403, "account_disabled")


def test_disabled_account_is_refused_before_its_body_is_parsed(cloud: CloudApi) -> None:
    cloud.request("GET", "/api/me", cloud.google.user_token("ben")).raise_for_status()
    token = cloud.google.user_token()
    cloud.google.records["ada"] |= {"disabled": True}
    headers = {"Authorization": f"Bearer {token}"}
    path = f"{cloud.base_url}/api/generate/creation"

    for media_type in ("application/json", "text/plain"):
        sent = {"Content-Type": media_type, "Idempotency-Key": "k" * 201}
        refused = httpx.post(path, headers={**headers, **sent}, content=b"{")
        assert (refused.status_code, refused.json()["code"]) == (403, "account_disabled")


@pytest.mark.parametrize("must_be_live", [False, True])
def test_slow_identity_server_delays_no_other_request(
    cloud: CloudApi,
    must_be_live: bool,  # noqa: FBT001 (a parameter of pytest)
) -> None:
    token, silence = cloud.google.user_token(), threading.Event()
    if must_be_live:  # then only the check for revocation asks the server
        cloud.request("GET", "/api/me", cloud.google.user_token("ben")).raise_for_status()
    cloud.google.silence = silence
    asked = len(cloud.google.paths)

    with ThreadPoolExecutor(1) as caller:
        call = ("POST", "/api/generate/video") if must_be_live else ("GET", "/api/me")
        slow = caller.submit(cloud.request, *call, token)
        try:
            eventually(lambda: len(cloud.google.paths) > asked)
            assert httpx.get(f"{cloud.base_url}/api/health", timeout=1).status_code == 200
            assert not slow.done()
        finally:
            silence.set()

    assert slow.result().status_code == (400 if must_be_live else 200)


def test_missing_certificates_are_503_and_never_401(cloud: CloudApi) -> None:
    cloud.google.is_down = True
    for method, path, token in (
        ("GET", "/api/me", cloud.google.user_token()),
        ("POST", "/internal/cleanup", cloud.google.service_token()),
    ):
        answer = cloud.request(method, path, token)

        assert (answer.status_code, answer.json()["code"]) == (503, "identity_unavailable")
        assert int(answer.headers["retry-after"]) > 0


def test_sign_in_by_name_is_not_available_in_the_cloud(cloud: CloudApi) -> None:
    answer = cloud.request("POST", "/api/local/sign-in", "x", username="ada")

    assert answer.status_code == 404


@pytest.mark.parametrize("is_down", [False, True])
def test_api_warms_up_and_starts_even_if_that_fails(cloud: CloudApi, is_down: bool) -> None:  # noqa: FBT001 (a parameter of pytest)
    cloud.google.is_down = is_down
    everything = [USERS_CERTIFICATES, LOOKUP, SERVICES_CERTIFICATES]

    async def start() -> None:
        async with cloud.app.router.lifespan_context(cloud.app):
            pass

    asyncio.run(start())
    eventually(lambda: cloud.google.paths == (everything[:1] if is_down else everything))


def test_operator_is_refused_once_the_token_is_not_live(cloud: CloudApi) -> None:
    user, operator = cloud.google.user_token("ben"), cloud.google.user_token("olga", admin=True)
    disabled = cloud.google.user_token("gone", admin=True)
    cloud.google.records["gone"]["disabled"] = True

    answers = {
        token: cloud.request("GET", "/api/admin/acts", token)
        for token in (user, operator, disabled)
    }

    assert answers[operator].status_code == 200
    refused = [
        (answers[each].status_code, answers[each].json()["code"]) for each in (user, disabled)
    ]
    assert refused == [(403, "not_an_operator"), (403, "account_disabled")]
