"""A site in the cloud whose users are those of Firebase's emulator, and its visitors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect
from starlette.types import ASGIApp, Receive, Scope, Send

from api_service.app import create_app
from api_service.security_policy import FirebaseWeb
from tests.browser.conftest import NewVisitor, Site, Visitor
from tests.servers import auth_emulator
from tests.servers.auth_emulator import (
    PROJECT,
    AuthEmulator,
    EmulatedIdentity,
    SignedEmulator,
)
from tests.support.machine import AUTH_EMULATOR

SDK = AUTH_EMULATOR / "node_modules/firebase"
GAPI = Path(__file__).parent / "gapi_stand_in.js"
GOOGLE_SCRIPTS = "https://apis.google.com/"
LOOKS = ("https://fonts.googleapis.com/", "https://unpkg.com/")
"""Fonts and styles of the emulator's pop-up, which works without them."""
API_KEY = "web-key"
PROVIDERS = ("google", "apple", "email")
ADA = "ada@example.com"
PASSWORD = "a long password"

NewPerson = Callable[..., Visitor]


@pytest.fixture(scope="session")
def running_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthEmulator]:
    with auth_emulator.running(tmp_path_factory.mktemp("auth")) as emulator:
        yield emulator


@pytest.fixture
def emulator(running_emulator: AuthEmulator) -> AuthEmulator:
    """Return the emulator without any account."""
    running_emulator.clear()
    return running_emulator


@pytest.fixture
def firebase(site: Site, emulator: AuthEmulator) -> Iterator[FirebaseWeb]:
    with in_the_cloud(site, emulator) as firebase:
        yield firebase


@pytest.fixture
def new_person(new_visitor: NewVisitor, site: Site, firebase: FirebaseWeb) -> NewPerson:
    return lambda **options: visitor_of(new_visitor, site, firebase, **options)


@contextmanager
def in_the_cloud(
    site: Site, emulator: AuthEmulator, *, providers: tuple[str, ...] = PROVIDERS
) -> Iterator[FirebaseWeb]:
    """Serve the site with the emulator's users and the cloud's security policy."""
    firebase = FirebaseWeb(
        api_key=API_KEY,
        auth_domain=f"{PROJECT}.firebaseapp.com",
        project_id=PROJECT,
        providers=providers,
        emulator_url=emulator.url,
    )
    with SignedEmulator(emulator=emulator) as google:
        phoenix = site.world.phoenix
        identity = EmulatedIdentity(emulator, google)
        ports = replace(phoenix.ports, identity=identity)
        cloud = create_app(replace(phoenix, ports=ports, local=None), firebase=firebase)
        site.serve_app(_WithMedia(cloud, create_app(phoenix)))
        yield firebase


class _WithMedia:
    """The site in the cloud, with the links to media of local mode."""

    def __init__(self, cloud: ASGIApp, local: ASGIApp) -> None:
        self._cloud, self._local = cloud, local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_media = scope.get("path", "").startswith("/media/")
        await (self._local if is_media else self._cloud)(scope, receive, send)


def visitor_of(
    new_visitor: NewVisitor, site: Site, firebase: FirebaseWeb, **options: object
) -> Visitor:
    """Return a visitor whose browser gets Google's scripts from this machine."""
    visitor = new_visitor(site.base_url, **options)
    visitor.allowed += [firebase.sdk_url, str(firebase.emulator_url), GOOGLE_SCRIPTS, *LOOKS]
    visitor.context.route(f"{firebase.sdk_url}/*", _send_sdk)
    visitor.context.route(f"{GOOGLE_SCRIPTS}**", _send_gapi)
    for url in LOOKS:
        visitor.context.route(f"{url}**", lambda route: route.fulfill(body=""))
    return visitor


def _send_sdk(route: Route) -> None:
    headers = {"Content-Type": "text/javascript", "Access-Control-Allow-Origin": "*"}
    route.fulfill(path=SDK / Path(route.request.url).name, headers=headers)


def _send_gapi(route: Route) -> None:
    is_loader = "/js/api.js" in route.request.url
    body = GAPI.read_text() if is_loader else ""
    route.fulfill(body=body, content_type="text/javascript")


def fill(page: Page, email: str, password: str) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(password)


def submit(page: Page, name: str = "Sign in") -> None:
    page.locator("form").get_by_role("button", name=name).click()


def sign_up(page: Page, email: str = ADA) -> None:
    fill(page, email, PASSWORD)
    submit(page, "Create account")
    expect(page.get_by_role("heading", name="Verify your email")).to_be_visible()


def sign_in(page: Page, email: str = ADA) -> None:
    fill(page, email, PASSWORD)
    submit(page)
    page.wait_for_url("**/create")
    expect(page.locator("#balance")).to_have_text("100 tokens")
