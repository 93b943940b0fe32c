"""Calls to Firestore, compared on the wire with the SDK's own: requests, headers and threads."""

import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.api_core.exceptions import Aborted
from google.cloud.firestore_v1 import DELETE_FIELD, Client, FieldFilter, Query
from google.cloud.firestore_v1.types import Document
from google.protobuf.timestamp_pb2 import Timestamp

from shared.adapters.firestore import calls
from shared.adapters.firestore.documents import FirestoreDocuments
from shared.adapters.firestore.store import FirestoreStore
from shared.domain.account import account_key
from shared.domain.errors import StoreContention
from shared.domain.keys import Collection, Key
from tests.servers.firestore_proxy import FirestoreProxy, fails_with
from tests.support.builders import ADA, NOON, an_account
from tests.support.documents import put
from tests.support.machine import needs

pytestmark = needs("firestore")

USER = account_key(ADA)
COST: Key[Any] = Key(Collection.COSTS, "legacy")
CREATION: Key[Any] = Key(Collection.CREATIONS, "new")
VERSION = Timestamp(seconds=1_800_000_000, nanos=123_456_789)
FIELDS: dict[str, Any] = {
    "_private": {},
    "a b": [1, {"nested.name": None}],
    "b`\\c": 1.5,
    "deleted": DELETE_FIELD,
    "légumes": {"x": {"y": NOON}},
    "simple": "text",
}
"""Also names that a mask must quote."""


@pytest.fixture
def documents(
    new_firestore: Callable[..., FirestoreStore], proxy: FirestoreProxy
) -> FirestoreDocuments:
    return new_firestore(address=proxy.address)._documents


def both_calls(proxy: FirestoreProxy, method: calls.Method) -> None:
    """Check that the last two calls were the same, in requests and headers."""
    ours, theirs = proxy.calls
    assert (ours.method, theirs.method) == (method.name, method.name)
    first, second = (method.request.FromString(call.messages[0]) for call in proxy.calls)
    assert first == second
    assert ours.headers == theirs.headers
    assert {"google-cloud-resource-prefix", "x-goog-request-params"} < set(ours.headers)
    proxy.counted()


def newest(client: Client) -> Query:
    query = client.collection("creations").where(filter=FieldFilter("userId", "in", [ADA]))
    return query.order_by("createdAt", Query.DESCENDING).limit(20)


def test_reads_are_sent_like_the_sdk_does(
    documents: FirestoreDocuments, proxy: FirestoreProxy
) -> None:
    client = documents.client
    references = [client.document(documents.name(key)) for key in (USER, CREATION)]
    newer = newest(client).start_after({"createdAt": NOON})

    documents.read([USER, CREATION])
    list(client.get_all(references))
    both_calls(proxy, calls.BATCH_GET)
    documents.select(newer)
    list(newer.stream())
    both_calls(proxy, calls.RUN_QUERY)
    query: Any  # the SDK declares a wrong type
    for query in (newest(client).count(), newest(client).sum("cost")):
        documents.aggregate(query)
        query.get()
        both_calls(proxy, calls.AGGREGATE)


def test_reads_at_one_time_are_sent_like_the_sdk_does(
    documents: FirestoreDocuments, proxy: FirestoreProxy
) -> None:
    client, moment = documents.client, documents.moment()
    at = Document(update_time=moment).update_time
    proxy.counted()

    documents.read([USER], at=moment)
    list(client.get_all([client.document(documents.name(USER))], read_time=at))
    both_calls(proxy, calls.BATCH_GET)
    documents.select(newest(client), at=moment)
    list(newest(client).stream(read_time=at))
    both_calls(proxy, calls.RUN_QUERY)
    count: Any = newest(client).count()  # the SDK declares a wrong type
    documents.aggregate(count, at=moment)
    count.get(read_time=at)
    both_calls(proxy, calls.AGGREGATE)


def test_commits_are_sent_like_the_sdk_does(
    documents: FirestoreDocuments, proxy: FirestoreProxy
) -> None:
    proxy.faults["Commit"] = [fails_with(grpc.StatusCode.ABORTED)] * 2
    client = documents.client
    user, cost, creation = (client.document(documents.name(key)) for key in (USER, COST, CREATION))
    created = {name: value for name, value in FIELDS.items() if value is not DELETE_FIELD}
    version = client.write_option(last_update_time=VERSION)
    batch = client.batch()
    batch.update(user, {client.field_path(name): FIELDS[name] for name in FIELDS}, option=version)
    batch.create(creation, created)
    batch.delete(cost, option=version)

    with pytest.raises(StoreContention):
        documents.commit_fields(
            {USER: FIELDS, CREATION: created}, [COST], versions={USER: VERSION, COST: VERSION}
        )
    with pytest.raises(Aborted):
        batch.commit(retry=None)

    both_calls(proxy, calls.COMMIT)


def test_fields_keep_their_names_when_they_are_rewritten(documents: FirestoreDocuments) -> None:
    kept = {"a.b": 1, "a": {"b": 2}, "`": [], "c/d": {"e.f": None}}
    documents.commit_fields({COST: {**kept, "changed": 1}}, [], versions={})
    first = documents.read([COST])[COST]

    documents.commit_fields(
        {COST: {**first.fields, "changed": 2}}, [], versions={COST: first.update_time}
    )

    assert documents.read([COST])[COST].fields == {**kept, "changed": 2}


def test_calls_start_no_thread(firestore: FirestoreStore, monkeypatch: pytest.MonkeyPatch) -> None:
    put(firestore, an_account())
    caller, started, start = threading.current_thread(), [], threading.Thread.start

    def counted(thread: threading.Thread) -> None:
        if threading.current_thread() is caller:
            started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", counted)

    for _ in range(3):
        assert firestore.get(USER) == an_account()
        put(firestore, an_account())
    monkeypatch.undo()

    assert started == []
