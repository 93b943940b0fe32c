"""Routes of local mode: sign-in by name, and the media files."""

import re
import stat
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from starlette.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from api_service.dependencies import StateDep
from api_service.errors import PageNotFound
from api_service.json_body import json_body
from api_service.one_hop import READ, OneHopRoute
from api_service.openapi import body_errors, problems, request_body
from api_service.requests import SignIn
from api_service.responses import Token, json_response
from shared.domain.errors import MediaUnavailable, Unauthenticated
from shared.domain.media import PUBLIC_PREFIX
from shared.ports.media_store import disposition
from shared.wiring.ports import LocalParts

router = APIRouter(route_class=OneHopRoute)

_RANGE = re.compile(rb"bytes=(?:([0-9]{1,15})-([0-9]{0,15})|-[0-9]{1,15})")


async def _local(state: StateDep) -> LocalParts:
    local = state.phoenix.local
    assert local is not None  # else these routes are not included
    return local


async def anyone() -> None:
    """Accept every caller."""


LocalDep = Annotated[LocalParts, Depends(_local)]


@router.post(
    "/api/local/sign-in",
    tags=["account"],
    response_model=Token,
    responses=problems(*body_errors("username", "this name is reserved")),
    openapi_extra=request_body(SignIn),
)
def sign_in(
    local: LocalDep, body: Annotated[SignIn, Depends(json_body(SignIn, after=anyone))]
) -> Response:
    """Sign in by name, without a password, in local mode."""
    return json_response(Token(token=local.identity.sign_in(body.username)))


@router.api_route("/media/private/{key:path}", methods=READ, include_in_schema=False)
def private_file(
    state: StateDep,
    local: LocalDep,
    key: str,
    expires: str = "",
    signature: str = "",
    filename: str = "",
) -> Response:
    try:
        now = state.phoenix.ports.clock.now()
        path = local.media.opened_by_link(
            key, expires=expires, signature=signature, now=now, filename=filename
        )
    except (Unauthenticated, MediaUnavailable) as error:
        raise PageNotFound from error
    headers = {"Cache-Control": "private", "Content-Disposition": disposition(filename)}
    return _file_response(path, headers)


@router.api_route("/media/public/{key:path}", methods=READ, include_in_schema=False)
def public_file(local: LocalDep, key: str) -> Response:
    try:
        path = local.media.path_of(PUBLIC_PREFIX + key)
    except MediaUnavailable as error:
        raise PageNotFound from error
    return _file_response(path, {"Cache-Control": "public, max-age=30"})


class _MediaFile(FileResponse):
    """A file or one range of it; any other Range header is ignored, as HTTP allows."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or raise `PageNotFound` if it was deleted after its route found it.

        The base class sends the head before it opens the file; here the head waits for the body.
        """
        headers = [each for each in scope["headers"] if each[0] != b"range" or _is_valid(each[1])]
        head: Message | None = None

        async def send_head_with_body(message: Message) -> None:
            nonlocal head
            if message["type"] == "http.response.start":
                head = message
                return
            if head is not None:
                await send(head)
                head = None
            await send(message)

        try:
            await super().__call__({**scope, "headers": headers}, receive, send_head_with_body)
        except OSError as error:
            if head is None:
                raise
            raise PageNotFound from error


def _is_valid(range_header: bytes) -> bool:
    match = _RANGE.fullmatch(range_header)
    return match is not None and (not match[1] or not match[2] or int(match[1]) <= int(match[2]))


def _file_response(path: Path, headers: dict[str, str]) -> Response:
    """Return the file, or raise `PageNotFound`, also for a name that no file can have."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise PageNotFound from error
    if not stat.S_ISREG(found.st_mode):
        raise PageNotFound
    return _MediaFile(path, headers=headers, stat_result=found)
