"""The API as an ASGI application; `python -m api_service` serves it."""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from types import FrameType

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from api_service import VERSION
from api_service.dependencies import links_of
from api_service.error_pages import error_answer
from api_service.errors import problem
from api_service.events import StreamLimits, Streams
from api_service.limits import REQUEST_ID_LETTERS, BodyLimit, HostCheck, LastResort, RequestFrame
from api_service.openapi import described
from api_service.public_pages import PublicPages
from api_service.routes import (
    account,
    actions,
    creations,
    events,
    feed,
    health,
    internal,
    local,
    pages,
)
from api_service.site import FirebaseWeb, Site
from shared import settings, telemetry, wiring
from shared.domain.errors import (
    IdentityUnavailable,
    MethodNotAllowed,
    OutcomeUnknown,
    PageNotFound,
    PhoenixError,
    WrongField,
    WrongSetting,
)
from shared.domain.kind import Kind
from shared.settings import GCPBackend, LocalBackend
from shared.wiring import Phoenix
from shared.wiring.generators import chosen_model

log = logging.getLogger(__name__)

THREADS = 80
LOCAL_HOSTS = ["localhost", "127.0.0.1"]
CORS_METHODS = ["GET", "POST", "DELETE"]
CORS_HEADERS = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "X-Firebase-AppCheck",
]
CORS_EXPOSED = ["Location", "Retry-After", "ETag", "X-Request-Id", "Idempotency-Replayed"]
WRONG_CONFIGURATION = 2
PARTS = (events, creations, actions, feed, account, health, internal, pages)


def app() -> FastAPI:
    """Return the application as the environment describes it, or exit 2 with one line."""
    telemetry.configure("api", project=os.environ.get("GOOGLE_CLOUD_PROJECT"))
    server = logging.getLogger("uvicorn")  # it comes with a handler that writes no JSON
    server.handlers.clear()
    server.propagate = True
    try:
        phoenix = wiring.build(settings.load(os.environ))
    except WrongSetting as error:
        print(error, file=sys.stderr)  # noqa: T201 (the one line of a refused start)
        sys.exit(WRONG_CONFIGURATION)
    _tell_of_models(phoenix)
    return create_app(phoenix, firebase=_firebase(phoenix.settings.backend))


def _tell_of_models(phoenix: Phoenix) -> None:
    """Log which kinds cannot be made: the jobs refuse a model that has retired, the API does not."""
    backend = phoenix.settings.backend
    models = backend.gemini if isinstance(backend, LocalBackend) else backend
    if models is None:
        return
    for kind in Kind:
        try:
            chosen_model(models, kind, today=phoenix.ports.clock.now().date())
        except WrongSetting as error:
            log.error("model_retired", extra={"kind": kind, "reason": str(error)})  # noqa: TRY400 (a trace tells nothing)


def _firebase(backend: LocalBackend | GCPBackend) -> FirebaseWeb | None:
    if isinstance(backend, LocalBackend):
        return None
    return FirebaseWeb(
        api_key=backend.firebase_api_key,
        auth_domain=backend.firebase_auth_domain,
        project_id=backend.project,
    )


def create_app(
    phoenix: Phoenix,
    *,
    firebase: FirebaseWeb | None = None,
    stream_limits: StreamLimits | None = None,
) -> FastAPI:
    """Return the API of this Phoenix; `firebase` is what the pages sign in with in the cloud."""
    streams = Streams(
        phoenix.ports.store,
        phoenix.settings.costs,
        partial(links_of, phoenix),
        stream_limits or StreamLimits(),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        threading.Thread(target=_warm_up, args=[phoenix], daemon=True).start()
        _tell_of_signals(streams.stop)
        yield
        phoenix.ports.close()

    api = FastAPI(
        title="Phoenix",
        version=VERSION,
        description="Images and videos from prompts, paid with tokens.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    api.state.phoenix = phoenix
    api.state.known_accounts = set()
    api.state.probing = health.Probing()
    api.state.streams = streams
    api.state.public_pages = PublicPages(phoenix.ports.clock)
    api.state.site = Site(phoenix, firebase)
    routers = [part.router for part in PARTS] + ([local.router] if phoenix.local else [])
    for router in routers:
        api.include_router(router)
    api.state.routes = [route for router in routers for route in router.routes]
    api.openapi = partial(described, api)  # type: ignore[method-assign]  # as FastAPI's manual does it
    api.add_exception_handler(PhoenixError, _known)
    api.add_exception_handler(HTTPException, _unrouted)
    api.add_exception_handler(RequestValidationError, _misshapen)
    _surround(api, phoenix)
    return api


def _warm_up(phoenix: Phoenix) -> None:
    """Fetch what the first request would wait for; if it cannot be had, that request asks again."""
    phoenix.opening.admission.warm_up()
    try:
        phoenix.ports.identity.warm_up()
        phoenix.ports.service_identity.warm_up()
    except IdentityUnavailable as error:
        log.warning("not_warmed_up", extra={"reason": error.reason})


def _tell_of_signals(stop: Callable[[], None]) -> None:
    """Call `stop` when the server is told to end: it waits for streams before the lifespan ends."""
    loop = asyncio.get_running_loop()

    def chained(server: Callable[[int, FrameType | None], object]) -> None:
        def told(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(stop)
            server(number, frame)

        signal.signal(number, told)

    for number in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(number)
        if callable(handler) and threading.current_thread() is threading.main_thread():
            chained(handler)


def _surround(api: FastAPI, phoenix: Phoenix) -> None:
    """Add what surrounds every request; the last one added is the outermost."""
    api.add_middleware(BodyLimit)
    if phoenix.local is not None:
        api.add_middleware(HostCheck, allowed=LOCAL_HOSTS)
    api.add_middleware(LastResort)  # inside CORS: other origins' pages may read its answer too
    if phoenix.settings.cors_origins:
        api.add_middleware(
            CORSMiddleware,
            allow_origins=list(phoenix.settings.cors_origins),
            allow_methods=CORS_METHODS,
            allow_headers=CORS_HEADERS,
            expose_headers=CORS_EXPOSED,
        )
    api.add_middleware(RequestFrame, new_id=lambda: phoenix.ports.ids.random_id(REQUEST_ID_LETTERS))


def _known(request: Request, error: Exception) -> Response:
    if isinstance(error, OutcomeUnknown) and request.method != "GET":
        # What a GET may leave unknown is its caller's new account alone.
        error.creation_id = error.creation_id or request.path_params.get("creation_id")
    known = error if isinstance(error, PhoenixError) else PhoenixError()
    return error_answer(known, request.scope)


def _unrouted(request: Request, error: Exception) -> Response:
    """Answer for the router itself: no such address, or not with this method."""
    if not isinstance(error, HTTPException) or error.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
        return error_answer(PageNotFound(), request.scope)
    answered = error_answer(MethodNotAllowed(), request.scope)
    answered.headers["Allow"] = ", ".join(sorted(_methods(request)))
    return answered


def _methods(request: Request) -> set[str]:
    """Return the methods of every route at this address: the router names the first one's only.

    An id that spans segments (`ID/publish`) matches by its form alone: any other route wins.
    """
    methods: dict[bool, set[str]] = {True: set(), False: set()}
    for route in request.app.state.routes:
        if isinstance(route, Route):
            match, found = route.matches(request.scope)
            if match is not Match.NONE:
                spans = any("/" in str(value) for value in found["path_params"].values())
                methods[spans] |= route.methods or set()
    return methods[False] or methods[True]


def _misshapen(_: Request, error: Exception) -> Response:
    """Answer for a parameter that FastAPI itself refuses; its value is not repeated."""
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": ("query",)}
    return problem(WrongField(field=str(first["loc"][-1]), reason="it has the wrong type"))
