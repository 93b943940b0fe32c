"""The API on a real server, over the steerable world."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
import uvicorn

from api_service.main import create_app
from tests.eventually import eventually
from tests.world import World


class Api:
    """A server of this process and a client for each user."""

    def __init__(self, world: World) -> None:
        self.world = world
        config = uvicorn.Config(
            create_app(world.phoenix), host="127.0.0.1", port=0, log_level="error", access_log=False
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        eventually(lambda: self._server.started)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}"
        self.clients = ExitStack()

    def client(self, user: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.world.identity.sign_in(user)}"} if user else {}
        client = httpx.Client(base_url=self.base_url, headers=headers)
        return self.clients.enter_context(client)

    def service(self) -> httpx.Client:
        client = self.client()
        client.headers["Authorization"] = f"Bearer {self.world.identity.service_token('test')}"
        return client

    def close(self) -> None:
        self.clients.close()
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture
def new_api(new_world: Callable[..., World]) -> Iterator[Callable[..., Api]]:
    with ExitStack() as apis:

        def make(**environment: str) -> Api:
            api = Api(new_world(**environment))
            apis.callback(api.close)
            return api

        yield make


@pytest.fixture
def api(new_api: Callable[..., Api]) -> Api:
    return new_api()
