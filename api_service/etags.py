"""ETags from stored versions: the 304 of a page parses no document and builds no view."""

import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path

from fastapi import Request, Response

import shared

PROGRAM = (Path(__file__).parent, Path(shared.__file__).parent)


def etag_of(*parts: str) -> str:
    """Return the ETag of what this release builds from these parts, the same in every process."""
    return tag_of("\0".join((release(), *parts)).encode())


def tag_of(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


@cache
def release() -> str:
    """Return what differs between releases: each may build another view of the same documents.

    It is read at the start, before an upgrade in place can replace the files.
    """
    return "".join(map(digest_of, PROGRAM))


def digest_of(folder: Path) -> str:
    """Return a digest of a folder's Python files."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def etag_response(
    request: Request,
    etag: str,
    build: Callable[[], bytes],
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the JSON with its ETag, or 304 without building it if the client has it.

    Only the client may keep it, unless `headers` say otherwise.
    """
    headers = {"Cache-Control": "private, no-cache", "ETag": etag, **(headers or {})}
    if matches_etag(request, etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(build(), headers=headers, media_type="application/json")


def matches_etag(request: Request, etag: str) -> bool:
    known = request.headers.get("if-none-match", "")
    return known == "*" or etag in (each.strip().removeprefix("W/") for each in known.split(","))
