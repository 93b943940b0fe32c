"""Limits on connections, request heads, bodies and unread responses.

uvicorn limits none of these, and an ASGI application sees a request only when its head is complete.
A connection is in one of three phases:

    head      waits for the client: between requests, or for the rest of a head
    body      waits for the client to send the rest of a body
    working   waits for the application

When all connections are in use, a new one replaces the one that has waited longest for its client;
if none waits for its client, the new one is refused.
"""

import asyncio
from collections import deque
from enum import StrEnum
from typing import Any

import httptools
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from api_service import errors
from api_service.connection_limits import ConnectionLimits
from api_service.connection_log import ConnectionLog
from shared.domain.errors import RequestError


class Phase(StrEnum):
    HEAD = "head"
    BODY = "body"
    WORKING = "working"


class Connections:
    """The open connections of one process."""

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        self.limits = limits or ConnectionLimits()
        self.log = ConnectionLog()
        self._open: set[BoundedProtocol] = set()
        self._waiting: dict[BoundedProtocol, None] = {}
        """Those that wait for their client, oldest first."""

    def new_protocol(self, *args: Any, **options: Any) -> "BoundedProtocol":  # noqa: ANN401 (uvicorn's own arguments)
        return BoundedProtocol(self, *args, **options)

    def admit(self, new: "BoundedProtocol") -> bool:
        """Return whether there is room for a connection, after replacing one if necessary."""
        self._open.add(new)
        if len(self._open) > self.limits.open_max:
            oldest = next(iter(self._waiting), None)
            if oldest is None:
                return False
            self.log.count("closed_for_room")
            self.discard(oldest)
            oldest.transport.abort()
        self._waiting[new] = None
        return True

    def set_waiting(self, protocol: "BoundedProtocol", *, is_waiting: bool) -> None:
        self._waiting.pop(protocol, None)
        if is_waiting:
            self._waiting[protocol] = None

    def discard(self, protocol: "BoundedProtocol") -> None:
        self._open.discard(protocol)
        self._waiting.pop(protocol, None)


class BoundedProtocol(httptools_impl.HttpToolsProtocol):
    """uvicorn's protocol, within `ConnectionLimits`."""

    def __init__(self, connections: Connections, *args: Any, **options: Any) -> None:  # noqa: ANN401 (uvicorn's own arguments)
        super().__init__(*args, **options)
        self._connections = connections
        self._limits = connections.limits
        self._phase = Phase.HEAD
        self._is_refused = False
        self._is_in_head = False
        self._head_bytes = 0
        self._head_lines = 0
        self._pending_bytes = 0
        """Received since the parser last completed a head, a chunk of a body, or a message."""
        self._client_timer: asyncio.TimerHandle | None = None
        """Closes the connection if the client sends too slowly."""
        self._abort_timer: asyncio.TimerHandle | None = None
        """Aborts the connection if the client does not read."""
        self._unanswered: list[RequestResponseCycle] = []
        """Requests without a complete response; the first one runs, the others wait."""
        self._late_refusal: RequestError | None = None
        """The response to the last request, to be sent after those to earlier ones."""

    # Called by the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        if self._connections.admit(self):
            self._wait_for_client(Phase.HEAD, self._limits.head_s)
        else:
            self._refuse(errors.TooManyConnections())

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._stop_client_timer()
        self._stop_abort_timer()
        self._unset_keepalive_if_required()
        self._release(*self._unanswered)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._pending_bytes += len(data)
        if self._is_refused:  # the refusal waits for earlier responses
            if self._pending_bytes > self._limits.head_bytes_max:
                self.transport.abort()
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # No other protocol is supported: respond to this request and read no further.
            self.cycle.keep_alive = False
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, RequestError) else errors.MalformedRequest())
            return
        if self._pending_bytes > self._limits.head_bytes_max:
            self._refuse(self._head_too_large())
        elif self._phase is Phase.HEAD and self._client_timer is None:
            self._wait_for_client(Phase.HEAD, self._limits.head_s)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_abort_timer()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_abort_timer()

    # Called by the parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = self._head_lines = 0

    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_lines += 1
        self._count_head(len(name) + len(value))
        if self._is_in_head:  # trailers are ignored
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._pending_bytes = 0
        self._is_in_head = False
        if len(self.pipeline) >= self._limits.pipelined_max:
            raise errors.MalformedRequest
        super().on_headers_complete()
        self._unanswered.append(self.cycle)
        self._wait_for_client(Phase.BODY, self._limits.body_s)

    def on_body(self, body: bytes) -> None:
        self._pending_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._pending_bytes = 0
        super().on_message_complete()
        if self.cycle.response_complete:  # responded before the body was complete
            self._wait_for_client(Phase.HEAD, self._limits.head_s)
        else:
            self._stop_client_timer()
            self._set_phase(Phase.WORKING)

    # Called by uvicorn

    def on_response_complete(self) -> None:
        self._unanswered = [each for each in self._unanswered if not each.response_complete]
        if self._late_refusal is not None and not self._unanswered:
            self._close_with(self._late_refusal)
        super().on_response_complete()
        if self.transport.is_closing():
            self._start_abort_timer()
        elif self._phase is Phase.WORKING and self.cycle.response_complete:
            self._set_phase(Phase.HEAD)  # uvicorn's keep-alive timer runs until the next byte

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    # Closing

    def _count_head(self, count_bytes: int) -> None:
        self._head_bytes += count_bytes
        limits = self._limits
        if self._head_bytes > limits.head_bytes_max or self._head_lines > limits.head_lines_max:
            raise self._head_too_large()

    def _head_too_large(self) -> errors.HeadTooLarge:
        size, lines = self._limits.head_bytes_max, self._limits.head_lines_max
        return errors.HeadTooLarge(limit_bytes=size, limit_lines=lines)

    def _set_phase(self, phase: Phase) -> None:
        self._phase = phase
        self._connections.set_waiting(self, is_waiting=phase is not Phase.WORKING)

    def _wait_for_client(self, phase: Phase, within_s: float) -> None:
        self._stop_client_timer()
        self._set_phase(phase)
        self._client_timer = self.loop.call_later(within_s, self._on_client_late)

    def _on_client_late(self) -> None:
        if self._phase is Phase.HEAD and not self._pending_bytes:
            self._connections.log.count("idle")
            self._close()
        else:
            self._refuse(errors.RequestTimeout())

    def _refuse(self, error: RequestError) -> None:
        """Respond with an error to the request being read, after earlier responses, and close."""
        self._is_refused = True
        self._connections.log.count(error.code)
        has_response = self._phase is Phase.BODY and self._drop_request()
        if self._unanswered:
            self._late_refusal = error
            self._stop_client_timer()
            self._pending_bytes = 0
            self._set_phase(Phase.WORKING)
        else:
            self._close_with(None if has_response else error)

    def _drop_request(self) -> bool:
        """Drop the request whose body is being read; return whether its response has started."""
        cycle: RequestResponseCycle = self.cycle
        if cycle not in self._unanswered:
            return True
        self._release(cycle)
        self._unanswered.remove(cycle)
        self.pipeline = deque(each for each in self.pipeline if each[0] is not cycle)
        return cycle.response_started

    def _release(self, *cycles: RequestResponseCycle) -> None:
        """Disconnect requests from the client; uvicorn does so only for the newest."""
        for cycle in cycles:
            cycle.disconnected = True
            cycle.message_event.set()

    def _close_with(self, error: RequestError | None) -> None:
        if error is not None and not self.transport.is_closing():
            self.transport.write(raw_response(error))
        self._close()

    def _close(self) -> None:
        self._stop_client_timer()
        if not self.transport.is_closing():
            self.transport.close()
        self._start_abort_timer()

    def _start_abort_timer(self) -> None:
        self._stop_abort_timer()
        self._abort_timer = self.loop.call_later(self._limits.stalled_s, self._on_stalled)

    def _on_stalled(self) -> None:
        self._connections.log.count("unread")
        self.transport.abort()

    def _stop_client_timer(self) -> None:
        if self._client_timer is not None:
            self._client_timer.cancel()
            self._client_timer = None

    def _stop_abort_timer(self) -> None:
        if self._abort_timer is not None:
            self._abort_timer.cancel()


def raw_response(error: RequestError) -> bytes:
    """Return an error as raw HTTP/1.1, for a request that never reaches the application."""
    response = errors.problem_response(error)
    response.headers.update({"X-Content-Type-Options": "nosniff", "Connection": "close"})
    status_line = httptools_impl.STATUS_LINE[response.status_code]
    headers = [b"%s: %s\r\n" % header for header in response.raw_headers]
    return b"".join([status_line, *headers, b"\r\n", response.body])
