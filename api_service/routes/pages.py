"""The web pages, their static files and their configuration."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from api_service.dependencies import StateDep
from api_service.errors import PageNotFound
from api_service.responses import PerKind, View, json_response
from api_service.security_policy import FirebaseWeb

router = APIRouter()

READ = ["GET", "HEAD"]


class WebConfig(View):
    """Configuration of the pages. Without `firebase`, users sign in by name (local mode)."""

    firebase: FirebaseWeb | None
    costs: PerKind


@router.get("/api/web-config", tags=["account"], response_model=WebConfig)
def web_config(state: StateDep) -> Response:
    """Get the sign-in configuration and the prices."""
    costs = PerKind.costs(state.phoenix.settings.costs)
    return json_response(WebConfig(firebase=state.static_files.firebase, costs=costs))


@router.api_route("/", methods=READ, include_in_schema=False)
def root() -> Response:
    return RedirectResponse("/create", HTTPStatus.FOUND)


@router.api_route("/sign-in", methods=READ, include_in_schema=False)
@router.api_route("/create", methods=READ, include_in_schema=False)
@router.api_route("/soho/explore", methods=READ, include_in_schema=False)
@router.api_route("/soho/{username}", methods=READ, include_in_schema=False)
def page(request: Request, state: StateDep) -> Response:
    name = request.url.path.removeprefix("/soho/").strip("/")
    return state.static_files.page(name, request)


@router.api_route("/static/{version}/{name:path}", methods=READ, include_in_schema=False)
def static(request: Request, state: StateDep, version: str, name: str) -> Response:
    response = state.static_files.static(version, name, request)
    if response is None:
        raise PageNotFound
    return response
