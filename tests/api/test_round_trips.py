"""What each use case costs: calls to Firestore, counted on the wire."""

from collections.abc import Callable
from typing import TypeVar

from shared.adapters.firestore_store import FirestoreStore
from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId
from shared.domain.status import Stage
from tests.api.conftest import Api, Server
from tests.builders import stored_media
from tests.firestore_proxy import FirestoreProxy
from tests.machine import needs
from tests.world import World

AnswerT = TypeVar("AnswerT")

ROUND_TRIPS = {
    "open": 2,
    "claim": 2,
    "heartbeat": 2,
    "complete": 2,
    "fail": 2,
    "drafts page": 1,
    "one creation": 1,
    "feed page": 1,
    "profile page": 2,
    "ledger page": 1,
}


@needs("firestore")
def test_round_trips_of_each_use_case(
    new_firestore: Callable[..., FirestoreStore],
    proxy: FirestoreProxy,
    world: World,  # after the store that its books are on
    server: Server,
) -> None:
    world.phoenix = phoenix = world.over(new_firestore(address=proxy.address))
    api = Api(world, server)
    ada, anybody = api.client("ada"), api.client()
    ada.get("/api/me").raise_for_status()
    counted: dict[str, int] = {}

    def count(name: str, step: Callable[[], AnswerT]) -> AnswerT:
        proxy.counted()
        answer = step()
        counted[name] = sum(proxy.counted().values())
        return answer

    def opened() -> CreationId:
        body = {"type": "video", "prompt": "a fox"}
        answer = ada.post("/api/generate/creation", json=body).raise_for_status()
        return CreationId(answer.json()["creationId"])

    first = count("open", opened)
    claimed: Creation = count("claim", lambda: world.claim(first))
    count(
        "heartbeat",
        lambda: phoenix.attempts.report(claimed, stage=Stage.GENERATING, progress=40),
    )
    world.store_files(claimed)
    count("complete", lambda: phoenix.attempts.complete(claimed, stored_media(claimed)))
    second = world.claim(opened())
    count(
        "fail",
        lambda: phoenix.settling.fail_attempt(second, FailureCode.INTERNAL, answered_no=False),
    )
    count("drafts page", lambda: ada.get("/api/generate/drafts").raise_for_status())
    count("one creation", lambda: ada.get(f"/api/generate/creation/{first}").raise_for_status())
    count("feed page", lambda: anybody.get("/api/feed").raise_for_status())
    count("profile page", lambda: anybody.get("/api/profiles/ada").raise_for_status())
    count("ledger page", lambda: ada.get("/api/me/transactions").raise_for_status())
    api.clients.close()

    assert counted == ROUND_TRIPS
