"""The web pages, what they load, and what they have to know."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import RedirectResponse

from api_service.answers import answer
from api_service.dependencies import PhoenixDep
from api_service.site import FirebaseWeb, Site
from api_service.views import PerKind, View
from shared.domain.brief import (
    ASPECT_RATIO_DEFAULT,
    ASPECT_RATIOS,
    CAPTION_LENGTH_MAX,
    DURATION_DEFAULT_S,
    DURATIONS_S,
    PROMPT_LENGTH_MAX,
    AspectRatio,
)
from shared.domain.errors import PageNotFound
from shared.domain.kind import Kind
from shared.ports.store import WATCHED_MAX

router = APIRouter()

READ = ["GET", "HEAD"]


class WebLimits(View):
    """Maximum lengths in characters, and the number of creations in a snapshot."""

    prompt_length: int = PROMPT_LENGTH_MAX
    caption_length: int = CAPTION_LENGTH_MAX
    watched: int = WATCHED_MAX


class WebConfig(View):
    """Configuration of the pages. Without `firebase`, a name is enough to sign in."""

    firebase: FirebaseWeb | None
    costs: PerKind
    limits: WebLimits = WebLimits()
    formats: dict[Kind, tuple[AspectRatio, ...]] = ASPECT_RATIOS
    format_defaults: dict[Kind, AspectRatio] = ASPECT_RATIO_DEFAULT
    durations: tuple[int, ...] = DURATIONS_S
    duration_default: int = DURATION_DEFAULT_S


async def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


SiteDep = Annotated[Site, Depends(_site)]


@router.get("/api/web-config", tags=["account"], response_model=WebConfig)
def web_config(phoenix: PhoenixDep, site: SiteDep) -> Response:
    """Return what the pages need to know: how to sign in, prices, limits, formats."""
    costs = PerKind.costs(phoenix.settings.costs)
    return answer(WebConfig(firebase=site.firebase, costs=costs))


@router.api_route("/", methods=READ, include_in_schema=False)
def root() -> Response:
    """Lead to the first page."""
    return RedirectResponse("/create", HTTPStatus.FOUND)


@router.api_route("/sign-in", methods=READ, include_in_schema=False)
@router.api_route("/create", methods=READ, include_in_schema=False)
@router.api_route("/soho/explore", methods=READ, include_in_schema=False)
@router.api_route("/soho/{username}", methods=READ, include_in_schema=False)
def page(request: Request, site: SiteDep) -> Response:
    """Show a page; everything in it comes from the API."""
    name = request.url.path.removeprefix("/soho/").strip("/")
    return site.page(name, request)


@router.api_route("/static/{version}/{name:path}", methods=READ, include_in_schema=False)
def static(request: Request, site: SiteDep, version: str, name: str) -> Response:
    """Serve what the pages load."""
    found = site.static(version, name, request)
    if found is None:
        raise PageNotFound
    return found
