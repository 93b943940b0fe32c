"""Exception handlers: problem+json for API clients, a small page for browsers."""

from http import HTTPStatus
from math import ceil

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import Scope

from api_service import errors
from api_service.dependencies import AppState
from api_service.languages import VARY
from api_service.markup import fill
from shared.domain.errors import OutcomeUnknown, PhoenixError, WrongField

API_PATHS = ("/api", "/internal", "/openapi.json")
GONE = {"shared": "linkEnded", "soho": "notPublished"}
"""The messages of what is not found under these folders."""
TOO_MANY = "tooMany"
MINUTE_S = 60
PAGES = {
    HTTPStatus.NOT_FOUND: "notFound",
    HTTPStatus.METHOD_NOT_ALLOWED: "notFound",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.TOO_MANY_REQUESTS: TOO_MANY,
    HTTPStatus.INTERNAL_SERVER_ERROR: "internal",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
}
"""The messages of an error's page, by its status; every other status has `refused`."""


def error_response(error: PhoenixError, scope: Scope) -> Response:
    """Return a page if a browser opened an address outside the API, else problem+json."""
    response = errors.problem_response(error)
    if not _is_for_browser(scope):
        return response
    status = errors.status_of(type(error))
    template = AppState.of(scope["app"]).static_files.template("error", Request(scope))
    message = _message_of(status, scope["path"])
    page = f"pages.error.{message}"
    facts = {name: template.language.text(f"{page}.{name}") for name in ("title", "sentence")}
    headers = {**template.headers, "Cache-Control": "no-store", "Vary": f"Accept, {VARY}"}
    if retry_after := response.headers.get("Retry-After"):
        headers["Retry-After"] = retry_after
        if message == TOO_MANY:
            minutes = ceil(int(retry_after) / MINUTE_S)
            facts["sentence"] = template.language.text(f"{page}.later", minutes=minutes)
    content = fill(template.text, facts)
    return Response(content, status, headers, media_type="text/html; charset=utf-8")


def _message_of(status: int, path: str) -> str:
    folder, _, rest = path.lower().strip("/").partition("/")
    is_of_creation = folder == "shared" or "/" in rest
    if status == HTTPStatus.NOT_FOUND and is_of_creation and folder in GONE:
        return GONE[folder]
    return PAGES.get(HTTPStatus(status), "refused")


def _is_for_browser(scope: Scope) -> bool:
    path: str = scope["path"]
    is_api = any(path == each or path.startswith(f"{each}/") for each in API_PATHS)
    accept = Headers(scope=scope).get("accept", "").lower()
    return not is_api and "text/html" in accept and "json" not in accept


def add_exception_handlers(api: FastAPI) -> None:
    api.add_exception_handler(PhoenixError, _on_phoenix_error)
    api.add_exception_handler(HTTPException, _on_routing_error)
    api.add_exception_handler(RequestValidationError, _on_wrong_parameter)


async def _on_phoenix_error(request: Request, error: Exception) -> Response:
    if isinstance(error, OutcomeUnknown) and request.method != "GET":
        # A GET can only leave the creation of the caller's account unknown.
        error.creation_id = error.creation_id or request.path_params.get("creation_id")
    assert isinstance(error, PhoenixError)
    return error_response(error, request.scope)


async def _on_routing_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
        return error_response(errors.PageNotFound(), request.scope)
    response = error_response(errors.MethodNotAllowed(), request.scope)
    response.headers["Allow"] = ", ".join(sorted(_allowed_methods(request)))
    return response


def _allowed_methods(request: Request) -> set[str]:
    """Return the methods of every route at this address; Starlette names only the first route's.

    An id with a slash (`ID/publish`) matches by its form only, so any other route wins.
    """
    methods: dict[bool, set[str]] = {True: set(), False: set()}
    for route in AppState.of(request.app).routes:
        match, found = route.matches(request.scope)
        if isinstance(route, Route) and match is not Match.NONE:
            has_slash = any("/" in str(value) for value in found["path_params"].values())
            methods[has_slash] |= route.methods or set()
    return methods[False] or methods[True]


async def _on_wrong_parameter(_: Request, error: Exception) -> Response:
    """Name the parameter that FastAPI refused, without its value."""
    assert isinstance(error, RequestValidationError)
    field = str(error.errors()[0]["loc"][-1])
    return errors.problem_response(WrongField(field=field, reason="it has the wrong type"))
