"""Errors as bytes, for requests that never reach the application."""

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from api_service.errors import problem
from shared.domain.errors import RequestError


def as_bytes(error: RequestError) -> bytes:
    """Return an error as a whole HTTP/1.1 answer."""
    answer = problem(error)
    headers = [*answer.raw_headers, (b"x-content-type-options", b"nosniff")]
    lines = [b"%s: %s\r\n" % header for header in headers if header[0] != b"connection"]
    head = STATUS_LINE[answer.status_code] + b"".join(lines) + b"connection: close\r\n\r\n"
    return head + bytes(answer.body)
