"""The operators' routes: who may call them, what they explain and what they change."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.operating import OperatorAct, Verb
from shared.domain.status import Status
from tests.api.conftest import Api
from tests.support.builders import ADA, BEN, a_creation_id

OLGA = "olga"
SAMPLE = a_creation_id("nobody's")
BODIES: dict[str, dict[str, Any]] = {
    "/api/admin/grants": {"userId": ADA, "amount": 5, "reason": "an outage"},
    "/api/admin/replay": {"code": "internal", "since": 60},
    "/api/admin/replay/preview": {"code": "internal", "since": 60},
    "/api/admin/switches/{kind}": {"isPaused": False},
    "/api/admin/creations/{creation_id}/unpublish": {"reason": "spam"},
    "/api/admin/creations/{creation_id}/delete": {"reason": "spam"},
}
KEY = {"Idempotency-Key": "one"}
Call = tuple[str, str]


@pytest.fixture
def admin_api(new_api: Callable[..., Api]) -> Api:
    return new_api(PHOENIX_ADMINS=OLGA)


def acts(api: Api) -> list[OperatorAct]:
    found = [each for each in api.world.sqlite.everything() if isinstance(each, OperatorAct)]
    return sorted(found, key=lambda each: each.created_at)


def operator(api: Api) -> httpx.Client:
    return api.client(OLGA)


def failed(api: Api, *, user: str = ADA, code: FailureCode = FailureCode.INTERNAL) -> Creation:
    world = api.world
    claimed = world.claim(world.open(user=user).creation)
    world.phoenix.failing.fail_attempt(claimed, code, start_failed=False)
    return world.now(claimed)


def described(api: Api) -> list[Call]:
    paths = api.client().get("/openapi.json").json()["paths"]
    return [
        (method.upper(), path)
        for path, methods in paths.items()
        for method in methods
        if path.startswith("/api/admin/")
    ]


def sent(client: httpx.Client, call: Call, creation_id: str) -> httpx.Response:
    method, path = call
    ids = {"{who}": ADA, "{user_id}": ADA, "{kind}": "video", "{creation_id}": creation_id}
    address = path
    for name, value in ids.items():
        address = address.replace(name, value)
    return client.request(method, address, json=BODIES.get(path), headers=KEY)


def test_only_operators_may_call_any_of_the_routes(admin_api: Api) -> None:
    api = admin_api
    published = api.world.published()
    before, ledger = api.world.now(published), api.world.ledger()
    calls = described(api)
    assert len(calls) == 13

    users = [sent(api.client(ADA), call, published.creation_id) for call in calls]
    services = [sent(api.service(), call, published.creation_id) for call in calls]
    strangers = [sent(api.client(), call, published.creation_id) for call in calls]

    assert {(each.status_code, each.json()["code"]) for each in users} == {(403, "not_an_operator")}
    assert {each.content for each in users} == {users[0].content}
    assert {each.status_code for each in [*services, *strangers]} == {401}
    assert {each.headers["Cache-Control"] for each in [*users, *strangers]} == {"no-store"}
    assert (api.world.now(published), api.world.ledger()) == (before, ledger)
    assert acts(api) == []


def test_operator_may_call_each_of_the_routes(admin_api: Api) -> None:
    api = admin_api
    published = api.world.published()
    client = operator(api)

    answers = {call: sent(client, call, published.creation_id) for call in described(api)}

    assert {each.status_code for each in answers.values()} == {200, 204}
    assert {each.headers["Cache-Control"] for each in answers.values()} == {"no-store"}


def test_own_users_are_no_operators_without_the_setting(api: Api) -> None:
    assert operator(api).get("/api/admin/acts").status_code == 403


def test_why_tokens_came_back_takes_two_calls(admin_api: Api) -> None:
    api = admin_api
    video = failed(api, code=FailureCode.GENERATOR_UNAVAILABLE)
    client = operator(api)

    account = client.get("/api/admin/accounts/@Ada").json()
    refund = account["ledger"]["transactions"][0]
    story = client.get(f"/api/admin/creations/{refund['creationId']}").json()

    assert (account["tokenBalance"], account["returned"]) == (100, 10)
    assert (account["isRight"], account["verdict"]) == (True, "Every token is accounted for.")
    assert account["creations"]["creations"][0]["prompt"] == video.prompt
    assert (refund["type"], refund["actor"]) == ("refund", "job")
    assert [(each["what"], each["actor"]) for each in story["timeline"]] == [
        ("debit", "owner"),
        ("task", "owner"),
        ("claimed", "job"),
        ("failed", "job"),
        ("refund", "job"),
    ]
    assert story["timeline"][-1]["detail"] == (
        "10 tokens came back because the generator was unavailable, and all retries were used; "
        "balance 100"
    )
    assert story["creation"]["username"] == ADA
    assert story["logsUrl"] is None
    assert video.creation_id in story["logsHint"]


def test_deleted_creation_keeps_the_timeline_of_its_ledger(admin_api: Api) -> None:
    api = admin_api
    video = failed(api)
    client = operator(api)
    address = f"/api/admin/creations/{video.creation_id}"
    client.post(f"{address}/delete", json={"reason": "spam"})

    story = client.get(address).json()

    assert (story["creation"], story["userId"]) == (None, ADA)
    assert [each["what"] for each in story["timeline"]] == ["debit", "refund", "delete"]
    assert story["timeline"][-1]["detail"] == "olga: spam"


@pytest.mark.parametrize("creation_id", [SAMPLE, "x", "a%2Fb"])
def test_unknown_creation_has_no_timeline(admin_api: Api, creation_id: str) -> None:
    answer = operator(admin_api).get(f"/api/admin/creations/{creation_id}")

    assert (answer.status_code, answer.json()["code"]) == (404, "creation_not_found")


def test_lists_show_every_state_in_pages(admin_api: Api) -> None:
    api = admin_api
    made = {api.world.creation_that_is(status).creation_id: status for status in Status}
    client = operator(api)

    pages, cursor = [], ""
    for _ in range(3):
        page = client.get(f"/api/admin/accounts/{ADA}/creations?limit=2{cursor}").json()
        pages += page["creations"]
        cursor = f"&cursor={page['nextCursor']}"

    assert {each["creationId"]: each["status"] for each in pages} == made
    api.client(BEN).get("/api/me")
    foreign = client.get(f"/api/admin/accounts/{BEN}/creations?limit=2{cursor}")
    assert (foreign.status_code, foreign.json()["field"]) == (400, "cursor")


def test_unknown_account_is_not_found(admin_api: Api) -> None:
    answer = operator(admin_api).get("/api/admin/accounts/nobody@example.com")

    assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")


@pytest.mark.parametrize("path", ["ledger", "creations"])
@pytest.mark.parametrize("who", ["nobody", "a%2Fb", "%00", "ADA"])
def test_list_of_an_unknown_account_is_not_empty_but_not_found(
    admin_api: Api, who: str, path: str
) -> None:
    admin_api.client(ADA).get("/api/me")
    answer = operator(admin_api).get(f"/api/admin/accounts/{who}/{path}")

    assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")


def test_grant_is_made_once_for_each_key(admin_api: Api) -> None:
    api, body = admin_api, BODIES["/api/admin/grants"]
    api.client(ADA).get("/api/me")
    client = operator(api)

    answers = [client.post("/api/admin/grants", json=body, headers=KEY) for _ in range(2)]
    other = client.post("/api/admin/grants", json=body | {"amount": 6}, headers=KEY)
    second = client.post("/api/admin/grants", json=body, headers={"Idempotency-Key": "two"})

    assert {each.content for each in answers} == {answers[0].content}
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert api.world.account().balance_tokens == 110
    assert second.json()["actor"] == "operator"
    [first, *_] = recorded = acts(api)
    assert [(each.verb, each.who, each.tokens) for each in recorded] == [(Verb.GRANT, OLGA, 5)] * 2
    assert (first.user_id, first.reason) == (ADA, "an outage")
    owner = api.client(ADA).get("/api/me/transactions").text
    assert "an outage" not in owner


@pytest.mark.parametrize(
    ("changes", "headers", "field"),
    [
        ({}, {}, "Idempotency-Key"),
        ({}, {"Idempotency-Key": "x" * 201}, "Idempotency-Key"),
        ({"amount": 0}, KEY, "amount"),
        ({"amount": "5"}, KEY, "amount"),
        ({"reason": " "}, KEY, "reason"),
        ({"reason": "\u200b\ufeff"}, KEY, "reason"),
        ({"reason": None}, KEY, "reason"),
        ({"reference": "r"}, KEY, "reference"),
    ],
)
def test_wrong_grant_is_refused(
    admin_api: Api, changes: dict[str, Any], headers: dict[str, str], field: str
) -> None:
    body = BODIES["/api/admin/grants"] | changes

    answer = operator(admin_api).post("/api/admin/grants", json=body, headers=headers)

    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert acts(admin_api) == []


def test_operator_takes_down_and_deletes_with_a_reason(admin_api: Api) -> None:
    api = admin_api
    published = api.world.published()
    address = f"/api/admin/creations/{published.creation_id}"
    client = operator(api)
    assert published.creation_id in api.client().get("/api/feed").text

    down = client.post(f"{address}/unpublish", json={"reason": "a complaint"})
    feed = api.client().get("/api/feed").text
    story = client.get(address).json()["timeline"][-1]
    without = client.post(f"{address}/delete", json={})
    api.world.clock.sleep(1)
    gone = client.post(f"{address}/delete", json={"reason": "a court order"})

    assert down.json()["creation"]["status"] == "draft"
    assert published.creation_id not in feed
    assert (story["what"], story["detail"]) == ("unpublish", "olga: a complaint")
    assert (without.status_code, without.json()["field"]) == (400, "reason")
    assert gone.status_code == 204
    assert [(each.verb, each.who, each.reason) for each in acts(api)] == [
        (Verb.UNPUBLISH, OLGA, "a complaint"),
        (Verb.DELETE, OLGA, "a court order"),
    ]


def test_switch_pauses_a_kind(admin_api: Api) -> None:
    api = admin_api
    client = operator(api)

    answer = client.post("/api/admin/switches/video", json={"isPaused": True})
    unknown = client.post("/api/admin/switches/sound", json={"isPaused": True})

    assert answer.json() == {"type": "video", "isPaused": True}
    assert (unknown.status_code, unknown.json()["field"]) == (400, "kind")
    assert api.world.phoenix.operating.is_paused(Kind.VIDEO)
    assert [(each.verb, each.kind, each.who) for each in acts(api)] == [
        (Verb.PAUSE, Kind.VIDEO, OLGA)
    ]


def test_sweep_returns_its_counts(admin_api: Api) -> None:
    api = admin_api
    api.world.open()
    api.world.clock.sleep(timedelta(hours=1).total_seconds())

    counts = operator(api).post("/api/admin/sweep").json()

    assert counts["refunded"] == 1
    assert [each.verb for each in acts(api)] == [Verb.SWEEP]


def test_acts_are_listed_newest_first(admin_api: Api) -> None:
    api = admin_api
    client = operator(api)
    for is_paused in (True, False, True):
        api.world.clock.sleep(1)
        client.post("/api/admin/switches/image", json={"isPaused": is_paused})

    first = client.get("/api/admin/acts?limit=2").json()
    rest = client.get(f"/api/admin/acts?limit=2&cursor={first['nextCursor']}").json()

    listed = [*first["acts"], *rest["acts"]]
    assert [(each["verb"], each["type"]) for each in listed] == [
        ("pause", "image"),
        ("resume", "image"),
        ("pause", "image"),
    ]
    assert rest["nextCursor"] is None
