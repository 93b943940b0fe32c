"""Documents in Firestore: how they are addressed, read and committed, and what its errors mean.

Each call has a timeout of its own and is sent by the SDK once: its default is to send for minutes,
commits too, and then `ALREADY_EXISTS` may be about a write of our own.
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
from google.cloud.firestore_v1 import (
    CollectionReference,
    DocumentReference,
    Query,
)
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
"""For queries: they look into what they are given, and fail on None."""
READ_TRIES = 2
"""A connection that was broken while it lay idle is only noticed when it is used."""
LISTENING = [("grpc.use_local_subchannel_pool", 1), ("grpc.keepalive_time_ms", 30_000)]
"""No connection is shared with another channel, and a dead one is noticed."""

AnswerT = TypeVar("AnswerT")


class Stream(Protocol):
    """What is listened to; it ends with a `grpc.RpcError`."""

    def __iter__(self) -> Iterator[ListenResponse]:
        """Wait for each message."""
        ...

    def cancel(self) -> object:
        """End it, from whatever thread."""
        ...


class FirestoreDocuments:
    """One database's documents, in collections with a prefix."""

    def __init__(self, project: str, *, database: str, prefix: str, timeout_s: float) -> None:
        """Raise `StoreUnavailable` if this machine has no credentials for Google Cloud."""
        try:
            self.client = firestore.Client(project=project, database=database)
        except GoogleAuthError as error:
            raise StoreUnavailable(reason=str(error)) from error
        self._calling = self.client._firestore_api.transport  # made here, before threads come
        self._listening = _transport_of_its_own(self.client)
        self._prefix = prefix
        self._timeout_s = timeout_s

    def close(self) -> None:
        for transport in (self._calling, self._listening):
            transport.close()

    def reference(self, key: Key[Any]) -> DocumentReference:
        """Return where a document lives in Firestore."""
        return self.client.document(f"{self._prefix}{key.collection}", key.id)

    def collection(self, collection: Collection) -> CollectionReference:
        """Return where a collection lives in Firestore."""
        return self.client.collection(f"{self._prefix}{collection}")

    def read(self, keys: Sequence[Key[Any]], *, at: datetime | None = None) -> StoredDocuments:
        """Return those documents that exist, as they were at one moment: one round trip.

        The moment is `at`, by default now.

        Raises:
            StoreUnavailable
        """
        key_of = {self.reference(key): key for key in keys if key.can_exist}
        return {
            key_of[snapshot.reference]: snapshot
            for snapshot in self._read_all(list(key_of), at=at)
            if snapshot.exists
        }

    def moment(self) -> datetime:
        """Return the time of a read that is made now, by Firestore's clock."""
        [snapshot] = self._read_all([self.reference(account_key(UserId("moment")))])
        moment: datetime = snapshot.read_time
        return moment

    def _read_all(
        self, references: list[DocumentReference], *, at: datetime | None = None
    ) -> list[StoredDocument]:
        def ask() -> Iterable[StoredDocument]:
            return self.client.get_all(
                references, retry=None, timeout=self._timeout_s, read_time=at
            )

        return _answer(ask) if references else []

    def select(self, query: Query, *, at: datetime | None = None) -> list[StoredDocument]:
        """Return what a query finds, as it was at a moment (default: now): one round trip.

        Raises:
            StoreUnavailable
        """

        def ask() -> Iterable[StoredDocument]:
            return query.stream(retry=NEVER, timeout=self._timeout_s, read_time=at)

        return _answer(ask)

    def aggregate(self, query: object) -> float:
        """Return the one value of an aggregation, as it is now: one round trip.

        Raises:
            StoreUnavailable
        """
        asked: Any = query  # the SDK declares a class where it returns an object

        def ask() -> Iterable[float]:
            [[found]] = asked.get(retry=NEVER, timeout=self._timeout_s)
            return [float(found.value)]

        [value] = _answer(ask)
        return value

    def commit(self, plan: Plan, read: StoredDocuments) -> None:
        """Write and remove, each document under its precondition, all or nothing: one round trip.

        Raises:
            StoreContention: a precondition does not hold; nothing was written.
            OutcomeUnknown
        """
        parts = stored_parts([*plan.creates, *plan.updates], read)
        self.commit_fields(
            creates={key: fields for key, fields in parts.items() if key not in read},
            replaces={
                key: (fields, read[key].update_time) for key, fields in parts.items() if key in read
            },
            removes={
                key: read[key].update_time for key in with_internals(plan.removes) if key in read
            },
        )

    def commit_fields(
        self,
        *,
        creates: Mapping[Key[Any], dict[str, Any]],
        replaces: Mapping[Key[Any], tuple[dict[str, Any], Any]],
        removes: Mapping[Key[Any], Any],
    ) -> None:
        """Commit documents by their fields; what is replaced or removed was last changed then.

        Raises:
            as `commit`
        """
        batch = self.client.batch()
        for key, fields in creates.items():
            batch.create(self.reference(key), fields)
        for key, (fields, changed_at) in replaces.items():
            as_read = self.client.write_option(last_update_time=changed_at)
            batch.update(self.reference(key), fields, option=as_read)
        for key, changed_at in removes.items():
            as_read = self.client.write_option(last_update_time=changed_at)
            batch.delete(self.reference(key), option=as_read)
        try:
            batch.commit(retry=None, timeout=self._timeout_s)
        except (Aborted, AlreadyExists, FailedPrecondition) as error:
            raise StoreContention(reason=_said(error)) from error
        except GoogleAPIError as error:
            raise OutcomeUnknown(reason=_said(error)) from error

    def listen(self, requests: Iterator[ListenRequest], *, timeout_s: float) -> Stream:
        """Open a stream; it lasts as long as its requests, and at most that time."""
        listen: Any = self._listening.listen  # the SDK has another type for it
        stream: Stream = listen(requests, timeout=timeout_s, metadata=self.client._rpc_metadata)
        return stream


def _transport_of_its_own(client: firestore.Client) -> FirestoreGrpcTransport:
    """Return a transport whose streams hold up no other call: a connection carries 100 at once."""
    if client._emulator_host:
        channel = grpc.insecure_channel(client._emulator_host, options=LISTENING)
    else:
        channel = FirestoreGrpcTransport.create_channel(
            client._target, credentials=client._credentials, options=LISTENING
        )
    return FirestoreGrpcTransport(host=client._target, channel=channel)


def _answer(ask: Callable[[], Iterable[AnswerT]]) -> list[AnswerT]:
    """Return the answer to a pure read, which may be sent again."""
    for tries_left in reversed(range(READ_TRIES)):
        try:
            return list(ask())
        except GoogleAPIError as error:
            if not tries_left or not isinstance(error, ServiceUnavailable):
                raise StoreUnavailable(reason=_said(error)) from error
    raise AssertionError("the loop above returns or raises")


def _said(error: GoogleAPIError) -> str:
    """Return what Firestore said, by the name of its status: `PERMISSION_DENIED: ...`."""
    if isinstance(error, GoogleAPICallError) and error.grpc_status_code is not None:
        return f"{error.grpc_status_code.name}: {error.message}"
    return repr(error)
