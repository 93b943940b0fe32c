"""Errors as raw HTTP/1.1, for connections whose requests never reach the application."""

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from api_service.errors import problem_response
from shared.domain.errors import RequestError


def raw_response(error: RequestError) -> bytes:
    response = problem_response(error)
    headers = [*response.raw_headers, (b"x-content-type-options", b"nosniff")]
    lines = [b"%s: %s\r\n" % header for header in headers if header[0] != b"connection"]
    head = STATUS_LINE[response.status_code] + b"".join(lines) + b"connection: close\r\n\r\n"
    return head + bytes(response.body)
