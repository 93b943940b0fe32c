"""Errors for people: a small page where a browser opens an address that is not the API's."""

import html
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from api_service.errors import problem, status_of
from shared.domain.errors import PhoenixError, RequestError

API_PATHS = ("/api", "/internal", "/openapi.json")
TITLES = {
    HTTPStatus.NOT_FOUND: "Page not found",
    HTTPStatus.METHOD_NOT_ALLOWED: "Page not found",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong",
    HTTPStatus.SERVICE_UNAVAILABLE: "Temporarily unavailable",
}


def error_answer(error: PhoenixError, scope: Scope) -> Response:
    """Return an error as a page for a browser, and as problem+json for every other client."""
    answer = problem(error)
    if not _is_for_browser(scope):
        return answer
    status = status_of(type(error))
    sentence = str(error) if isinstance(error, RequestError) else PhoenixError.sentence
    page, headers = scope["app"].state.site.error_page()
    facts = {"title": TITLES.get(status, status.phrase), "sentence": sentence}
    for name, text in facts.items():
        page = page.replace(f"[[{name}]]", html.escape(text))
    kept = {name: answer.headers[name] for name in ("Retry-After",) if name in answer.headers}
    headers = {**headers, **kept, "Cache-Control": "no-store", "Vary": "Accept"}
    return Response(page, status, headers, media_type="text/html; charset=utf-8")


def _is_for_browser(scope: Scope) -> bool:
    path: str = scope["path"]
    is_api = any(path == each or path.startswith(f"{each}/") for each in API_PATHS)
    accept = Headers(scope=scope).get("accept", "").lower()
    return not is_api and "text/html" in accept and "json" not in accept
