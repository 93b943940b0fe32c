"""Listening to Firestore: a user's account and newest creations, as they change.

The SDK's own listener is not used: while Firestore is out of reach it tries again without a pause
and takes a whole core, and what ends it for good ends it silently.
"""

import logging
import random
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import grpc
from google.cloud.firestore_v1 import Query
from google.cloud.firestore_v1._helpers import decode_dict
from google.cloud.firestore_v1.types import Document as Version
from google.cloud.firestore_v1.types import ListenRequest, ListenResponse, Target, TargetChange

from shared.adapters.documents import from_fields
from shared.adapters.firestore.documents import FirestoreDocuments, Stream
from shared.domain.account import account_key
from shared.domain.creation import creation_key
from shared.domain.keys import CreationId, DocumentT, Key, UserId
from shared.ports.store import Changes

log = logging.getLogger(__name__)

LISTEN_TIMEOUT_S = 1800
"""A stream is renewed after this time, in case it is broken and nobody has noticed."""
FIRST_PAUSE_S = 0.1
PAUSE_S_MAX = 10
ACCOUNT, CREATIONS = 1, 2
"""What one stream listens to, by the numbers that its messages carry."""
Turn = TargetChange.TargetChangeType


@contextmanager
def watching(
    documents: FirestoreDocuments,
    user_id: UserId,
    creations: Query,
    changed: Callable[[Changes], None],
) -> Iterator[None]:
    """See `Store.watch`; `creations` finds the user's newest."""
    watch = _Watch(documents, user_id, creations, changed)
    thread = threading.Thread(target=watch.run, name="firestore-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        watch.end()
        thread.join()


class _StreamEnded(Exception):
    """A stream has nothing more to say: listen again."""


@dataclass
class _View:
    """What one stream has shown so far: documents by name, for each target."""

    versions: dict[int, dict[str, Version]] = field(
        default_factory=lambda: {ACCOUNT: {}, CREATIONS: {}}
    )
    complete: set[int] = field(default_factory=set)

    def take(self, message: ListenResponse) -> bool:
        """Take in a message; tell whether the view is now as the store was at one moment.

        Raises:
            _StreamEnded: only another stream can show the rest.
        """
        if "target_change" in message:
            return self._turned(message.target_change)
        if "document_change" in message:
            change = message.document_change
            for target in change.target_ids:
                self.versions[target][change.document.name] = change.document
            self._drop(change.document.name, change.removed_target_ids)
        elif "document_delete" in message:
            removed = message.document_delete
            self._drop(removed.document, removed.removed_target_ids)
        elif "document_remove" in message:
            left = message.document_remove
            self._drop(left.document, left.removed_target_ids)
        elif message.filter.count != len(self.versions[message.filter.target_id]):
            raise _StreamEnded("documents have left unseen")
        return False

    def _drop(self, name: str, targets: Collection[int]) -> None:
        for target in targets:
            self.versions[target].pop(name, None)

    def _turned(self, change: TargetChange) -> bool:
        targets = set(change.target_ids) or {ACCOUNT, CREATIONS}
        match change.target_change_type:
            case Turn.CURRENT:
                self.complete |= targets
            case Turn.RESET:
                self.complete -= targets
                for target in targets:
                    self.versions[target].clear()
            case Turn.REMOVE:
                raise _StreamEnded(f"status {change.cause.code}: {change.cause.message}")
            case Turn.NO_CHANGE:
                return not change.target_ids and self.complete == {ACCOUNT, CREATIONS}
        return False


class _Watch:
    """One user's changes, from stream to stream."""

    def __init__(
        self,
        documents: FirestoreDocuments,
        user_id: UserId,
        creations: Query,
        changed: Callable[[Changes], None],
    ) -> None:
        self._documents = documents
        self._user_id = user_id
        self._creations = creations
        self._changed = changed
        self._told: dict[int, dict[str, datetime]] | None = None
        """When each document that was told had been written, as in a view."""
        self._pause_s: float = FIRST_PAUSE_S
        self._is_over = threading.Event()
        self._stream: Stream | None = None

    def run(self) -> None:
        """Listen until it is over, whatever happens to the streams."""
        while not self._is_over.is_set():
            try:
                self._listen()
            except (grpc.RpcError, _StreamEnded) as error:
                if not self._is_over.is_set():
                    log.info("watch_interrupted", extra={"reason": _said(error)})
            except Exception:
                log.exception("watch_failed")
            self._is_over.wait(random.uniform(self._pause_s / 2, self._pause_s))
            self._pause_s = min(2 * self._pause_s, PAUSE_S_MAX)

    def end(self) -> None:
        """Let `run` return."""
        self._is_over.set()
        if self._stream is not None:
            self._stream.cancel()

    def _listen(self) -> None:
        is_read = threading.Event()
        self._stream = stream = self._documents.listen(
            self._requests(is_read), timeout_s=LISTEN_TIMEOUT_S
        )
        if self._is_over.is_set():
            stream.cancel()
        view = _View()
        try:
            for message in stream:
                if view.take(message):
                    self._tell(view)
                    self._pause_s = FIRST_PAUSE_S
        finally:
            stream.cancel()
            is_read.set()

    def _requests(self, is_read: threading.Event) -> Iterator[ListenRequest]:
        """Ask for both targets, then keep the stream open: it ends with its requests."""
        client = self._documents.client
        account = self._documents.reference(account_key(self._user_id))
        documents = Target.DocumentsTarget(documents=[account._document_path])
        query = Target.QueryTarget(
            parent=f"{client._database_string}/documents",
            structured_query=self._creations._to_protobuf(),
        )
        for target in (
            Target(target_id=ACCOUNT, documents=documents),
            Target(target_id=CREATIONS, query=query),
        ):
            yield ListenRequest(database=client._database_string, add_target=target)
        is_read.wait()

    def _tell(self, view: _View) -> None:
        """Call `changed` with what differs from what it was told before."""
        now = {
            target: {name: version.update_time for name, version in versions.items()}
            for target, versions in view.versions.items()
        }
        if now == self._told:
            return
        told = self._told or {ACCOUNT: {}, CREATIONS: {}}
        self._told = now
        news = {
            target: [v for v in versions.values() if told[target].get(v.name) != v.update_time]
            for target, versions in view.versions.items()
        }
        account_at = account_key(self._user_id)
        self._changed(
            Changes(
                account=next((self._document(account_at, v) for v in news[ACCOUNT]), None),
                creations=tuple(
                    self._document(creation_key(_id(v.name)), v) for v in news[CREATIONS]
                ),
                gone=tuple(_id(name) for name in told[CREATIONS].keys() - now[CREATIONS].keys()),
            )
        )

    def _document(self, key: Key[DocumentT], version: Version) -> DocumentT:
        fields: Any = decode_dict(version.fields, self._documents.client)
        return from_fields(key, fields)


def _id(name: str) -> CreationId:
    return CreationId(name.rpartition("/")[2])


def _said(error: Exception) -> str:
    """Return why a stream ended, on one line."""
    if isinstance(error, grpc.Call):
        return f"{error.code().name}: {error.details()}"
    return str(error)
