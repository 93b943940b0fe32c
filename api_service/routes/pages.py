"""The web pages, what they load, and what they have to know."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import RedirectResponse

from api_service.answers import answer
from api_service.dependencies import PhoenixDep
from api_service.site import FirebaseWeb, Site
from api_service.views import PerKind, View
from shared.domain.errors import PageNotFound

router = APIRouter()

READ = ["GET", "HEAD"]


class WebConfig(View):
    """What the pages need to sign in: without `firebase`, a name is enough."""

    firebase: FirebaseWeb | None
    costs: PerKind


async def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


SiteDep = Annotated[Site, Depends(_site)]


@router.get("/api/web-config", tags=["account"], response_model=WebConfig)
def web_config(phoenix: PhoenixDep, site: SiteDep) -> Response:
    """Show what a page needs to sign in, and what things cost."""
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
