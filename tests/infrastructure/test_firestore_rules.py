"""The security rules on Google's emulator, over REST as clients call it: who may do what."""

import base64
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.adapters.documents import INTERNALS, to_fields
from shared.adapters.firestore.store import FirestoreStore
from shared.domain.keys import Collection
from tests.support.builders import NOON, a_claimed_creation, a_creation
from tests.support.documents import put
from tests.support.machine import needs

pytestmark = needs("firestore")

RULES = Path(__file__).parents[2] / "infrastructure/gcp/firestore.rules"
ANSWERS = {200: "yes", 403: "no"}
VERBS = ("get", "list", "create", "update", "delete")
OWNER, STRANGER, SIGNED_OUT = CALLERS = ("ada", "ben", None)
SERVER = "owner"
"""The emulator's name for a caller that no rule restricts."""
NOTES = "creations/draft/notes"
PLACES = (*Collection, "unknown", NOTES)
HAS_NAME_OF_OWNER = {Collection.USERS, Collection.USERNAMES}
ALLOWED = {
    (OWNER, Collection.USERS): {"get"},
    (OWNER, Collection.CREATIONS): {"get", "list"},
    (OWNER, Collection.TRANSACTIONS): {"get", "list"},
}
"""Every permission."""


@dataclass(frozen=True)
class Client:
    """Speaks REST to one database, as one person or signed out."""

    http: httpx.Client
    project: str

    def perform(self, who: str | None, verb: str, place: str, document: str) -> int:
        """Return the status of the answer."""
        fields = {"fields": a_document(OWNER)}
        match verb:
            case "get":
                return self.call(who, "GET", f"/{place}/{document}")
            case "list":
                return self.query(who, place, userId=OWNER)
            case "create":
                return self.call(who, "POST", f"/{place}?documentId=new", fields)
            case "update":
                return self.call(who, "PATCH", f"/{place}/{document}", fields)
            case _:
                return self.call(who, "DELETE", f"/{place}/{document}")

    def query(self, who: str | None, place: str, **equal: str) -> int:
        """Query the documents whose fields equal these."""
        parent, _, collection = place.rpartition("/")
        filters = [
            {"fieldFilter": {"field": {"fieldPath": k}, "op": "EQUAL", "value": {"stringValue": v}}}
            for k, v in equal.items()
        ]
        wanted: dict[str, Any] = {"from": [{"collectionId": collection}]}
        if filters:
            wanted["where"] = {"compositeFilter": {"op": "AND", "filters": filters}}
        at = f"/{parent}" if parent else ""
        return self.call(who, "POST", f"{at}:runQuery", {"structuredQuery": wanted})

    def call(self, who: str | None, method: str, path: str, body: object = None) -> int:
        return self.answer(who, method, path, body).status_code

    def answer(
        self, who: str | None, method: str, path: str, body: object = None
    ) -> httpx.Response:
        bearer = who if who == SERVER else who and unsigned_token(self.project, who)
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        address = f"/v1/projects/{self.project}/databases/(default)/documents{path}"
        return self.http.request(method, address, headers=headers, json=body)


def unsigned_token(project: str, user: str) -> str:
    claims = {
        "iss": f"https://securetoken.google.com/{project}",
        "aud": project,
        "sub": user,
        "user_id": user,
        "firebase": {"sign_in_provider": "custom", "identities": {}},
    }
    parts = (json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), ""])


def a_document(user: str, status: str = "draft") -> dict[str, object]:
    return {"userId": {"stringValue": user}, "status": {"stringValue": status}}


def matrix(answers: dict[tuple[str | None, str, str], str]) -> str:
    """Return who may do what as a table."""
    lines = [f"{'':24}{'owner':36}{'stranger':36}{'signed out':36}"]
    lines.append(f"{'':24}" + ("".join(f"{verb:7}" for verb in VERBS) + " ") * len(CALLERS))
    for place in PLACES:
        cells = (
            "".join(f"{answers[who, place, verb]:7}" for verb in VERBS) + " " for who in CALLERS
        )
        lines.append(f"{place:24}" + "".join(cells))
    return "\n".join(lines)


def document_in(place: str) -> str:
    return OWNER if place in HAS_NAME_OF_OWNER else "draft"


@pytest.fixture
def client(firestore_address: str) -> Iterator[Client]:
    """A database under our rules, with one document of the owner in every place."""
    project = f"rules-{uuid.uuid4().hex}"
    rules = {"files": [{"name": RULES.name, "content": RULES.read_text()}]}
    with httpx.Client(base_url=f"http://{firestore_address}", timeout=30) as http:
        address = f"/emulator/v1/projects/{project}:securityRules"
        http.put(address, json={"rules": rules}).raise_for_status()
        client = Client(http, project)
        for place in PLACES:
            assert client.perform(SERVER, "update", place, document_in(place)) == 200
        yield client


def test_owner_reads_account_creations_and_ledger_and_all_else_is_denied(
    client: Client,
) -> None:
    answers = {
        (who, place, verb): ANSWERS[client.perform(who, verb, place, document_in(place))]
        for who in CALLERS
        for place in PLACES
        for verb in VERBS
    }

    print("\n" + matrix(answers))  # noqa: T201 (what a reviewer wants to see)
    is_yes = {each for each, answer in answers.items() if answer == "yes"}
    assert is_yes == {(*at, verb) for at, verbs in ALLOWED.items() for verb in verbs}


def test_publications_are_readable_through_the_api_only(client: Client) -> None:
    published = {"fields": a_document(OWNER, "published")}
    client.call(SERVER, "PATCH", "/creations/published", published)

    assert client.call(STRANGER, "GET", "/creations/published") == 403
    assert client.query(STRANGER, "creations", status="published") == 403
    assert client.query(OWNER, "creations", status="published") == 403
    assert client.query(OWNER, "creations", userId=OWNER, status="published") == 200


def test_list_without_an_owner_filter_is_refused_even_to_the_owner(client: Client) -> None:
    for place in ("creations", "transactions", "users"):
        assert client.query(OWNER, place) == 403


def test_missing_document_is_indistinguishable_from_a_foreign_one(client: Client) -> None:
    assert client.call(OWNER, "GET", "/creations/missing") == 403
    assert client.call(STRANGER, "GET", "/users/missing") == 403


def test_owner_cannot_read_creation_internals(
    client: Client, firestore_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
    running = (
        a_claimed_creation()
        .with_intent(model="model", cost_usd=0.1, at=NOON)
        .with_operation("operation", at=NOON)
    )
    store = FirestoreStore(client.project)
    put(store, running)
    store.close()
    query = {"structuredQuery": owned_by(running.user_id)}

    read = client.answer(OWNER, "GET", f"/creations/{running.creation_id}")
    listed = client.answer(OWNER, "POST", ":runQuery", query)

    documents = [read.json(), *(each["document"] for each in listed.json())]
    for fields in (each["fields"] for each in documents if "prompt" in each["fields"]):
        assert fields.keys() == to_fields(running).keys() - INTERNALS
    assert len(documents) == 3
    assert "operation" not in read.text + listed.text
    path = f"/creationInternals/{running.creation_id}"
    assert client.call(SERVER, "GET", path) == 200
    assert client.call(OWNER, "GET", path) == 403


def test_owner_reads_since_when_a_creation_waits(
    client: Client, firestore_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
    waiting, store = a_creation(), FirestoreStore(client.project)
    put(store, waiting)
    store.close()

    read = client.answer(OWNER, "GET", f"/creations/{waiting.creation_id}").json()["fields"]

    assert read["availableAt"] == {"timestampValue": "2026-11-21T12:00:00Z"}
    assert not read.keys() & {"handBacks", "executionName", "leaseExpiresAt"}


def owned_by(user: str) -> dict[str, Any]:
    field = {"field": {"fieldPath": "userId"}, "op": "EQUAL", "value": {"stringValue": user}}
    return {"from": [{"collectionId": "creations"}], "where": {"fieldFilter": field}}
