"""Middleware, in the order of `app.py`: request id and log, catch-all errors, host, body limits.

Pure ASGI: Starlette's `BaseHTTPMiddleware` costs two thirds of the throughput.
"""

import asyncio
import contextlib
import logging
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_service.error_responses import error_response
from api_service.errors import BodyTooLarge, MalformedRequest, RequestTimeout, problem_response
from api_service.logged_paths import without_secrets
from shared.domain.errors import PhoenixError, WrongField
from shared.ports.clock import Ids
from shared.telemetry import bind, trace_facts

log = logging.getLogger(__name__)

BODY_BYTES_MAX = 32 * 1024
DIGITS_MAX = 20  # of a declared length: Python refuses to parse thousands
BODY_S = 10  # time for the whole body to arrive
READ_AHEAD_S = 1  # how long to read a body of undeclared size before the caller is authenticated
REQUEST_ID_LENGTH = 20
CLIENT_LEFT = 499  # logged as the status when the client left before a response had started
_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)


class _HttpMiddleware(ABC):
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        serve = self.serve if scope["type"] == "http" else self._app
        await serve(scope, receive, send)

    @abstractmethod
    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class BodyLimit(_HttpMiddleware):
    """Passes bodies on within limits of size and time.

    A body that is declared too large is refused at once. The other limits raise from `receive`,
    since a route reads the body only after it has authenticated the caller.
    """

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = _Body(receive)
        try:
            await body.begin(Headers(scope=scope))
        except (BodyTooLarge, MalformedRequest) as error:
            await problem_response(error)(scope, receive, send)
            return

        async def mark_and_send(message: Message) -> None:
            body.has_response = True
            await send(message)

        await self._app(scope, body.receive, mark_and_send)


class _Body:
    """The body of one request, read within its limits."""

    def __init__(self, receive: Receive) -> None:
        self.has_response = False
        self._receive = receive
        self._read_ahead: deque[Message] = deque()
        self._is_complete = False
        self._size_bytes = 0
        self._deadline_s: float | None = None

    async def receive(self) -> Message:
        """Return the next message; once a response has started, a bad body is a disconnect."""
        if self._read_ahead:
            return self._read_ahead.popleft()
        try:
            return await self._next()
        except (BodyTooLarge, RequestTimeout):
            if self.has_response:
                return {"type": "http.disconnect"}
            raise

    async def begin(self, headers: Headers) -> None:
        """Check the declared size; read the first second of a body of undeclared size."""
        declared = headers.get("content-length", "0")
        if not (declared.isascii() and declared.isdigit()):
            raise MalformedRequest
        if len(declared) > DIGITS_MAX or int(declared) > BODY_BYTES_MAX:
            raise BodyTooLarge(limit_bytes=BODY_BYTES_MAX)
        if "transfer-encoding" not in headers:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READ_AHEAD_S):
                while not self._is_complete:
                    self._read_ahead.append(await self._next())

    async def _next(self) -> Message:
        if self._is_complete:
            return await self._receive()
        now_s = asyncio.get_running_loop().time()
        self._deadline_s = self._deadline_s or now_s + BODY_S
        try:
            async with asyncio.timeout_at(self._deadline_s):
                message = await self._receive()
        except TimeoutError as error:
            raise RequestTimeout from error
        self._size_bytes += len(message.get("body", b""))
        if self._size_bytes > BODY_BYTES_MAX:
            raise BodyTooLarge(limit_bytes=BODY_BYTES_MAX)
        self._is_complete = not message.get("more_body", False)
        return message


class HostCheck(_HttpMiddleware):
    def __init__(self, app: ASGIApp, *, allowed: Collection[str]) -> None:
        super().__init__(app)
        self._allowed = allowed

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        app, host = self._app, Headers(scope=scope).get("host", "").split(":", maxsplit=1)[0]
        if host not in self._allowed:
            reason = f"use one of {', '.join(self._allowed)}"
            app = problem_response(WrongField(field="Host", reason=reason))
        await app(scope, receive, send)


class CatchAllErrors(_HttpMiddleware):
    """Logs an unexpected error and returns a 500 without detail, unless a response has started."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_response = False

        async def mark_and_send(message: Message) -> None:
            nonlocal has_response
            has_response = True
            await send(message)

        try:
            await self._app(scope, receive, mark_and_send)
        except ClientDisconnect:
            log.info("client_left")
        except Exception:
            log.exception("unexpected")
            if has_response:
                raise
            await error_response(PhoenixError(), scope)(scope, receive, send)


class RequestContext(_HttpMiddleware):
    """Adds the request id and security headers to each response, and writes the access log."""

    def __init__(self, app: ASGIApp, *, ids: Ids) -> None:
        super().__init__(app)
        self._ids = ids

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = self._ids.random_id(REQUEST_ID_LENGTH)
        start_s = time.perf_counter()
        status = CLIENT_LEFT

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message["headers"])
                given = {name for name, _ in headers}
                headers += (each for each in _SECURITY_HEADERS if each[0] not in given)
                headers.append((b"x-request-id", request_id.encode()))
                message = {**message, "headers": headers}
            await send(message)

        trace = Headers(scope=scope).get("traceparent")
        with bind(request_id=request_id, **trace_facts(trace)):
            try:
                await self._app(scope, receive, send_with_headers)
            finally:
                http = {
                    "requestMethod": scope["method"],
                    "requestUrl": without_secrets(scope["path"]),
                    "status": status,
                    "latency": f"{time.perf_counter() - start_s:.3f}s",
                }
                user_id = scope.get("state", {}).get("user_id")
                user = {"user_id": user_id} if user_id else {}
                log.info("request", extra={"httpRequest": http, **user})
