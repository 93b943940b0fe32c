"""Thread hops per request, and what runs on the event loop."""

import threading
from collections.abc import Callable
from typing import Annotated, Any

import anyio
import pytest
from anyio._backends._asyncio import AsyncIOBackend
from fastapi import APIRouter, Cookie, Depends, Response

from api_service.one_hop import OneHopRoute
from api_service.threads import Threads
from tests.api.conftest import Api
from tests.support.eventually import eventually

OPEN = {"type": "image", "prompt": "a fox"}


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count calls that run in another thread, our own and those of libraries."""
    counted: list[str] = []
    own, others = Threads.run, AsyncIOBackend.run_sync_in_worker_thread

    async def run(self: Threads, function: Callable[[], Any]) -> Any:
        counted.append("own")
        return await own(self, function)

    async def run_sync(*args: Any, **options: Any) -> Any:
        counted.append("anyio")
        return await others(*args, **options)

    monkeypatch.setattr(Threads, "run", run)
    monkeypatch.setattr(AsyncIOBackend, "run_sync_in_worker_thread", staticmethod(run_sync))
    return counted


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "/api/generate/creation", OPEN, 1),
        ("POST", "/api/generate/creation", {"prompt": ""}, 1),
        ("POST", "/api/generate/creation/{id}/cancel", None, 1),
        ("DELETE", "/api/generate/creation/{id}", None, 1),
        ("GET", "/api/generate/creation/{id}", None, 1),
        ("GET", "/api/generate/drafts", None, 1),
        ("GET", "/api/generate/drafts?limit=0", None, 1),
        ("GET", "/api/me", None, 1),
        ("GET", "/api/me/transactions", None, 1),
        ("GET", "/api/feed", None, 1),
        ("GET", "/api/profiles/nobody", None, 1),
        ("POST", "/api/local/sign-in", {"username": "ada"}, 1),
        ("GET", "/api/health", None, 0),
        ("GET", "/api/web-config", None, 0),
        ("GET", "/create", None, 0),
        ("GET", "/api/nothing", None, 0),
        ("PUT", "/api/me", None, 0),
    ],
)
@pytest.mark.parametrize("is_known", [False, True], ids=["first request", "later request"])
def test_request_makes_one_thread_hop_at_most(
    api: Api,
    hops: list[str],
    *,
    method: str,
    path: str,
    body: dict[str, str] | None,
    expected: int,
    is_known: bool,
) -> None:
    creation_id = api.world.open().creation.creation_id
    ada = api.client("ada")
    if is_known:
        ada.get("/api/me")
    hops.clear()

    ada.request(method, path.format(id=creation_id), json=body)

    assert len(hops) == expected


def test_forged_token_makes_no_thread_hop(api: Api, hops: list[str]) -> None:
    client = api.client()
    client.headers["Authorization"] = "Bearer forged.forged.forged"

    assert client.post("/api/generate/creation", json=OPEN).status_code == 401
    assert hops == []


def test_more_calls_than_threads_wait_for_their_turn() -> None:
    threads, gate, idents = Threads(3), threading.Event(), list[int]()

    def work() -> None:
        idents.append(threading.get_ident())
        gate.wait()

    async def many() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(threads.run, work)
            await anyio.wait_all_tasks_blocked()
            await anyio.to_thread.run_sync(eventually, lambda: len(idents) == 3)
            gate.set()

    anyio.run(many)

    assert len(idents) == 50
    assert len(set(idents)) == 3


def test_error_of_a_thread_is_raised_to_its_caller() -> None:
    async def fail() -> None:
        await Threads(1).run(lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        anyio.run(fail)


def test_call_that_ends_an_iterator_ends() -> None:
    async def end() -> None:
        await Threads(1).run(lambda: next(iter(())))

    with pytest.raises(RuntimeError, match="StopIteration"):
        anyio.run(end)


def test_cancelled_call_frees_its_thread() -> None:
    threads, begun, gate = Threads(1), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        gate.wait()

    async def cancel_and_run() -> int:
        with anyio.move_on_after(10) as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(threads.run, work)
                while not begun.is_set():
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
        gate.set()
        return await threads.run(lambda: 7)

    assert anyio.run(cancel_and_run) == 7


def test_async_route_cannot_have_a_blocking_dependency() -> None:
    def blocks() -> None: ...

    async def route(_: Annotated[None, Depends(blocks)]) -> Response:
        return Response()

    with pytest.raises(AssertionError, match="may block"):
        APIRouter(route_class=OneHopRoute).get("/")(route)


def test_route_cannot_have_a_parameter_that_needs_validation() -> None:
    def number(count: int = 1) -> Response:
        return Response(str(count))

    def required(name: str) -> Response:
        return Response(name)

    def cookie(name: Annotated[str, Cookie()]) -> Response:
        return Response(name)

    for route in (number, required, cookie):
        with pytest.raises(AssertionError, match=r"validation|from the request"):
            APIRouter(route_class=OneHopRoute).get("/")(route)
