"""A gRPC proxy in front of the Firestore emulator: it counts calls and injects faults."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc

from tests.servers.firestore_emulator import HOST

SERVICE = "/google.firestore.v1.Firestore/"
FORWARDED_HEADERS = ("authorization", "google-cloud-resource-prefix", "x-goog-request-params")
CALLS_MAX = 40
STREAMS_MAX = 10
"""Concurrent calls per connection; Google's servers allow 100."""

Send = Callable[[], Iterator[bytes]]
"""Forwards a call to the emulator and returns its responses."""
Fault = Callable[[Send, Any], Iterator[bytes]]
"""Responds to a call in place of the emulator; the second argument is the gRPC context."""


@dataclass(frozen=True)
class Call:
    """A received call: its method, its messages so far, its timeout and its headers."""

    method: str
    messages: list[bytes]
    timeout_s: float | None
    headers: dict[str, str]


class FirestoreProxy(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc ships no types
    """Forwards each call, unless `faults` has one for its method."""

    def __init__(self, emulator: str) -> None:
        self.calls: list[Call] = []
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        """Faults for the next calls of a method, in order."""
        self._in_progress: list[Any] = []
        self._emulator = grpc.insecure_channel(emulator)
        self._server = grpc.server(
            ThreadPoolExecutor(CALLS_MAX),
            handlers=[self],
            options=[("grpc.max_concurrent_streams", STREAMS_MAX)],
        )
        self.address = f"{HOST}:{self._server.add_insecure_port(f'{HOST}:0')}"
        self._server.start()

    def close(self) -> None:
        self._server.stop(grace=None).wait()
        self._emulator.close()

    def counted(self) -> Counter[str]:
        """Return how often each method was called since the last count."""
        calls, self.calls = self.calls, []
        return Counter(call.method for call in calls)

    def cut(self) -> None:
        """Break every call in progress."""
        while self._in_progress:
            self._in_progress.pop().cancel()

    def service(self, handler_call_details: Any) -> Any:
        handler = partial(self._handle, handler_call_details.method)
        return grpc.stream_stream_rpc_method_handler(handler)

    def _handle(self, path: str, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        received = dict(context.invocation_metadata())
        method, timeout_s = path.removeprefix(SERVICE), context.time_remaining()
        call = Call(method, [next(requests)], timeout_s, received)
        self.calls.append(call)
        metadata = [pair for pair in received.items() if pair[0] in FORWARDED_HEADERS]

        def send() -> Iterator[bytes]:
            method = self._emulator.stream_stream(path)
            responses = method(_messages(call, requests), metadata=metadata)
            self._in_progress.append(responses)
            context.add_callback(responses.cancel)
            yield from responses

        faults = self.faults[call.method]
        try:
            yield from faults.pop(0)(send, context) if faults else send()
        except grpc.RpcError as error:
            context.abort(error.code(), error.details())


def _messages(call: Call, requests: Iterator[bytes]) -> Iterator[bytes]:
    yield call.messages[0]
    try:
        for message in requests:
            call.messages.append(message)
            yield message
    except Exception:
        return  # the caller has gone


def fails_with(code: grpc.StatusCode) -> Fault:
    """Fail the call before it reaches Firestore."""

    def fault(send: Send, context: Any) -> Iterator[bytes]:
        context.abort(code, "planned")
        yield b""

    return fault


def responds_with(*messages: bytes) -> Fault:
    """Respond with these messages instead."""
    return lambda send, context: iter(messages)


def applied_but_fails_with(code: grpc.StatusCode) -> Fault:
    """Let Firestore apply the call, then fail it."""

    def fault(send: Send, context: Any) -> Iterator[bytes]:
        list(send())
        context.abort(code, "planned")
        yield b""

    return fault


def applied_without_response(send: Send, context: Any) -> Iterator[bytes]:
    """Let Firestore apply the call, but never respond."""
    list(send())
    return _silence(context)


class Late:
    """A call that reaches Firestore when the test wants, after its caller has timed out."""

    def __init__(self) -> None:
        self._send: Send | None = None

    def __call__(self, send: Send, context: Any) -> Iterator[bytes]:
        self._send = send
        return _silence(context)

    def land(self) -> None:
        """Forward it; raise `grpc.RpcError` if Firestore refuses it now."""
        assert self._send is not None
        list(self._send())

    def lands_first(self, send: Send, context: Any) -> Iterator[bytes]:
        """Forward it just before another call."""
        self.land()
        return send()


def _silence(context: Any) -> Iterator[bytes]:
    cancelled = threading.Event()
    if context.add_callback(cancelled.set):
        cancelled.wait()
    return iter(())
