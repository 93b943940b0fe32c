"""Pages in headless Chromium, over the one-machine stack or over a controlled `World`."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)
from starlette.types import ASGIApp

from infrastructure.local.stack import Stack
from shared.domain.creation import Creation
from shared.domain.kind import Kind
from shared.domain.media import StoredMedia
from shared.ffmpeg import run_ffmpeg
from tests.api.conftest import Api, Server, running_server
from tests.end_to_end.conftest import SCALED_DOWN, OneMachine
from tests.support.builders import stored_media
from tests.support.world import World

TIMEOUT_MS = 30_000
TOKEN = re.compile(r"eyJ[\w-]+\.eyJ")
WORKER_BLOCKED = "Service Worker registration blocked by Playwright"
ERROR_STATUS = "Failed to load resource: the server responded with a status of "


class Visitor:
    """One user's browser context: its requests, and the errors on its pages."""

    def __init__(self, context: BrowserContext, base_url: str) -> None:
        self.context = context
        self.base_url = base_url
        self.allowed = [base_url, "blob:", "data:"]
        """Prefixes of the URLs that pages may request."""
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.expected = [WORKER_BLOCKED]
        """Prefixes of errors that the test causes."""
        context.set_default_timeout(TIMEOUT_MS)
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("console", self._record)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    def _record(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.text} {message.location.get('url', '')}")

    def expect_statuses(self, *statuses: int) -> None:
        self.expected += [f"{ERROR_STATUS}{status}" for status in statuses]

    def page(self, path: str | None = None) -> Page:
        page = self.context.new_page()
        if path is not None:
            page.goto(f"{self.base_url}{path}")
        return page

    def sign_in(self, name: str, path: str = "/create") -> Page:
        """Sign in as the form does, but without loading its page, and return the requested one."""
        url, data = f"{self.base_url}/api/local/sign-in", {"username": name}
        answer = self.context.request.post(url, data=data).json()
        page = self.page("/robots.txt")  # a page of this origin without scripts
        session = json.dumps({"username": name, "token": answer["token"]})
        page.evaluate("session => localStorage.setItem('phoenix.session', session)", session)
        page.goto(f"{self.base_url}{path}")
        expect(page.locator("#balance")).to_be_visible()
        return page

    def check(self) -> None:
        """Assert that there were no unexpected errors and no requests to other origins."""
        unexpected = [text for text in self.errors if not text.startswith(tuple(self.expected))]
        elsewhere = [url for url in self.requests if not url.startswith(tuple(self.allowed))]
        assert (unexpected, elsewhere) == ([], [])
        assert not [url for url in self.requests if TOKEN.search(url)]


NewVisitor = Callable[..., Visitor]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for one module, because Playwright keeps an event loop running in this thread."""
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        yield browser
        browser.close()


@pytest.fixture
def new_visitor(chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """Create fresh browser contexts, and check them for errors when the test ends.

    They have no service worker: it would load files in the background of any test.
    """
    visitors: list[Visitor] = []

    def make(base_url: str, **options: Any) -> Visitor:
        visitors.append(
            Visitor(chromium.new_context(**{"service_workers": "block", **options}), base_url)
        )
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.context.close()
    for visitor in visitors:
        visitor.check()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneMachine]:
    """One stack for the journeys of a module; each uses its own accounts.

    Its threads run and log in this process: no test of another module must see them.
    """
    folder = tmp_path_factory.mktemp("stack")
    with Stack({**os.environ, "PHOENIX_DATA": str(folder), **SCALED_DOWN}) as stack:
        machine = OneMachine(stack)
        yield machine
        machine.clients.close()
    assert machine.violations() == []


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    picture = ("-f", "lavfi", "-i", "testsrc=size=320x180:rate=24:duration=4")
    sound = ("-f", "lavfi", "-i", "sine=duration=4")
    coding = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac")
    shot = run_ffmpeg(["-v", "error", *picture, *sound, *coding, str(path)], timeout_s=30)
    assert shot.exit_status == 0, shot.stderr
    return path.read_bytes()


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("picture") / "picture.jpg"
    arguments = ["-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=1:duration=1"]
    shot = run_ffmpeg([*arguments, "-frames:v", "1", str(path)], timeout_s=30)
    assert shot.exit_status == 0, shot.stderr
    return path.read_bytes()


class Site:
    """Pages over a `World` that the test controls, with media that a browser can show."""

    def __init__(self, world: World, server: Server, media: tuple[bytes, bytes]) -> None:
        self.world = world
        self.base_url = server.base_url
        self._server = server
        self._clip, self._picture = media

    def serve(self, **options: Any) -> Api:
        return Api(self.world, self._server, **options)

    def serve_app(self, app: ASGIApp) -> None:
        self._server.app = app

    def media_of(self, claimed: Creation) -> StoredMedia:
        """Store the files of a claimed creation, and return their description."""
        self.world.store_files(claimed)
        media = stored_media(claimed)
        content = self._clip if claimed.kind is Kind.VIDEO else self._picture
        self._replace(media.media_key, content)
        self._replace(str(media.thumbnail_key), self._picture)
        return replace(media, size_bytes=len(content))

    def with_files(self, creation: Creation) -> Creation:
        """Return a ready creation whose files hold real pictures."""
        keys = {creation.media_key: self._clip, creation.thumbnail_key: self._picture}
        for key, content in keys.items():
            self._replace(str(key), content)
        for key, public in creation.public_keys.items():
            self._replace(public, keys[key])
        return creation

    def _replace(self, key: str, content: bytes) -> None:
        """Replace a file in one step: a page may be loading it."""
        path = self.world.files.path_of(key)
        new = path.with_suffix(".new")
        new.write_bytes(content)
        new.replace(path)

    def draft(self, **user: str) -> Creation:
        return self.with_files(self.world.draft(**user))

    def published(self, **changes: Any) -> Creation:
        return self.with_files(self.world.published(**changes))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def new_site(
    tmp_path: Path, server: Server, clip: bytes, picture: bytes
) -> Iterator[Callable[..., Site]]:
    with ExitStack() as worlds:

        def make(options: dict[str, Any] | None = None, **environment: str) -> Site:
            world = World(tmp_path, **{"PHOENIX_BASE_URL": server.base_url, **environment})
            worlds.callback(world.close)
            site = Site(world, server, (clip, picture))
            site.serve(**(options or {}))
            return site

        yield make


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    return new_site()
