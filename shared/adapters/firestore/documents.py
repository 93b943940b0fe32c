"""Firestore documents: references, reads, commits and errors.

The SDK's retries are off: by default it resends for minutes, even commits, so that
`ALREADY_EXISTS` may refer to our own write.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

import grpc
from google.api_core.exceptions import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    GoogleAPICallError,
    GoogleAPIError,
    ServiceUnavailable,
)
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google.cloud import firestore
from google.cloud.firestore_v1 import CollectionReference, DocumentReference, Query
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport
from google.cloud.firestore_v1.types import ListenRequest, ListenResponse

from shared.adapters.firestore.internals import (
    StoredDocument,
    StoredDocuments,
    stored_parts,
    with_internals,
)
from shared.domain.account import account_key
from shared.domain.errors import OutcomeUnknown, StoreContention, StoreUnavailable
from shared.domain.keys import Collection, Key, UserId
from shared.ports.store import Plan

NEVER = Retry(predicate=if_exception_type())
"""For queries, which fail on None."""
BY_NAME = "__name__"
PAGE_SIZE = 300
"""Documents per call of the audit and the migration, within the call's timeout."""
LISTEN_OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.keepalive_time_ms", 30_000)]
"""Use separate connections, and detect dead ones."""

ResultT = TypeVar("ResultT")


class Stream(Protocol):
    """A listen stream; its iteration ends with a `grpc.RpcError`."""

    def __iter__(self) -> Iterator[ListenResponse]: ...
    def cancel(self) -> object: ...


class FirestoreDocuments:
    def __init__(self, project: str, *, database: str, prefix: str, timeout_s: float) -> None:
        try:
            self.client = firestore.Client(project=project, database=database)
        except GoogleAuthError as error:
            raise StoreUnavailable(reason=str(error)) from error
        self._calling = self.client._firestore_api.transport  # created before there are threads
        self._listening = _listen_transport(self.client)
        self._prefix = prefix
        self._timeout_s = timeout_s

    def close(self) -> None:
        for transport in (self._calling, self._listening):
            transport.close()

    def reference(self, key: Key[Any]) -> DocumentReference:
        return self.client.document(f"{self._prefix}{key.collection}", key.id)

    def collection(self, collection: Collection) -> CollectionReference:
        return self.client.collection(f"{self._prefix}{collection}")

    def read(self, keys: Sequence[Key[Any]], *, at: datetime | None = None) -> StoredDocuments:
        """Read the existing documents at one time (default: now), in one round trip."""
        key_of = {self.reference(key): key for key in keys if key.can_exist}
        return {
            key_of[snapshot.reference]: snapshot
            for snapshot in self._read_all(list(key_of), at=at)
            if snapshot.exists
        }

    def moment(self) -> datetime:
        [snapshot] = self._read_all([self.reference(account_key(UserId("moment")))])
        moment: datetime = snapshot.read_time
        return moment

    def _read_all(
        self, references: list[DocumentReference], *, at: datetime | None = None
    ) -> list[StoredDocument]:
        if not references:
            return []
        options: dict[str, Any] = {"retry": None, "timeout": self._timeout_s, "read_time": at}
        return _call_with_retry(lambda: self.client.get_all(references, **options))

    def select(self, query: Query, *, at: datetime | None = None) -> list[StoredDocument]:
        """Run a query at one time (default: now), in one round trip."""
        options: dict[str, Any] = {"retry": NEVER, "timeout": self._timeout_s, "read_time": at}
        return _call_with_retry(lambda: query.stream(**options))

    def pages(
        self, collection: Collection, *, at: datetime | None = None
    ) -> Iterator[list[StoredDocument]]:
        """Yield all documents of a collection in the order of their ids."""
        by_name = Query(self.collection(collection)).order_by(BY_NAME).limit(PAGE_SIZE)
        page = self.select(by_name, at=at)
        yield page
        while len(page) == PAGE_SIZE:
            page = self.select(by_name.start_after({BY_NAME: page[-1].id}), at=at)
            yield page

    def aggregate(self, query: Any) -> float:  # noqa: ANN401 (the SDK declares a wrong type)
        [[found]] = _call_with_retry(lambda: query.get(retry=NEVER, timeout=self._timeout_s))
        return float(found.value)

    def commit(self, plan: Plan, read: StoredDocuments) -> None:
        """Commit a plan, each document under its precondition, in one round trip."""
        self.commit_fields(
            stored_parts([*plan.creates, *plan.updates], read),
            [key for key in with_internals(plan.removes) if key in read],
            versions={key: document.update_time for key, document in read.items()},
        )

    def commit_fields(
        self,
        writes: Mapping[Key[Any], dict[str, Any]],
        removes: Iterable[Key[Any]],
        *,
        versions: Mapping[Key[Any], Any],
    ) -> None:
        """Write and remove documents, which must have these update times, or not exist."""
        batch, option = self.client.batch(), self.client.write_option
        as_read = {key: option(last_update_time=at) for key, at in versions.items()}
        for key, fields in writes.items():
            if key in as_read:
                batch.update(self.reference(key), fields, option=as_read[key])
            else:
                batch.create(self.reference(key), fields)
        for key in removes:
            batch.delete(self.reference(key), option=as_read[key])
        try:
            batch.commit(retry=None, timeout=self._timeout_s)
        except (Aborted, AlreadyExists, FailedPrecondition) as error:
            raise StoreContention(reason=_error_text(error)) from error
        except GoogleAPIError as error:
            raise OutcomeUnknown(reason=_error_text(error)) from error

    def listen(self, requests: Iterator[ListenRequest], *, timeout_s: float) -> Stream:
        """Open a stream, which ends with its requests or at the timeout."""
        listen: Any = self._listening.listen  # the SDK has another type for it
        stream: Stream = listen(requests, timeout=timeout_s, metadata=self.client._rpc_metadata)
        return stream


def _listen_transport(client: firestore.Client) -> FirestoreGrpcTransport:
    """Open a separate connection for streams: one connection carries 100 calls at most."""
    if client._emulator_host:
        channel = grpc.insecure_channel(client._emulator_host, options=LISTEN_OPTIONS)
    else:
        channel = FirestoreGrpcTransport.create_channel(
            client._target, credentials=client._credentials, options=LISTEN_OPTIONS
        )
    return FirestoreGrpcTransport(host=client._target, channel=channel)


def _call_with_retry(call: Callable[[], Iterable[ResultT]]) -> list[ResultT]:
    """Send a read, once more if Firestore is unavailable; raise `StoreUnavailable`."""
    try:
        try:
            return list(call())
        except ServiceUnavailable:  # a connection that broke while idle fails at its next use
            return list(call())
    except GoogleAPIError as error:
        raise StoreUnavailable(reason=_error_text(error)) from error


def _error_text(error: GoogleAPIError) -> str:
    """Return the message with its gRPC status: `PERMISSION_DENIED: ...`."""
    if isinstance(error, GoogleAPICallError) and error.grpc_status_code is not None:
        return f"{error.grpc_status_code.name}: {error.message}"
    return repr(error)
