"""The API on a real server: one server for the session, one application per test."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from api_service.app import create_app
from api_service.connections import Connections
from tests.support.eventually import eventually
from tests.support.world import World


class Server:
    """A running server whose application can be replaced."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None
        config = uvicorn.Config(
            self,
            host="127.0.0.1",
            port=0,
            http=Connections().new_protocol,  # type: ignore[arg-type]  # called like a class
            log_level="error",
            access_log=False,
            lifespan="off",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        eventually(lambda: self._server.started)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()


class Api:
    """The API of one world, and a client for each user."""

    def __init__(self, world: World, server: Server, **options: Any) -> None:
        self.world = world
        self.base_url = server.base_url
        self.clients = ExitStack()
        server.app = create_app(world.phoenix, **options)

    def client(self, user: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.world.identity.sign_in(user)}"} if user else {}
        client = httpx.Client(base_url=self.base_url, headers=headers, verify=False)
        return self.clients.enter_context(client)

    def service(self) -> httpx.Client:
        client = self.client()
        client.headers["Authorization"] = f"Bearer {self.world.identity.service_token('test')}"
        return client


@contextmanager
def running_server() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def new_api(new_world: Callable[..., World], server: Server) -> Iterator[Callable[..., Api]]:
    with ExitStack() as apis:

        def make(options: dict[str, Any] | None = None, **environment: str) -> Api:
            api = Api(new_world(**environment), server, **(options or {}))
            apis.callback(api.clients.close)
            return api

        yield make


@pytest.fixture
def api(new_api: Callable[..., Api]) -> Api:
    return new_api()
