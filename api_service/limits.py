"""What surrounds every request: id, security headers, log line, last resort, host, body limit.

Pure ASGI: a decorator-style middleware costs two thirds of the throughput.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_service.error_pages import error_answer
from api_service.errors import problem
from shared.domain.errors import (
    BodyTooLarge,
    MalformedRequest,
    PhoenixError,
    RequestTimeout,
    WrongField,
)
from shared.telemetry import bind, bind_trace

log = logging.getLogger(__name__)

BODY_BYTES_MAX = 32 * 1024
DIGITS_MAX = 20
"""Of a declared length; Python refuses to read thousands."""
BODY_S = 10
"""How long a whole body may take to arrive."""
READ_AHEAD_S = 1
"""How long a body of unknown size is read before it is known who sends it."""
REQUEST_ID_LETTERS = 20
CLIENT_LEFT = 499
"""The status in the log of a request whose client left before an answer had begun."""
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


class BodyLimit:
    """Hands a body on as it is asked for, within limits of size and time.

    A body that is declared too large is 413 before anything else. The other limits are errors of
    `receive`: a route asks for the body only when its caller is known.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive)
        try:
            await body.begin(Headers(scope=scope))
        except (BodyTooLarge, MalformedRequest) as error:
            await problem(error)(scope, receive, send)
            return

        async def watched(message: Message) -> None:
            body.is_answered = True
            await send(message)

        await self._app(scope, body.receive, watched)


class _Body:
    """The body of one request, read within its limits."""

    def __init__(self, receive: Receive) -> None:
        self.is_answered = False
        self._receive = receive
        self._read_ahead: deque[Message] = deque()
        self._is_whole = False
        self._size_bytes = 0
        self._deadline_s: float | None = None

    async def receive(self) -> Message:
        """Return the next message; once an answer has begun, a bad body is a client that left.

        Raises:
            BodyTooLarge, RequestTimeout
        """
        if self._read_ahead:
            return self._read_ahead.popleft()
        try:
            return await self._next()
        except (BodyTooLarge, RequestTimeout):
            if self.is_answered:
                return {"type": "http.disconnect"}
            raise

    async def begin(self, headers: Headers) -> None:
        """Read the first second of a body of unknown size.

        Raises:
            BodyTooLarge, MalformedRequest: the headers say so, or what was read.
        """
        declared = headers.get("content-length", "0")
        if not (declared.isascii() and declared.isdigit()):
            raise MalformedRequest
        if len(declared) > DIGITS_MAX or int(declared) > BODY_BYTES_MAX:
            raise BodyTooLarge(limit_bytes=BODY_BYTES_MAX)
        if "transfer-encoding" not in headers:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READ_AHEAD_S):
                while not self._is_whole:
                    self._read_ahead.append(await self._next())

    async def _next(self) -> Message:
        if self._is_whole:
            return await self._receive()
        now_s = asyncio.get_running_loop().time()
        self._deadline_s = self._deadline_s or now_s + BODY_S
        deadline = asyncio.timeout_at(self._deadline_s)
        try:
            async with deadline:
                message = await self._receive()
        except TimeoutError as error:
            raise RequestTimeout from error
        self._size_bytes += len(message.get("body", b""))
        if self._size_bytes > BODY_BYTES_MAX:
            raise BodyTooLarge(limit_bytes=BODY_BYTES_MAX)
        self._is_whole = not message.get("more_body", False)
        return message


class HostCheck:
    """Refuses a request that was sent to another host's name."""

    def __init__(self, app: ASGIApp, *, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            host = Headers(scope=scope).get("host", "").split(":", maxsplit=1)[0]
            if host not in self._allowed:
                reason = f"use one of {', '.join(self._allowed)}"
                await problem(WrongField(field="Host", reason=reason))(scope, receive, send)
                return
        await self._app(scope, receive, send)


class LastResort:
    """Answers a 500 without detail for what nobody expected, unless an answer has begun."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            log.info("client_left")
        except Exception:
            log.exception("unexpected")
            if has_begun:
                raise
            await error_answer(PhoenixError(), scope)(scope, receive, send)


class RequestFrame:
    """Gives each request an id, its answer the security headers, and its outcome a log line."""

    def __init__(self, app: ASGIApp, *, new_id: Callable[[], str]) -> None:
        self._app = app
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._new_id()
        began_s = time.perf_counter()
        status = 0

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        trace = Headers(scope=scope).get("traceparent")
        with bind(request_id=request_id), bind_trace(trace):
            try:
                await self._app(scope, receive, framed)
            finally:
                facts: dict[str, object] = {"httpRequest": _facts(scope, status, began_s)}
                if user_id := scope.get("state", {}).get("user_id"):
                    facts["user_id"] = user_id
                log.info("request", extra=facts)


def _facts(scope: Scope, status: int, began_s: float) -> dict[str, object]:
    return {
        "requestMethod": scope["method"],
        "requestUrl": scope["path"],
        "status": status or CLIENT_LEFT,
        "latency": f"{time.perf_counter() - began_s:.3f}s",
    }
