"""What only the one-machine backend has: signing in by name, and the media files themselves."""

import re
import stat
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from api_service.answers import answer
from api_service.bodies import json_body
from api_service.openapi import SIGN_IN, has_body, problems, request_body
from api_service.schemas import SignIn
from api_service.views import Token
from shared.domain.errors import MediaUnavailable, PageNotFound, Unauthenticated
from shared.domain.media import PUBLIC_PREFIX
from shared.wiring.ports import LocalParts

router = APIRouter()

READ = ["GET", "HEAD"]
_RANGE = re.compile(rb"bytes=(?:([0-9]{1,15})-([0-9]{0,15})|-[0-9]{1,15})")
PUBLIC_CACHE = "public, max-age=30"


async def _local(request: Request) -> LocalParts:
    local: LocalParts = request.app.state.phoenix.local
    return local


async def anyone() -> None:
    """Let everybody in."""


LocalDep = Annotated[LocalParts, Depends(_local)]
SignInBody = Annotated[SignIn, Depends(json_body(SignIn, after=anyone))]


@router.post(
    "/api/local/sign-in",
    tags=["account"],
    response_model=Token,
    responses=problems(*has_body("username", "this name is reserved")),
    openapi_extra=request_body(SIGN_IN),
)
def sign_in(local: LocalDep, body: SignInBody) -> Response:
    """Sign in with nothing but a name: this machine only."""
    return answer(Token(token=local.identity.sign_in(body.username)))


@router.api_route("/media/private/{key:path}", methods=READ, include_in_schema=False)
def private_file(
    request: Request, local: LocalDep, key: str, expires: str = "", signature: str = ""
) -> Response:
    """Open a private file by a link that is signed and has not expired; Range works."""
    now = request.app.state.phoenix.ports.clock.now()
    try:
        path = local.media.opened_by_link(key, expires=expires, signature=signature, now=now)
    except (Unauthenticated, MediaUnavailable) as error:
        raise PageNotFound from error
    headers = {"Cache-Control": "private", "Content-Disposition": "inline"}
    return _file(path, headers)


@router.api_route("/media/public/{key:path}", methods=READ, include_in_schema=False)
def public_file(local: LocalDep, key: str) -> Response:
    """Open a published file; Range works."""
    try:
        path = local.media.path_of(PUBLIC_PREFIX + key)
    except MediaUnavailable as error:
        raise PageNotFound from error
    return _file(path, {"Cache-Control": PUBLIC_CACHE})


class _MediaFile(FileResponse):
    """A file, or one plain range of it; HTTP allows a server to ignore every other range."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file; one that was deleted after its route found it is 404.

        The base class sends the head before it opens the file: here the head waits for the body.
        """
        headers = [
            (name, value)
            for name, value in scope["headers"]
            if name != b"range" or _is_plain(value)
        ]
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


def _is_plain(asked: bytes) -> bool:
    """Tell whether this is one range that does not end before it begins."""
    found = _RANGE.fullmatch(asked)
    return found is not None and (not found[1] or not found[2] or int(found[1]) <= int(found[2]))


def _file(path: Path, headers: dict[str, str]) -> Response:
    """Return a file; an address that names none is 404, also one that no file can have."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise PageNotFound from error
    if not stat.S_ISREG(found.st_mode):
        raise PageNotFound
    return _MediaFile(path, headers=headers, stat_result=found)
