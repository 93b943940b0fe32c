"""Variations over HTTP: `count` on the addresses that open images."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from shared.domain.brief import creation_id_for
from shared.domain.kind import Kind
from tests.api.conftest import Api
from tests.support.builders import ADA, BEN, a_brief, a_caller

IMAGES = {"type": "image", "prompt": "a fox", "count": 4}
KEY = {"Idempotency-Key": "click 1"}
ADDRESS = "/api/generate/creation"
COUNTS = "use a whole number from 1 to 4"


@pytest.mark.parametrize("address", [ADDRESS, "/api/image/generate"])
def test_group_is_202_with_each_variation_and_the_total(api: Api, address: str) -> None:
    answer = api.client(ADA).post(address, json=IMAGES)

    group = answer.json()
    assert answer.status_code == 202
    assert set(group) == {"groupId", "creations", "cost", "tokenBalance"}
    assert (group["cost"], group["tokenBalance"]) == (4, 96)
    assert [each["status"] for each in group["creations"]] == ["pending"] * 4
    assert {each["groupId"] for each in group["creations"]} == {group["groupId"]}
    assert group["creations"][0]["creationId"] == group["groupId"]
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["cache-control"] == "no-store"
    assert not {"location", "idempotency-replayed"} & set(answer.headers)


@pytest.mark.parametrize("count", [1, 1.0, None])
def test_one_variation_is_answered_like_no_count(api: Api, count: Any) -> None:
    client = api.client(ADA)
    plain = client.post(ADDRESS, json={"type": "image", "prompt": "a fox"}, headers=KEY)

    counted = client.post(ADDRESS, json={**IMAGES, "count": count}, headers=KEY)

    assert counted.json() == plain.json()
    assert counted.json()["creation"]["groupId"] is None
    assert (counted.headers["location"], counted.headers["idempotency-replayed"]) == (
        plain.headers["location"],
        "true",
    )


@pytest.mark.parametrize("count", [0, 5, -1, 2.5, "2", True, [2], 10**30])
def test_count_outside_one_to_four_is_refused(api: Api, count: Any) -> None:
    for address in (ADDRESS, "/api/image/generate"):
        answer = api.client(ADA).post(address, json={**IMAGES, "count": count})

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_field")
        assert answer.json()["errors"] == [{"field": "count", "reason": COUNTS}]
    assert api.world.queue.tasks == {}


def test_video_has_no_count(api: Api) -> None:
    for address in (ADDRESS, "/api/generate/video"):
        answer = api.client(ADA).post(address, json={**IMAGES, "type": "video", "count": 2})

        assert (answer.status_code, answer.json()["field"]) == (400, "count")
        assert answer.json()["errors"] == [{"field": "count", "reason": "a video has none"}]


def test_replay_of_a_group_is_marked_and_leaves_out_deleted_variations(api: Api) -> None:
    client = api.client(ADA)
    first = client.post(ADDRESS, json=IMAGES, headers=KEY).json()
    second_id = first["creations"][1]["creationId"]
    client.post(f"{ADDRESS}/{second_id}/cancel").raise_for_status()
    client.delete(f"{ADDRESS}/{second_id}").raise_for_status()

    again = client.post(ADDRESS, json=IMAGES, headers=KEY)

    ids = [each["creationId"] for each in again.json()["creations"]]
    assert again.status_code == 202
    assert again.headers["idempotency-replayed"] == "true"
    assert ids == [
        each["creationId"] for each in first["creations"] if each != first["creations"][1]
    ]
    assert (again.json()["groupId"], again.json()["cost"]) == (first["groupId"], 4)
    assert again.json()["tokenBalance"] == 97


def test_group_that_was_deleted_is_gone(api: Api) -> None:
    client = api.client(ADA)
    for each in client.post(ADDRESS, json=IMAGES, headers=KEY).json()["creations"]:
        client.post(f"{ADDRESS}/{each['creationId']}/cancel").raise_for_status()
        client.delete(f"{ADDRESS}/{each['creationId']}").raise_for_status()

    answers = [
        client.post(ADDRESS, json={**IMAGES, "count": count}, headers=KEY) for count in (1, 2, 4)
    ]

    assert {(each.status_code, each.json()["code"]) for each in answers} == {(410, "creation_gone")}


def test_key_of_a_group_with_another_count_is_422(api: Api) -> None:
    client = api.client(ADA)
    client.post(ADDRESS, json=IMAGES, headers=KEY).raise_for_status()

    answers = [
        client.post(ADDRESS, json={**IMAGES, "count": count}, headers=KEY) for count in (1, 2, 3)
    ]

    assert {each.json()["code"] for each in answers} == {"idempotency_key_reused"}


def test_402_requires_the_price_of_the_whole_group(new_api: Callable[..., Api]) -> None:
    api = new_api(PHOENIX_WELCOME_TOKENS="3")

    answer = api.client(ADA).post(ADDRESS, json=IMAGES)

    assert answer.status_code == 402
    assert (answer.json()["required"], answer.json()["balance"]) == (4, 3)


def test_queue_failures_are_shown_for_each_variation(api: Api) -> None:
    api.world.queue.is_down_for = {creation_id_for(ADA, "click 1", 2)}
    client = api.client(ADA)

    some = client.post(ADDRESS, json=IMAGES, headers=KEY)
    api.world.queue.is_down = True
    none = client.post(ADDRESS, json=IMAGES)

    states = [(each["status"], each["refunded"]) for each in some.json()["creations"]]
    assert states == [("pending", False), ("failed", True), *[("pending", False)] * 2]
    assert (some.status_code, some.json()["tokenBalance"]) == (202, 97)
    assert (none.status_code, none.json()["code"]) == (503, "queue_unavailable")
    assert none.json()["refunded"] is True
    assert client.get("/api/me").json()["tokenBalance"] == 97


def test_lists_and_single_reads_name_the_group(api: Api) -> None:
    client = api.client(ADA)
    group = client.post(ADDRESS, json={**IMAGES, "count": 2}).json()
    alone = client.post(ADDRESS, json={"type": "image", "prompt": "a fox"}).json()

    listed = client.get("/api/generate/drafts").json()["creations"]

    assert {each["creationId"]: each["groupId"] for each in listed} == {
        **{each["creationId"]: group["groupId"] for each in group["creations"]},
        alone["creationId"]: None,
    }


def test_another_users_variations_are_unknown(api: Api) -> None:
    theirs = api.world.phoenix.opening.open(
        a_brief(Kind.IMAGE, count=2), caller=a_caller(BEN), idempotency_key="click 1"
    )
    ada = api.client(ADA)
    ada.get("/api/me")

    def answers(creation_id: str) -> list[httpx.Response]:
        calls = [("GET", ""), ("DELETE", ""), *(("POST", f"/{a}") for a in ("cancel", "retry"))]
        return [ada.request(verb, f"{ADDRESS}/{creation_id}{path}") for verb, path in calls]

    for each in theirs.creations:
        foreign, unknown = answers(each.creation_id), answers("a" * 26)
        assert [one.content for one in foreign] == [one.content for one in unknown]
        assert {one.status_code for one in foreign} == {404}
        assert api.world.now(each) == each
    same_key = ada.post(ADDRESS, json={**IMAGES, "count": 2}, headers=KEY)
    mine = {each["creationId"] for each in same_key.json()["creations"]}
    assert same_key.status_code == 202
    assert mine.isdisjoint(each.creation_id for each in theirs.creations)
