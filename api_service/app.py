"""The application: routes, middleware and shared state of one Phoenix."""

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from types import FrameType

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from api_service import VERSION, etags
from api_service.dependencies import AppState
from api_service.error_responses import add_exception_handlers
from api_service.events import StreamLimits, Streams
from api_service.links import Links, ShortLinks
from api_service.middleware import BodyLimit, CatchAllErrors, HostCheck, RequestContext
from api_service.openapi import DescribedApi
from api_service.page_cache import PageCache
from api_service.readiness import ReadinessCheck
from api_service.routes import (
    account,
    actions,
    admin,
    bulk,
    creations,
    events,
    feed,
    health,
    internal,
    likes,
    local,
    pages,
    publications,
    replay,
    search,
    sharing,
)
from api_service.security_policy import FirebaseWeb
from api_service.shortcut import Shortcut
from api_service.static_files import StaticFiles
from shared.domain.errors import IdentityUnavailable
from shared.wiring import Phoenix

log = logging.getLogger(__name__)

LOCAL_HOSTS = ["localhost", "127.0.0.1"]
CORS_HEADERS = "Authorization,Content-Type,Idempotency-Key,If-None-Match,X-Firebase-AppCheck"
CORS_EXPOSED = ["Location", "Retry-After", "ETag", "X-Request-Id", "Idempotency-Replayed"]
ROUTERS = tuple(
    module.router
    for module in (
        *(likes, events, sharing, creations, bulk, actions, feed, publications, account, search),
        *(admin, replay, health, internal, pages),
    )
)


def create_app(
    phoenix: Phoenix,
    *,
    firebase: FirebaseWeb | None = None,
    stream_limits: StreamLimits | None = None,
) -> FastAPI:
    """Return the application. Without `firebase`, its pages sign in by name (local mode)."""
    new_links = _links(Links, phoenix)
    streams = Streams(
        phoenix.ports.store, phoenix.settings.costs, new_links, stream_limits or StreamLimits()
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        threading.Thread(target=_warm_up, args=[phoenix], daemon=True).start()
        _call_on_signal(streams.stop)
        yield
        phoenix.ports.close()

    api = DescribedApi(
        title="Phoenix",
        version=VERSION,
        description="Images and videos from prompts, paid with tokens.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    routers = (*ROUTERS, local.router) if phoenix.local else ROUTERS
    routes = tuple(route for router in routers for route in router.routes)
    api.router.routes.insert(0, Shortcut(routes))
    api.router.routes += routes  # `include_router` would match each path twice
    api.state.app = AppState(
        phoenix=phoenix,
        new_links=new_links,
        new_short_links=_links(ShortLinks, phoenix),
        streams=streams,
        page_cache=PageCache(phoenix.ports.clock),
        readiness=ReadinessCheck(phoenix.ports),
        static_files=StaticFiles(phoenix, firebase),
        routes=routes,
    )
    add_exception_handlers(api)
    add_middleware(api, phoenix)
    return api


def _links(kind: type[Links], phoenix: Phoenix) -> Callable[[], Links]:
    settings, ports = phoenix.settings, phoenix.ports
    return partial(kind, ports.media, ports.clock, settings.policy, settings.base_url)


def _warm_up(phoenix: Phoenix) -> None:
    """Fetch what the first request would wait for; on failure, that request fetches it."""
    etags.release()
    phoenix.opening.admission.warm_up()
    try:
        phoenix.ports.identity.warm_up()
        phoenix.ports.service_identity.warm_up()
    except IdentityUnavailable as error:
        log.warning("not_warmed_up", extra={"reason": error.reason})


def _call_on_signal(stop: Callable[[], None]) -> None:
    """Call `stop` before uvicorn's own handler: it waits for streams before the lifespan ends."""
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    uvicorn_handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop)
        if callable(handler := uvicorn_handlers[signal.Signals(number)]):
            handler(number, frame)

    for number, handler in uvicorn_handlers.items():
        if callable(handler):
            signal.signal(number, handle)


def add_middleware(api: FastAPI, phoenix: Phoenix) -> None:
    """Add the middleware, innermost first."""
    api.add_middleware(BodyLimit)
    if phoenix.local is not None:
        api.add_middleware(HostCheck, allowed=LOCAL_HOSTS)
    api.add_middleware(CatchAllErrors)  # inside CORS, so that other origins can read its response
    if phoenix.settings.cors_origins:
        api.add_middleware(
            CORSMiddleware,
            allow_origins=list(phoenix.settings.cors_origins),
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=CORS_HEADERS.split(","),
            expose_headers=CORS_EXPOSED,
        )
    api.add_middleware(RequestContext, ids=phoenix.ports.ids)
