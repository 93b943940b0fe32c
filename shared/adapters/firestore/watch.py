"""Firestore listen streams: a user's account and newest creations.

The SDK's own listener is not used: during an outage it retries without a pause, at full CPU load,
and it ends silently on a permanent error.
"""

import logging
import random
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.cloud.firestore_v1 import Query
from google.cloud.firestore_v1.types import Document as Version
from google.cloud.firestore_v1.types import ListenRequest, ListenResponse, Target, TargetChange

from shared.adapters.documents import from_fields
from shared.adapters.firestore.calls import Stream
from shared.adapters.firestore.documents import FirestoreDocuments
from shared.adapters.firestore.values import decoded
from shared.domain.account import account_key
from shared.domain.creation import creation_key
from shared.domain.keys import CreationId, UserId
from shared.domain.snapshot import Snapshot

log = logging.getLogger(__name__)

LISTEN_TIMEOUT_S = 1800
"""A stream is renewed after this time, in case its connection is silently broken."""
FIRST_PAUSE_S = 0.1
PAUSE_S_MAX = 10
ACCOUNT, CREATIONS = 1, 2
"""The ids of a stream's targets."""
ChangeType = TargetChange.TargetChangeType


class _StreamEnded(Exception):
    """The stream cannot deliver the rest: listen again."""


class _View:
    def __init__(self, decode: Callable[[int, Version], Any]) -> None:
        self._decode = decode
        self.documents: dict[int, dict[str, Any]] = {ACCOUNT: {}, CREATIONS: {}}
        self._current: set[int] = set()

    def apply(self, message: ListenResponse) -> bool:
        """Apply a message; return whether the view is now consistent at one moment."""
        if "target_change" in message:
            return self._apply_target_change(message.target_change)
        if "document_change" in message:
            change = message.document_change
            name = change.document.name
            for target in change.target_ids:
                self.documents[target][name] = self._decode(target, change.document)
            self._drop(name, change.removed_target_ids)
        elif "document_delete" in message:
            self._drop(message.document_delete.document, message.document_delete.removed_target_ids)
        elif "document_remove" in message:
            self._drop(message.document_remove.document, message.document_remove.removed_target_ids)
        elif message.filter.count != len(self.documents[message.filter.target_id]):
            raise _StreamEnded("documents were removed without a message")
        return False

    def _drop(self, name: str, targets: Collection[int]) -> None:
        for target in targets:
            self.documents[target].pop(name, None)

    def _apply_target_change(self, change: TargetChange) -> bool:
        targets = set(change.target_ids) or {ACCOUNT, CREATIONS}
        match change.target_change_type:
            case ChangeType.CURRENT:
                self._current |= targets
            case ChangeType.RESET:
                self._current -= targets
                for target in targets:
                    self.documents[target].clear()
            case ChangeType.REMOVE:
                raise _StreamEnded(f"status {change.cause.code}: {change.cause.message}")
            case ChangeType.NO_CHANGE:
                return not change.target_ids and self._current == {ACCOUNT, CREATIONS}
        return False


@dataclass
class FirestoreWatch:
    """Watches one user while its `with` block runs; `_creations` is the query for the newest."""

    _documents: FirestoreDocuments
    _user_id: UserId
    _creations: Query
    _changed: Callable[[Snapshot], None]
    _delivered: Snapshot | None = None
    _pause_s: float = FIRST_PAUSE_S
    _ended: threading.Event = field(default_factory=threading.Event)
    _stream: Stream | None = None

    def __enter__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="firestore-watch", daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._stream is not None:
            self._stream.cancel()
        self._thread.join()

    def _run(self) -> None:
        """Listen until the end, with a growing pause between failed streams."""
        while not self._ended.is_set():
            try:
                self._listen()
            except (grpc.RpcError, _StreamEnded) as error:
                if not self._ended.is_set():
                    log.info("watch_interrupted", extra={"reason": _reason(error)})
            except Exception:
                log.exception("watch_failed")
            self._ended.wait(random.uniform(self._pause_s / 2, self._pause_s))
            self._pause_s = min(2 * self._pause_s, PAUSE_S_MAX)

    def _listen(self) -> None:
        finished = threading.Event()
        requests = self._requests(finished)
        self._stream = stream = self._documents.calls.listen(requests, timeout_s=LISTEN_TIMEOUT_S)
        if self._ended.is_set():
            stream.cancel()
        view = _View(self._decode)
        try:
            for message in stream:
                if view.apply(message):
                    self._deliver(view)
                    self._pause_s = FIRST_PAUSE_S
        finally:
            stream.cancel()
            finished.set()

    def _requests(self, finished: threading.Event) -> Iterator[ListenRequest]:
        """Add both targets, then wait: the stream ends with its requests."""
        calls = self._documents.calls
        account = self._documents.name(account_key(self._user_id))
        documents = Target.DocumentsTarget(documents=[account])
        query = Target.QueryTarget(
            parent=calls.parent, structured_query=self._creations._to_protobuf()
        )
        for target in (
            Target(target_id=ACCOUNT, documents=documents),
            Target(target_id=CREATIONS, query=query),
        ):
            yield ListenRequest(database=calls.database, add_target=target)
        finished.wait()

    def _deliver(self, view: _View) -> None:
        snapshot = Snapshot(
            account=next(iter(view.documents[ACCOUNT].values()), None),
            creations={each.creation_id: each for each in view.documents[CREATIONS].values()},
        )
        if snapshot != self._delivered:
            self._delivered = snapshot
            self._changed(snapshot)

    def _decode(self, target: int, version: Version) -> Any:  # noqa: ANN401 (an account or a creation)
        fields = decoded(Version.pb(version).fields, self._documents.client)
        if target == ACCOUNT:
            return from_fields(account_key(self._user_id), fields)
        return from_fields(creation_key(CreationId(version.name.rpartition("/")[2])), fields)


def _reason(error: Exception) -> str:
    """Return why a stream ended, on one line."""
    if isinstance(error, grpc.Call):
        return f"{error.code().name}: {error.details()}"
    return str(error)
