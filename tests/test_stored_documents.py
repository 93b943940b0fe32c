"""Today's code over what an earlier commit stored and returned: tests/fixtures, `write.py.txt`."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi.testclient import TestClient

from api_service.app import create_app
from shared import settings, wiring
from shared.adapters.local.data_folder import GENERATOR, QUEUE, STORE
from shared.adapters.local.store import SQLiteStore
from shared.adapters.sample.generator import SampleGenerator
from shared.domain.creation import Creation, creation_key
from shared.domain.keys import Collection, CreationId
from shared.domain.kind import Kind
from shared.domain.status import Stage, Status
from shared.ports.generator import Operation, Ready
from shared.ports.store import Store
from tests.support.builders import RIVAL
from tests.support.documents import put
from tests.support.fakes import CountingIds, FakeClock
from tests.support.machine import needs
from tests.support.world import World

if TYPE_CHECKING:  # Google's SDK is slow to import
    from shared.adapters.firestore.store import FirestoreStore

RECORDED = Path(__file__).parent / "fixtures/4d6e613"
ABOUT: dict[str, Any] = json.loads((RECORDED / "about.json").read_text())
RECORDED_AT = datetime.fromisoformat(ABOUT["recordedAt"])
FIRESTORE: dict[str, dict[str, Any]] = json.loads((RECORDED / "firestore.json").read_text())
API: list[dict[str, Any]] = json.loads((RECORDED / "api.json").read_text())
SWEEP_EVERY_S = 60
DEADLINE_S = 900
NOT_SHARED: dict[str, Any] = {"secret": None, "collaborators": [], "showsPrompt": False}
NEW_IN_CREATIONS = {
    "groupId": None,
    "hasStart": False,
    "isKept": False,
    "expiresAt": None,
    "schedule": None,
    "scheduleError": None,
    "sharing": NOT_SHARED,
}
"""The stored fields since the recording, with the values that they are read with."""
NEW_IN_INTERNALS: dict[str, Any] = {"handBacks": 0, "history": [], "expiryRun": 0}
NEW_IN_COSTS: dict[str, Any] = {
    "creationId": None,
    "outcome": None,
    "failure": None,
    "seconds": 0.0,
    "refundLagS": 0.0,
    "costMicroUsd": 0,
    "foldAt": None,
}
NEW_IN_ACTS = {"mediaType": None, "tokens": None}
NEW_IN_VIEWS = {
    *("model", "groupId", "isCancellable", "isKept", "expiresAt", "publishAt", "scheduleError"),
    *("sharing", "reason"),
}


def recorded_id(name: str) -> CreationId:
    return CreationId(ABOUT["creations"][name])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the recorded data folder."""
    folder = tmp_path / "data"
    shutil.copytree(RECORDED / "data", folder, copy_function=shutil.copy)
    for name in (STORE, QUEUE):
        dump = (folder / name).with_suffix(".sql")
        with closing(sqlite3.connect(folder / name)) as connection:
            connection.executescript(dump.read_text())
        dump.unlink()
    return folder


def sqlite_rows(path: Path) -> dict[str, dict[str, Any]]:
    """Return the documents of the collections that the file's release knew."""
    with closing(sqlite3.connect(path)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        return {
            f"{collection}/{id_}": json.loads(document)
            for collection in Collection
            if collection in tables
            for id_, document in connection.execute(f'SELECT id, document FROM "{collection}"')
        }


class Emulator:
    """The documents of one store in the emulator, with their types, by its REST API."""

    def __init__(self, store: "FirestoreStore", address: str) -> None:
        self.root = f"projects/{store._documents.client.project}/databases/(default)/documents"
        self.url = f"http://{address}/v1/{self.root}"

    def load(self, documents: dict[str, dict[str, Any]]) -> None:
        writes = [
            {"update": {"name": f"{self.root}/{path}", "fields": fields}}
            for path, fields in documents.items()
        ]
        httpx.post(f"{self.url}:commit", json={"writes": writes}, timeout=60).raise_for_status()

    def rows(self, prefix: str = "") -> dict[str, dict[str, Any]]:
        return {
            f"{collection}/{each['name'].rpartition('/')[2]}": each["fields"]
            for collection in Collection
            for each in httpx.get(f"{self.url}/{prefix}{collection}", params={"pageSize": 300})
            .json()
            .get("documents", [])
        }


class Installation:
    """Today's use cases over the recorded documents, at the time of the recording."""

    def __init__(self, world: World, store: Store | None = None) -> None:
        self.world = world
        if store is not None:
            ports = world.phoenix.ports
            world.phoenix = world.over(store, clock=world.clock, ids=ports.ids)
        self.store = world.phoenix.ports.store
        self.clock = world.clock
        self.clock.sleep((RECORDED_AT - self.clock.now()).total_seconds())

    def creation(self, name: str) -> Creation:
        found = self.store.get(creation_key(recorded_id(name)))
        assert found is not None
        return found

    def client(self, user: str | None) -> TestClient:
        token = self.world.identity.sign_in(user) if user else None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        app = create_app(self.world.phoenix)
        return TestClient(app, base_url="http://localhost", headers=headers)


@pytest.fixture(params=["sqlite", pytest.param("firestore", marks=needs("firestore"))])
def installation(request: pytest.FixtureRequest, data: Path) -> Iterator[Installation]:
    world = World(data)
    store = None
    if request.param == "firestore":
        store = request.getfixturevalue("new_firestore")()
        Emulator(store, request.getfixturevalue("firestore_address")).load(FIRESTORE)
    yield Installation(world, store)
    world.close()


def copied(source: Store, target: Store) -> int:
    """Write every document of one store into another and return their number."""
    documents = list(source.everything())
    for document in documents:
        put(target, document)
    return len(documents)


def firestore_value(value: object) -> dict[str, Any]:
    match value:
        case None:
            return {"nullValue": None}
        case int() if not isinstance(value, bool):
            return {"integerValue": str(value)}
        case dict():
            fields = {name: firestore_value(each) for name, each in value.items()}
            return {"mapValue": {"fields": fields}}
        case []:
            return {"arrayValue": {}}
    names = {bool: "booleanValue", float: "doubleValue", str: "stringValue"}
    return {names[type(value)]: value}


def test_sqlite_documents_are_written_with_the_fields_and_values_of_the_earlier_commit(
    data: Path, sqlite: SQLiteStore, tmp_path: Path
) -> None:
    recorded = sqlite_rows(data / STORE)
    store = SQLiteStore(data / STORE)

    number = copied(store, sqlite)

    store.close()
    assert number == len(recorded) == ABOUT["documents"]
    new: dict[str, dict[str, Any]] = {
        "creations": {"availableAt": None} | NEW_IN_INTERNALS | NEW_IN_CREATIONS,
        "costs": NEW_IN_COSTS,
        "mediaDeletions": {"likesOf": None},
        "operatorActs": {"who": "cli", **NEW_IN_ACTS},
    }
    assert sqlite_rows(tmp_path / "store.db") == {
        path: fields | new.get(path.partition("/")[0], {}) for path, fields in recorded.items()
    }


@needs("firestore")
def test_firestore_documents_are_written_with_the_fields_and_types_of_the_earlier_commit(
    new_firestore: Callable[..., "FirestoreStore"], firestore_address: str
) -> None:
    source, target = new_firestore(), new_firestore(prefix="copy-")
    emulator = Emulator(source, firestore_address)
    emulator.load(FIRESTORE)

    number = copied(source, target)

    assert number == ABOUT["documents"]
    new: dict[str, dict[str, Any]] = {
        "creations": {
            "availableAt": {"nullValue": None},
            **{name: firestore_value(value) for name, value in NEW_IN_CREATIONS.items()},
        },
        "costs": {name: firestore_value(value) for name, value in NEW_IN_COSTS.items()},
        "mediaDeletions": {"likesOf": firestore_value(None)},
        "creationInternals": {
            name: firestore_value(value) for name, value in NEW_IN_INTERNALS.items()
        },
        "operatorActs": {
            "who": {"stringValue": "cli"},
            **{name: firestore_value(value) for name, value in NEW_IN_ACTS.items()},
        },
    }
    assert emulator.rows() == FIRESTORE
    assert emulator.rows("copy-") == {
        path: fields | new.get(path.partition("/")[0], {}) for path, fields in FIRESTORE.items()
    }


def test_recorded_documents_have_every_status_and_no_violations(installation: Installation) -> None:
    creations = {name: installation.creation(name) for name in ABOUT["creations"]}

    assert {creation.status for creation in creations.values()} == set(Status)
    assert creations["with_intent"].intent is not None
    assert creations["second_start"].unknown_starts == 2
    assert creations["with_operation"].operation_name is not None
    assert creations["with_operation"].lease_owner is not None
    assert creations["waiting_to_retry"].stage is Stage.WAITING_TO_RETRY
    assert creations["requeued"].requeue_count == 1
    assert creations["retried_by_owner"].run_number == 2
    assert creations["failed_internal"].refunded
    assert creations["draft_without_thumbnail"].thumbnail_key is None
    report = installation.world.phoenix.auditing.audit()
    assert report.violations == []
    assert report.creations == len(creations)


def test_recorded_lease_can_be_taken_over_after_it_expired(installation: Installation) -> None:
    world = installation.world
    before = installation.creation("with_operation")
    world.clock.sleep(200)

    claimed = world.claim(before, RIVAL, kind=before.kind)

    stored = installation.creation("with_operation")
    assert stored.lease_owner == RIVAL
    assert (stored.attempt, stored.operation_name) == (before.attempt + 1, before.operation_name)
    assert claimed.creation_id == before.creation_id
    assert world.phoenix.auditing.audit().violations == []


def test_recorded_retry_can_be_claimed_when_it_is_due(installation: Installation) -> None:
    waiting = installation.creation("waiting_to_retry")
    assert waiting.retry_at is not None
    installation.clock.sleep((waiting.retry_at - RECORDED_AT).total_seconds())

    installation.world.claim(waiting, RIVAL, kind=waiting.kind)

    claimed = installation.creation("waiting_to_retry")
    assert (claimed.status, claimed.retry_at) == (Status.PROCESSING, None)


def test_owner_can_retry_a_recorded_failure(installation: Installation) -> None:
    failed = installation.creation("failed_internal")

    with installation.client("dan") as client:
        response = client.post(f"/api/generate/creation/{failed.creation_id}/retry")

    assert response.is_success, response.text
    again = installation.creation("failed_internal")
    assert (again.status, again.run_number) == (Status.PENDING, 2)
    assert installation.world.phoenix.auditing.audit().violations == []


def test_sweep_refunds_every_recorded_unfinished_creation(installation: Installation) -> None:
    for _ in range(DEADLINE_S // SWEEP_EVERY_S + 2):
        installation.clock.sleep(SWEEP_EVERY_S)
        assert installation.world.phoenix.sweeping.sweep()["errors"] == 0

    statuses = {installation.creation(name).status for name in ABOUT["creations"]}
    assert statuses == {Status.DRAFT, Status.PUBLISHED, Status.FAILED}
    assert installation.world.phoenix.auditing.audit().violations == []


@pytest.mark.parametrize("user", ["ada", "ben", "cyd", "dan", "eve", None])
def test_api_returns_for_recorded_documents_the_body_of_the_earlier_commit(
    installation: Installation, user: str | None
) -> None:
    recorded = [each for each in API if each["user"] == user]
    assert recorded

    with installation.client(user) as client:
        bodies = {each["path"]: client.get(each["path"]).json() for each in recorded}

    for each in recorded:
        if each["path"] == "/api/web-config":  # it may gain fields
            bodies[each["path"]] = {name: bodies[each["path"]][name] for name in each["body"]}
        body = without_new_fields(bodies[each["path"]])
        assert masked(body) == masked(each["body"]), each["path"]


def without_new_fields(body: Any) -> Any:
    """Remove the fields that views have gained since."""
    if isinstance(body, dict):
        if "balanceAfter" in body:  # a movement, which has its creation now
            body = {name: value for name, value in body.items() if name != "creation"}
        known = {name: value for name, value in body.items() if name not in NEW_IN_VIEWS}
        return {name: without_new_fields(value) for name, value in known.items()}
    return [without_new_fields(value) for value in body] if isinstance(body, list) else body


def masked(body: Any) -> Any:
    """Replace links: their signatures may be made in another way."""
    if isinstance(body, dict):
        return {name: masked(value) for name, value in body.items()}
    if isinstance(body, list):
        return [masked(value) for value in body]
    return "link" if isinstance(body, str) and body.startswith("http") else body


def test_recorded_data_folder_is_opened_with_its_keys_and_tasks(data: Path) -> None:
    phoenix = wiring.build(settings.load({"PHOENIX_DATA": str(data)}))
    ports = phoenix.ports

    assert sum(1 for _ in ports.store.everything()) == ABOUT["documents"]
    assert ports.queue.waits(recorded_id("pending"), kind=Kind.IMAGE, number=1)
    assert not ports.queue.waits(recorded_id("claimed"), kind=Kind.IMAGE, number=1)
    ports.close()


def test_sample_generator_polls_a_recorded_operation(data: Path) -> None:
    [operation] = (data / GENERATOR / "operations").glob("*.json")
    generator = SampleGenerator(data / GENERATOR, clock=FakeClock(RECORDED_AT), ids=CountingIds())

    assert generator.poll(Operation(operation.stem)) == Ready(operation.stem)
