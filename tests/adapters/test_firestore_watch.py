"""Watches of Firestore and the faults of their streams."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import grpc
import pytest
from google.cloud.firestore_v1._helpers import encode_dict
from google.cloud.firestore_v1.types import Document as Version
from google.cloud.firestore_v1.types import (
    DocumentChange,
    ExistenceFilter,
    ListenResponse,
    TargetChange,
)
from google.rpc.status_pb2 import Status as Cause

from shared.adapters.documents import to_fields
from shared.adapters.firestore.store import FirestoreStore
from shared.adapters.firestore.watch import ACCOUNT, CREATIONS, LISTEN_TIMEOUT_S
from shared.domain.creation import Creation
from shared.domain.snapshot import WATCHED_MAX, Changes
from shared.ports.store import write
from tests.servers.firestore_proxy import (
    STREAMS_MAX,
    Fault,
    FirestoreProxy,
    fails_with,
    responds_with,
)
from tests.support.builders import ADA, BEN, NOON, a_creation, an_account, seconds, shown
from tests.support.change_recorder import ChangeRecorder
from tests.support.documents import put
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = needs("firestore")

UNAVAILABLE = fails_with(grpc.StatusCode.UNAVAILABLE)
Kind = TargetChange.TargetChangeType


@pytest.fixture
def store(new_firestore: Callable[..., FirestoreStore], proxy: FirestoreProxy) -> FirestoreStore:
    return new_firestore(address=proxy.address)


def test_watch_delivers_a_snapshot_and_then_each_change(store: FirestoreStore) -> None:
    creation, watcher = a_creation(), ChangeRecorder()
    put(store, an_account(), creation, an_account(BEN), a_creation("theirs", user_id=BEN))

    with store.watch(ADA, watcher):
        eventually(lambda: watcher.sees(an_account(), creation))
        put(store, an_account(tokens=1), a_creation("two"))
        eventually(lambda: watcher.sees(an_account(tokens=1), creation, a_creation("two")))
        put(store, an_account(BEN, tokens=1))
        store.transact([creation.key], lambda _: write(removing=(creation.key,), result=None))
        eventually(lambda: watcher.sees(an_account(tokens=1), a_creation("two")))

    assert watcher.changes == [
        Changes(an_account(), tuple(shown(creation)), ()),
        Changes(an_account(tokens=1), tuple(shown(a_creation("two"))), ()),
        Changes(None, (), (creation.creation_id,)),
    ]


def test_unreadable_document_delays_a_snapshot(store: FirestoreStore) -> None:
    watcher = ChangeRecorder()
    put(store, an_account())
    documents = store._documents
    broken = documents.client.document(documents.name(a_creation("x").key))

    with store.watch(ADA, watcher):
        eventually(lambda: watcher.sees(an_account()))
        broken.set({"userId": ADA, "createdAt": NOON})
        put(store, a_creation("mine"))
        broken.delete()
        eventually(lambda: watcher.sees(an_account(), a_creation("mine")))


def test_creation_beyond_the_limit_is_gone(store: FirestoreStore) -> None:
    creations = [a_creation(str(n), created_at=NOON + seconds(n)) for n in range(WATCHED_MAX + 1)]
    put(store, *creations[:-1])
    watcher = ChangeRecorder()

    with store.watch(ADA, watcher):
        eventually(lambda: watcher.sees(None, *creations[:-1]))
        put(store, creations[-1])
        eventually(lambda: watcher.sees(None, *creations[1:]))

    assert watcher.changes[-1] == Changes(
        None, tuple(shown(creations[-1])), (creations[0].creation_id,)
    )


def test_outage_delays_a_snapshot_and_loses_nothing(
    store: FirestoreStore, proxy: FirestoreProxy
) -> None:
    removed, kept, watcher = a_creation("removed"), a_creation("kept"), ChangeRecorder()
    put(store, an_account(), removed, kept)

    with store.watch(ADA, watcher):
        eventually(lambda: watcher.sees(an_account(), removed, kept))
        proxy.faults["Listen"] = [UNAVAILABLE] * 3
        proxy.cut()
        put(store, an_account(tokens=1), a_creation("new"))
        store.transact([removed.key], lambda _: write(removing=(removed.key,), result=None))
        eventually(lambda: watcher.sees(an_account(tokens=1), kept, a_creation("new")))

    assert shown(kept)[0] not in [
        each for changes in watcher.changes[1:] for each in changes.creations
    ]


def test_outage_without_a_change_delivers_nothing(
    store: FirestoreStore, proxy: FirestoreProxy
) -> None:
    watcher = ChangeRecorder()
    put(store, an_account(), a_creation())

    with store.watch(ADA, watcher):
        eventually(lambda: watcher.sees(an_account(), a_creation()))
        proxy.cut()
        eventually(lambda: [call.method for call in proxy.calls].count("Listen") == 2)
        put(store, an_account(tokens=1))
        eventually(lambda: watcher.sees(an_account(tokens=1), a_creation()))

    assert watcher.changes[1:] == [Changes(an_account(tokens=1), (), ())]


def target_change(kind: int, *targets: int, **changes: object) -> bytes:
    change = TargetChange(target_change_type=kind, target_ids=targets, **changes)
    return ListenResponse.serialize(ListenResponse(target_change=change))


def count(target: int, documents: int) -> bytes:
    known = ExistenceFilter(target_id=target, count=documents)
    return ListenResponse.serialize(ListenResponse(filter=known))


def version(creation: Creation) -> bytes:
    name = f"projects/p/databases/d/documents/creations/{creation.creation_id}"
    document = Version(name=name, fields=encode_dict(to_fields(creation)), update_time=NOON)
    change = DocumentChange(document=document, target_ids=[CREATIONS])
    return ListenResponse.serialize(ListenResponse(document_change=change))


COMPLETE = target_change(Kind.CURRENT)
ONE_MOMENT = target_change(Kind.NO_CHANGE)
REFUSED = Cause(code=9, message="the query needs an index")

STREAMS_THAT_END = {
    "refused": fails_with(grpc.StatusCode.PERMISSION_DENIED),
    "closed": responds_with(),
    "target removed": responds_with(
        COMPLETE, target_change(Kind.REMOVE, CREATIONS, cause=REFUSED), ONE_MOMENT
    ),
    "count lost": responds_with(COMPLETE, count(CREATIONS, 7), ONE_MOMENT),
}


@pytest.mark.parametrize("stream", STREAMS_THAT_END.values(), ids=STREAMS_THAT_END)
def test_ended_stream_is_followed_by_another(
    store: FirestoreStore, proxy: FirestoreProxy, stream: Fault
) -> None:
    put(store, an_account())
    proxy.faults["Listen"] = [stream]
    watcher = ChangeRecorder()

    with store.watch(ADA, watcher):
        eventually(lambda: watcher.sees(an_account()))

    assert watcher.changes == [Changes(an_account(), (), ())]


def test_only_consistent_snapshots_are_delivered(
    store: FirestoreStore, proxy: FirestoreProxy
) -> None:
    one, two = a_creation("one"), a_creation("two")
    watcher = ChangeRecorder()
    proxy.faults["Listen"] = [
        responds_with(
            target_change(Kind.ADD, ACCOUNT),
            ONE_MOMENT,  # nothing is complete yet
            target_change(Kind.CURRENT, ACCOUNT),
            ONE_MOMENT,  # the creations are not
            version(one),
            target_change(Kind.CURRENT, CREATIONS),
            target_change(Kind.NO_CHANGE, CREATIONS),  # of one target only
            count(CREATIONS, 1),
            version(two),
            ONE_MOMENT,
            target_change(Kind.RESET, CREATIONS),
            ONE_MOMENT,  # the creations are not complete any more
            version(two),
            COMPLETE,
            ONE_MOMENT,
        ),
    ]

    with store.watch(ADA, watcher):
        eventually(lambda: [c.method for c in proxy.calls].count("Listen") == 2)

    assert watcher.changes[:2] == [
        Changes(None, tuple(shown(one, two)), ()),
        Changes(None, (), (one.creation_id,)),
    ]


def test_streams_are_retried_with_growing_pauses(
    store: FirestoreStore, proxy: FirestoreProxy
) -> None:
    proxy.faults["Listen"] = [UNAVAILABLE] * 4
    began_s, watcher = time.monotonic(), ChangeRecorder()

    with store.watch(ADA, watcher):
        eventually(lambda: watcher.sees(None))

    assert len(proxy.calls) == 5
    assert time.monotonic() - began_s > (0.1 + 0.2 + 0.4 + 0.8) / 2


@pytest.mark.parametrize("faults", [[], [UNAVAILABLE] * 1000], ids=["quiet", "outage"])
def test_watch_ends_with_its_block(
    store: FirestoreStore, proxy: FirestoreProxy, faults: list[Fault]
) -> None:
    proxy.faults["Listen"] = faults
    watcher = ChangeRecorder()
    with store.watch(ADA, watcher):
        eventually(lambda: proxy.calls)
        ended_s = time.monotonic()

    assert time.monotonic() - ended_s < 5
    assert [each.name for each in threading.enumerate() if each.name == "firestore-watch"] == []
    count_before = len(watcher.changes)
    put(store, an_account())
    assert len(watcher.changes) == count_before


def test_stream_has_a_maximum_duration(store: FirestoreStore, proxy: FirestoreProxy) -> None:
    with store.watch(ADA, lambda _: None):
        eventually(lambda: proxy.calls)

    [listen] = proxy.calls
    assert listen.timeout_s is not None
    assert listen.timeout_s < 1.1 * LISTEN_TIMEOUT_S  # it is rounded on the wire


def test_watches_do_not_block_other_calls(store: FirestoreStore, proxy: FirestoreProxy) -> None:
    put(store, an_account())
    watchers = [ChangeRecorder() for _ in range(STREAMS_MAX)]

    with ExitStack() as watches:
        for watcher in watchers:
            watches.enter_context(store.watch(ADA, watcher))
        eventually(lambda: all(watcher.sees(an_account()) for watcher in watchers))
        put(store, an_account(tokens=1))
        eventually(lambda: all(watcher.sees(an_account(tokens=1)) for watcher in watchers))
