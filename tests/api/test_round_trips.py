"""Calls to Firestore and Cloud Tasks per use case, counted on the wire."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import pytest
from google.cloud import tasks_v2

from shared.adapters.cloud_tasks.task_queue import CloudTasksQueue
from shared.adapters.firestore.store import FirestoreStore
from shared.adapters.system.clock import SystemClock
from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.status import Stage
from shared.ports.store import Store
from tests.api.conftest import Api, Server
from tests.servers.cloud_tasks_server import CloudTasksServer
from tests.servers.firestore_proxy import FirestoreProxy
from tests.servers.run_admin_server import INVOKER, LOCATION, PROJECT, REGION
from tests.support.builders import ADA, a_brief, a_caller, a_creation, a_creation_id, stored_media
from tests.support.documents import put, remove
from tests.support.machine import needs
from tests.support.world import World

AnswerT = TypeVar("AnswerT")

ROUND_TRIPS = {
    "open, with the gauges": (8, 3),
    "open": (2, 1),
    "open four variations": (2, 4),
    "open before the address is verified": (2, 1),
    "claim": (2, 0),
    "heartbeat": (2, 0),
    "complete": (2, 0),
    "fail": (2, 1),
    "drafts page": (1, 0),
    "one creation": (1, 0),
    "feed page": (1, 0),
    "profile page": (2, 0),
    "ledger page": (2, 0),
    "own creations": (1, 0),
    "search": (1, 0),
    "search of many without a match": (5, 0),
    "like": (3, 0),
    "like again": (3, 0),
    "own likes of a page": (1, 0),
}
"""Calls to Firestore, and calls to Cloud Tasks; the gauges are read once in ten seconds."""


@pytest.fixture
def tasks() -> Iterator[CloudTasksServer]:
    names = (f"{LOCATION}/queues/{kind}-generation-queue" for kind in Kind)
    queues = [tasks_v2.Queue(name=name) for name in names]
    with CloudTasksServer(queues, clock=SystemClock()) as server:
        yield server


@pytest.fixture
def queue(tasks: CloudTasksServer) -> Iterator[CloudTasksQueue]:
    queue = CloudTasksQueue(
        project=PROJECT,
        region=REGION,
        invoker=INVOKER,
        traceparent=lambda: None,
        emulator_host=tasks.host,
    )
    yield queue
    queue.close()


def in_parts(act: Callable[..., None], store: Store, documents: Sequence[Creation]) -> None:
    for first in range(0, len(documents), 100):
        act(store, *documents[first : first + 100])


@needs("firestore")
def test_round_trips_of_each_use_case(
    new_firestore: Callable[..., FirestoreStore],
    proxy: FirestoreProxy,
    world: World,  # after the store that it uses
    server: Server,
    tasks: CloudTasksServer,
    queue: CloudTasksQueue,
) -> None:
    world.phoenix = phoenix = world.over(new_firestore(address=proxy.address), queue=queue)
    api = Api(world, server)
    ada, anonymous = api.client("ada"), api.client()
    ada.get("/api/me").raise_for_status()
    counted: dict[str, tuple[int, int]] = {}

    def count(name: str, step: Callable[[], AnswerT]) -> AnswerT:
        proxy.counted()
        tasks.calls = 0
        answer = step()
        counted[name] = (sum(proxy.counted().values()), tasks.calls)
        return answer

    def opened() -> CreationId:
        body = {"type": "video", "prompt": "a fox"}
        answer = ada.post("/api/generate/creation", json=body).raise_for_status()
        return CreationId(answer.json()["creationId"])

    def first_opened() -> CreationId:
        phoenix.opening.admission.warm_up()  # a request does not wait for every gauge
        return opened()

    count("open, with the gauges", first_opened)
    first = count("open", opened)
    images = {"type": "image", "prompt": "a fox", "count": 4}
    count(
        "open four variations",
        lambda: ada.post("/api/generate/creation", json=images).raise_for_status(),
    )
    unverified = a_caller("ada", is_verified=False, verified_contact=None)
    count(
        "open before the address is verified",
        lambda: phoenix.opening.open(a_brief(), caller=unverified),
    )
    claimed: Creation = count("claim", lambda: world.claim(first))
    count(
        "heartbeat",
        lambda: world.held(claimed).renew(stage=Stage.GENERATING, progress=40),
    )
    world.store_files(claimed)
    count("complete", lambda: world.held(claimed).complete(stored_media(claimed)))
    second = world.claim(opened())
    count(
        "fail",
        lambda: phoenix.failing.fail_attempt(second, FailureCode.INTERNAL, start_failed=False),
    )
    count("drafts page", lambda: ada.get("/api/generate/drafts").raise_for_status())
    count("one creation", lambda: ada.get(f"/api/generate/creation/{first}").raise_for_status())
    count("feed page", lambda: anonymous.get("/api/feed").raise_for_status())
    count("profile page", lambda: anonymous.get("/api/profiles/ada").raise_for_status())
    count("ledger page", lambda: ada.get("/api/me/transactions").raise_for_status())
    count("own creations", lambda: ada.get("/api/me/creations").raise_for_status())
    count("search", lambda: ada.get("/api/me/creations?q=fox").raise_for_status())
    bears = [a_creation(f"bear {n}", user_id="bea", prompt="a bear") for n in range(501)]
    in_parts(put, phoenix.ports.store, bears)
    bea = api.client("bea")
    bea.get("/api/me").raise_for_status()
    searched = count(
        "search of many without a match", lambda: bea.get("/api/me/creations?q=fox").json()
    )
    in_parts(remove, phoenix.ports.store, bears)
    phoenix.publishing.publish(first, owner=ADA)
    like = f"/api/generate/creation/{first}/like"
    count("like", lambda: ada.put(like).raise_for_status())
    count("like again", lambda: ada.put(like).raise_for_status())
    ids = ",".join([first, *(a_creation_id(str(n)) for n in range(19))])
    mine = count("own likes of a page", lambda: ada.get(f"/api/me/likes?creationIds={ids}"))
    api.clients.close()

    assert mine.json() == {"creationIds": [first]}
    assert (searched["creations"], bool(searched["nextCursor"])) == ([], True)
    assert counted == ROUND_TRIPS
