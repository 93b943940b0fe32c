"""How a watch of Firestore lives through what happens to its streams."""

import threading
import time
from collections.abc import Callable

import grpc
import pytest
from google.cloud.firestore_v1.types import ExistenceFilter, ListenResponse, TargetChange
from google.rpc.status_pb2 import Status as Cause

from shared.adapters.firestore_store import FirestoreStore
from shared.adapters.firestore_watch import LISTEN_TIMEOUT_S
from shared.domain.account import Account
from shared.domain.creation import Creation
from shared.domain.keys import CreationId
from shared.ports.store import WATCHED_MAX, Changes, Decision, Document, Found, write
from tests.builders import ADA, BEN, NOON, a_creation, an_account, seconds
from tests.eventually import eventually
from tests.firestore_proxy import Fault, FirestoreProxy, answered, told
from tests.machine import needs

pytestmark = needs("firestore")

UNAVAILABLE = answered(grpc.StatusCode.UNAVAILABLE)
Kind = TargetChange.TargetChangeType


class Watcher:
    """What a watch has told, and what it comes to."""

    def __init__(self) -> None:
        self.told: list[Changes] = []
        self.account: Account | None = None
        self.creations: dict[CreationId, Creation] = {}

    def __call__(self, changes: Changes) -> None:
        self.account = changes.account or self.account
        self.creations |= {creation.creation_id: creation for creation in changes.creations}
        for creation_id in changes.gone:
            del self.creations[creation_id]
        self.told.append(changes)

    def sees(self, account: Account | None, *creations: Creation) -> bool:
        expected = {creation.creation_id: creation for creation in creations}
        return bool(self.told) and (self.account, self.creations) == (account, expected)


@pytest.fixture
def store(new_firestore: Callable[..., FirestoreStore], proxy: FirestoreProxy) -> FirestoreStore:
    return new_firestore(address=proxy.address)


def put(store: FirestoreStore, *documents: Document) -> None:
    def decide(found: Found) -> Decision[None]:
        return write(*documents, result=None)

    store.transact([document.key for document in documents], decide)


def test_all_is_told_at_once_and_then_each_change(store: FirestoreStore) -> None:
    creation, watcher = a_creation(), Watcher()
    put(store, an_account(), creation, an_account(BEN), a_creation("theirs", user_id=BEN))

    with store.watch(ADA, watcher):
        eventually(lambda: watcher.sees(an_account(), creation))
        put(store, an_account(tokens=1), a_creation("two"))
        eventually(lambda: watcher.sees(an_account(tokens=1), creation, a_creation("two")))
        put(store, an_account(BEN, tokens=1))
        store.transact([creation.key], lambda _: write(removing=(creation.key,), result=None))
        eventually(lambda: watcher.sees(an_account(tokens=1), a_creation("two")))

    assert watcher.told == [
        Changes(an_account(), (creation,), ()),
        Changes(an_account(tokens=1), (a_creation("two"),), ()),
        Changes(None, (), (creation.creation_id,)),
    ]


def test_what_is_too_old_is_gone(store: FirestoreStore) -> None:
    creations = [a_creation(str(n), created_at=NOON + seconds(n)) for n in range(WATCHED_MAX + 1)]
    put(store, *creations[:-1])
    watcher = Watcher()

    with store.watch(ADA, watcher):
        eventually(lambda: watcher.sees(None, *creations[:-1]))
        put(store, creations[-1])
        eventually(lambda: watcher.sees(None, *creations[1:]))

    assert watcher.told[-1] == Changes(None, (creations[-1],), (creations[0].creation_id,))


def test_an_outage_delays_what_is_told_and_loses_nothing(
    store: FirestoreStore, proxy: FirestoreProxy
) -> None:
    removed, kept, watcher = a_creation("removed"), a_creation("kept"), Watcher()
    put(store, an_account(), removed, kept)

    with store.watch(ADA, watcher):
        eventually(lambda: watcher.sees(an_account(), removed, kept))
        proxy.faults["Listen"] = [UNAVAILABLE] * 3
        proxy.cut()
        put(store, an_account(tokens=1), a_creation("new"))
        store.transact([removed.key], lambda _: write(removing=(removed.key,), result=None))
        eventually(lambda: watcher.sees(an_account(tokens=1), kept, a_creation("new")))

    assert kept not in [each for changes in watcher.told[1:] for each in changes.creations]


def test_an_outage_without_a_change_tells_nothing(
    store: FirestoreStore, proxy: FirestoreProxy
) -> None:
    watcher = Watcher()
    put(store, an_account(), a_creation())

    with store.watch(ADA, watcher):
        eventually(lambda: watcher.sees(an_account(), a_creation()))
        proxy.cut()
        eventually(lambda: [call.method for call in proxy.calls].count("Listen") == 2)
        put(store, an_account(tokens=1))
        eventually(lambda: watcher.sees(an_account(tokens=1), a_creation()))

    assert watcher.told[1:] == [Changes(an_account(tokens=1), (), ())]


def target_change(kind: int, *targets: int, **changes: object) -> bytes:
    change = TargetChange(target_change_type=kind, target_ids=targets, **changes)
    return ListenResponse.serialize(ListenResponse(target_change=change))


STREAMS_THAT_END = {
    "refused": answered(grpc.StatusCode.PERMISSION_DENIED),
    "closed": told(),
    "target removed": told(target_change(Kind.REMOVE, 2, cause=Cause(code=9, message="no index"))),
    "count lost": told(
        target_change(Kind.CURRENT, 2),
        ListenResponse.serialize(ListenResponse(filter=ExistenceFilter(target_id=2, count=7))),
    ),
}


@pytest.mark.parametrize("stream", STREAMS_THAT_END.values(), ids=STREAMS_THAT_END)
def test_whatever_ends_a_stream_another_one_follows(
    store: FirestoreStore, proxy: FirestoreProxy, stream: Fault
) -> None:
    put(store, an_account())
    proxy.faults["Listen"] = [stream]
    watcher = Watcher()

    with store.watch(ADA, watcher):
        eventually(lambda: watcher.sees(an_account()))

    assert watcher.told == [Changes(an_account(), (), ())]


def test_an_outage_is_waited_for_with_growing_pauses(
    store: FirestoreStore, proxy: FirestoreProxy
) -> None:
    proxy.faults["Listen"] = [UNAVAILABLE] * 4
    began_s, watcher = time.monotonic(), Watcher()

    with store.watch(ADA, watcher):
        eventually(lambda: watcher.sees(None))

    assert len(proxy.calls) == 5
    assert time.monotonic() - began_s > (0.1 + 0.2 + 0.4 + 0.8) / 2


@pytest.mark.parametrize("faults", [[], [UNAVAILABLE] * 1000], ids=["quiet", "outage"])
def test_the_end_of_the_block_ends_the_watch_at_once(
    store: FirestoreStore, proxy: FirestoreProxy, faults: list[Fault]
) -> None:
    proxy.faults["Listen"] = faults
    watcher = Watcher()
    with store.watch(ADA, watcher):
        eventually(lambda: proxy.calls)
        ended_s = time.monotonic()

    assert time.monotonic() - ended_s < 1
    assert [each.name for each in threading.enumerate() if each.name == "firestore-watch"] == []
    told = len(watcher.told)
    put(store, an_account())
    assert len(watcher.told) == told


def test_a_stream_is_renewed_before_it_can_be_broken_for_long(
    store: FirestoreStore, proxy: FirestoreProxy
) -> None:
    with store.watch(ADA, lambda _: None):
        eventually(lambda: proxy.calls)

    [listen] = proxy.calls
    assert listen.timeout_s is not None
    assert LISTEN_TIMEOUT_S - 1 < listen.timeout_s < LISTEN_TIMEOUT_S + 1
