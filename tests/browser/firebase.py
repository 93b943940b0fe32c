"""A site in the cloud whose users are those of Firebase's emulator, and its visitors."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Route

from api_service.app import create_app
from api_service.security_policy import FirebaseWeb
from tests.browser.conftest import NewVisitor, Site, Visitor
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
API_KEY = "web-key"
PROVIDERS = ("google", "apple", "email")


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
        site.serve_app(create_app(replace(phoenix, ports=ports, local=None), firebase=firebase))
        yield firebase


def visitor_of(
    new_visitor: NewVisitor, site: Site, firebase: FirebaseWeb, **options: object
) -> Visitor:
    """Return a visitor whose browser gets Google's scripts from this machine."""
    visitor = new_visitor(site.base_url, **options)
    visitor.allowed += [firebase.sdk_url, str(firebase.emulator_url), GOOGLE_SCRIPTS]
    visitor.context.route(f"{firebase.sdk_url}/*", _send_sdk)
    visitor.context.route(f"{GOOGLE_SCRIPTS}**", _send_gapi)
    return visitor


def _send_sdk(route: Route) -> None:
    headers = {"Content-Type": "text/javascript", "Access-Control-Allow-Origin": "*"}
    route.fulfill(path=SDK / Path(route.request.url).name, headers=headers)


def _send_gapi(route: Route) -> None:
    is_loader = "/js/api.js" in route.request.url
    body = GAPI.read_text() if is_loader else ""
    route.fulfill(body=body, content_type="text/javascript")
