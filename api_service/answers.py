"""Views as HTTP answers: JSON with the right caching."""

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response

from api_service.views import View

_LINKS: Any = {"media_url", "thumbnail_url"}
_WITHOUT_LINKS: Any = {"creation": _LINKS, "creations": {"__all__": _LINKS}}


def answer(
    view: View, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a view that nobody keeps."""
    return _json(view, status, {"Cache-Control": "no-store", **(headers or {})})


def tagged_answer(
    view: View, request: Request, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a view with its ETag, or 304 if the client has it.

    The tag covers documents and the links' half hour, not the text of the links: that may differ
    from process to process.
    """
    shown = view.model_dump_json(by_alias=True, exclude=_WITHOUT_LINKS)
    tag = f'"{hashlib.sha256(shown.encode()).hexdigest()[:32]}"'
    headers = {"Cache-Control": "private, no-cache", "ETag": tag, **(headers or {})}
    if is_known(request, tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return _json(view, HTTPStatus.OK, headers)


def is_known(request: Request, tag: str) -> bool:
    """Return whether the client has the version with this ETag."""
    known = request.headers.get("if-none-match", "")
    return known == "*" or tag in (each.strip().removeprefix("W/") for each in known.split(","))


def _json(view: View, status: HTTPStatus, headers: Mapping[str, str]) -> Response:
    content = view.model_dump_json(by_alias=True)
    return Response(content, status, dict(headers), media_type="application/json")
