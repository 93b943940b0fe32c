"""A server of Firestore's gRPC protocol in front of the emulator: it counts calls and spoils some."""

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
HANDED_ON = ("authorization", "google-cloud-resource-prefix", "x-goog-request-params")
CALLS_AT_ONCE = 40
STREAMS_MAX = 10
"""What one connection may carry at once; Google's servers take 100."""

Send = Callable[[], Iterator[bytes]]
"""Sends a call on to the emulator and brings its answers."""
Fault = Callable[[Send, Any], Iterator[bytes]]
"""Answers a call instead of the emulator; its second argument is the call's gRPC context."""


@dataclass(frozen=True)
class Call:
    """A call as it came: its method, what was said so far, and how long its caller would wait."""

    method: str
    messages: list[bytes]
    timeout_s: float | None


class FirestoreProxy(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc ships no types
    """Hands each call on as it came, unless `faults` holds one for its method."""

    def __init__(self, emulator: str) -> None:
        self.calls: list[Call] = []
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        """What the next calls of a method meet, in order."""
        self._under_way: list[Any] = []
        self._emulator = grpc.insecure_channel(emulator)
        self._server = grpc.server(
            ThreadPoolExecutor(CALLS_AT_ONCE),
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
        """Break every call that is under way."""
        while self._under_way:
            self._under_way.pop().cancel()

    def service(self, handler_call_details: Any) -> Any:
        answer = partial(self._answer, handler_call_details.method)
        return grpc.stream_stream_rpc_method_handler(answer)

    def _answer(self, path: str, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        call = Call(path.removeprefix(SERVICE), [next(requests)], context.time_remaining())
        self.calls.append(call)
        metadata = [pair for pair in context.invocation_metadata() if pair[0] in HANDED_ON]

        def send() -> Iterator[bytes]:
            method = self._emulator.stream_stream(path)
            answers = method(_messages(call, requests), metadata=metadata)
            self._under_way.append(answers)
            context.add_callback(answers.cancel)
            yield from answers

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


def answered(code: grpc.StatusCode) -> Fault:
    """The call never reaches Firestore."""

    def fault(send: Send, context: Any) -> Iterator[bytes]:
        context.abort(code, "planned")
        yield b""

    return fault


def told(*messages: bytes) -> Fault:
    """Something else is answered, and that is all."""
    return lambda send, context: iter(messages)


def applied_but_answered(code: grpc.StatusCode) -> Fault:
    """Firestore does it, and something else is said of it."""

    def fault(send: Send, context: Any) -> Iterator[bytes]:
        list(send())
        context.abort(code, "planned")
        yield b""

    return fault


def applied_in_silence(send: Send, context: Any) -> Iterator[bytes]:
    """Firestore does it, and nothing is ever said of it."""
    list(send())
    return _silence(context)


class Late:
    """The call reaches Firestore when the test says so, after its caller has given it up."""

    def __init__(self) -> None:
        self._send: Send | None = None

    def __call__(self, send: Send, context: Any) -> Iterator[bytes]:
        self._send = send
        return _silence(context)

    def land(self) -> None:
        """Let it arrive; raises `grpc.RpcError` if Firestore refuses it now."""
        assert self._send is not None
        list(self._send())

    def lands_first(self, send: Send, context: Any) -> Iterator[bytes]:
        """Let it arrive just before another call."""
        self.land()
        return send()


def _silence(context: Any) -> Iterator[bytes]:
    is_given_up = threading.Event()
    if context.add_callback(is_given_up.set):
        is_given_up.wait()
    return iter(())
