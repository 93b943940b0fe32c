"""The state of one application: everything its routes and handlers share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from fastapi import FastAPI
from starlette.routing import BaseRoute

from api_service.events import Streams
from api_service.links import Links
from api_service.page_cache import PageCache
from api_service.readiness import ReadinessCheck
from api_service.static_files import StaticFiles
from shared.wiring import Phoenix


@dataclass(frozen=True, kw_only=True)
class AppState:
    phoenix: Phoenix
    new_links: Callable[[], Links]
    streams: Streams
    page_cache: PageCache
    readiness: ReadinessCheck
    static_files: StaticFiles
    routes: tuple[BaseRoute, ...]
    known_accounts: set[tuple[str, bool]] = field(default_factory=set)
    """Users who have an account, and whether they had a verified address."""

    @classmethod
    def of(cls, app: FastAPI) -> "AppState":
        return cast("AppState", app.state.app)
