"""Firestore's calls, over the SDK's connections but without its methods.

The SDK's methods copy every message into slow classes, and start a thread for every read. They also
resend for minutes by default, even commits, so that `ALREADY_EXISTS` may refer to our own write.
https://cloud.google.com/firestore/docs/reference/rpc/google.firestore.v1#firestore
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from google.api_core.gapic_v1 import routing_header
from google.cloud import firestore
from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport
from google.cloud.firestore_v1.services.firestore.transports.base import DEFAULT_CLIENT_INFO
from grpc.experimental import ChannelOptions

from shared.domain.errors import OutcomeUnknown, StoreContention, StoreUnavailable

SERVICE = "/google.firestore.v1.Firestore"
KEEPALIVE = ("grpc.keepalive_time_ms", 30_000)
"""Detects dead connections."""
CALL_OPTIONS = [KEEPALIVE, (ChannelOptions.SingleThreadedUnaryStream, 1)]
"""Receive the responses of a read on its caller's thread."""
LISTEN_OPTIONS = [KEEPALIVE, ("grpc.use_local_subchannel_pool", 1)]
"""Use separate connections for streams: one connection carries 100 calls at most."""
CLIENT_METADATA = DEFAULT_CLIENT_INFO.to_grpc_metadata()  # type: ignore[no-untyped-call]  # no types
NOT_COMMITTED = {
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
}


@dataclass(frozen=True)
class Method:
    """A method of Firestore and the field of its request that selects the server."""

    name: str
    request: Any
    response: Any
    routing_field: str

    @property
    def path(self) -> str:
        return f"{SERVICE}/{self.name}"


def _method(name: str, *, routing_field: str) -> Method:
    request, response = getattr(types, f"{name}Request"), getattr(types, f"{name}Response")
    return Method(name, request.pb(), response.pb(), routing_field)


BATCH_GET = _method("BatchGetDocuments", routing_field="database")
RUN_QUERY = _method("RunQuery", routing_field="parent")
AGGREGATE = _method("RunAggregationQuery", routing_field="parent")
COMMIT = _method("Commit", routing_field="database")


class Stream(Protocol):
    """A listen stream; its iteration ends with a `grpc.RpcError`."""

    def __iter__(self) -> Iterator[types.ListenResponse]: ...
    def cancel(self) -> object: ...


class FirestoreCalls:
    """The calls of one database, each sent once; requests are arguments of their messages."""

    def __init__(self, client: firestore.Client, *, timeout_s: float) -> None:
        self.database: str = client._database_string
        self._timeout_s = timeout_s
        self._calling = _channel(client, CALL_OPTIONS)
        self._listening = _channel(client, LISTEN_OPTIONS)
        self._commit = self._calling.unary_unary(
            COMMIT.path,
            request_serializer=COMMIT.request.SerializeToString,
            response_deserializer=COMMIT.response.FromString,
        )
        self._reads = {
            method: self._calling.unary_stream(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
            for method in (BATCH_GET, RUN_QUERY, AGGREGATE)
        }
        self._listen = self._listening.stream_stream(
            f"{SERVICE}/Listen",
            request_serializer=types.ListenRequest.serialize,
            response_deserializer=types.ListenResponse.deserialize,
        )
        self._resource_metadata = tuple(client._rpc_metadata)
        self._metadata = {
            field: (*self._resource_metadata, _routing({field: value}), CLIENT_METADATA)
            for field, value in (("database", self.database), ("parent", self.parent))
        }

    @property
    def parent(self) -> str:
        """The parent of all collections."""
        return f"{self.database}/documents"

    def close(self) -> None:
        self._calling.close()
        self._listening.close()

    def read(
        self,
        method: Method,
        *,
        timeout_s: float | None = None,
        **request: Any,  # noqa: ANN401 (fields)
    ) -> list[Any]:
        """Return the responses to a read, within the timeout of all calls or another.

        Raises `StoreUnavailable`.

        A connection that broke while idle fails at its next use, so send it once more.
        """
        message, timeout_s = method.request(**request), timeout_s or self._timeout_s
        try:
            try:
                return self._read(method, message, timeout_s)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                return self._read(method, message, timeout_s)
        except grpc.RpcError as error:
            raise StoreUnavailable(reason=_reason(error)) from error

    def _read(self, method: Method, message: Any, timeout_s: float) -> list[Any]:  # noqa: ANN401 (a message)
        metadata = self._metadata[method.routing_field]
        return list(self._reads[method](message, timeout=timeout_s, metadata=metadata))

    def commit(self, writes: Sequence[Any]) -> None:
        """Send writes, all or nothing; raise `StoreContention` or `OutcomeUnknown`."""
        message = COMMIT.request(database=self.database, writes=writes)
        metadata = self._metadata[COMMIT.routing_field]
        try:
            self._commit(message, timeout=self._timeout_s, metadata=metadata)
        except grpc.RpcError as error:
            if error.code() in NOT_COMMITTED:
                raise StoreContention(reason=_reason(error)) from error
            raise OutcomeUnknown(reason=_reason(error)) from error

    def listen(self, requests: Iterator[types.ListenRequest], *, timeout_s: float) -> Stream:
        """Open a stream, which ends with its requests or at the timeout."""
        stream: Stream = self._listen(requests, timeout=timeout_s, metadata=self._resource_metadata)
        return stream


def _channel(client: firestore.Client, options: Sequence[tuple[str, int]]) -> grpc.Channel:
    """Open the SDK's kind of connection, as `client` would."""
    if client._emulator_host:
        return grpc.insecure_channel(client._emulator_host, options=options)
    return FirestoreGrpcTransport.create_channel(
        client._target, credentials=client._credentials, options=options
    )


def _routing(parameters: dict[str, str]) -> tuple[str, str]:
    name, value = routing_header.to_grpc_metadata(parameters)  # type: ignore[no-untyped-call]  # no types
    return name, value


def _reason(error: grpc.RpcError) -> str:
    """Return the message with its status: `PERMISSION_DENIED: ...`."""
    return f"{error.code().name}: {error.details()}"
