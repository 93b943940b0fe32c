"""Bulk actions over HTTP: bodies that are refused, results, and the cache of public pages."""

import asyncio
import threading
from typing import Any

import httpx
import pytest

from api_service.app import create_app
from api_service.threads import THREADS_MAX
from shared.domain.keys import Key
from tests.api.conftest import Api
from tests.support.builders import ADA, BEN, a_creation_id

BULK = "/api/generate/drafts/bulk"
ID = a_creation_id("any")
IDS = {"action": "delete", "creationIds": [ID]}


def results(answer: httpx.Response) -> list[tuple[bool, str | None, str | None]]:
    assert answer.status_code == 200
    return [(each["ok"], each["status"], each["code"]) for each in answer.json()["results"]]


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({"creationIds": [ID]}, "action", "it is missing"),
        (IDS | {"action": "keep"}, "action", "use publish or delete"),
        (IDS | {"action": 1}, "action", "use publish or delete"),
        ({"action": "delete"}, "creationIds", "it is missing"),
        (IDS | {"creationIds": []}, "creationIds", "use a list of 1 to 50 strings"),
        (IDS | {"creationIds": [ID] * 51}, "creationIds", "use a list of 1 to 50 strings"),
        (IDS | {"creationIds": ID}, "creationIds", "use a list of 1 to 50 strings"),
        (IDS | {"creationIds": [ID, 1]}, "creationIds", "use a list of 1 to 50 strings"),
        (IDS | {"caption": "x"}, "caption", "use it with publish only"),
        (IDS | {"action": "publish", "caption": "a\u0000"}, "caption", None),
        (IDS | {"action": "publish", "caption": 1}, "caption", "use a string"),
        (IDS | {"prompt": "x"}, "prompt", "it is unknown"),
    ],
)
def test_wrong_body_is_refused_with_its_field(
    api: Api, body: dict[str, Any], field: str, reason: str | None
) -> None:
    answer = api.client(ADA).post(BULK, json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_field")
    [fault] = answer.json()["errors"]
    assert fault["field"] == field
    assert reason in (None, fault["reason"])


@pytest.mark.parametrize("path", [BULK, "/api/generate/drafts/zip"])
def test_unpaired_surrogate_is_refused_before_anything_is_done(api: Api, path: str) -> None:
    draft = api.world.draft()
    ids = f'"creationIds": ["{draft.creation_id}", "\\ud800"]'
    action = '"action": "publish", ' if path == BULK else ""
    headers = {"Content-Type": "application/json"}

    answer = api.client(ADA).post(path, content=f"{{{action}{ids}}}", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_field")
    reason = "it contains an unpaired surrogate"
    assert answer.json()["errors"] == [{"field": "creationIds", "reason": reason}]
    assert api.world.now(draft) == draft


def test_sign_in_is_required_before_the_body_is_read(api: Api) -> None:
    assert api.client().post(BULK, json={"action": 1}).status_code == 401


def test_published_and_deleted_items_have_results_in_the_given_order(api: Api) -> None:
    first, second = (api.world.draft(key=key).creation_id for key in "ab")
    failed = api.world.failed(key="c").creation_id
    body = {"action": "publish", "creationIds": [second, failed, first], "caption": "Snow"}
    ada = api.client(ADA)

    published = ada.post(BULK, json=body)

    done, refused = (True, "published", None), (False, "failed", "illegal_transition")
    assert results(published) == [done, refused, done]
    assert [each["creationId"] for each in published.json()["results"]] == body["creationIds"]
    feed = api.client().get("/api/feed").json()["creations"]
    assert {each["creationId"]: each["caption"] for each in feed} == {first: "Snow", second: "Snow"}

    deleted = ada.post(BULK, json={"action": "delete", "creationIds": body["creationIds"]})

    assert results(deleted) == [(True, None, None)] * 3
    assert api.client().get("/api/feed").json()["creations"] == []  # the cache was invalidated
    assert api.world.stored_keys() == set()


def test_items_of_another_user_look_unknown_and_are_unchanged(api: Api) -> None:
    theirs = api.world.draft(user=BEN)
    ids = [theirs.creation_id, a_creation_id("unknown"), "a/b", "", "\U0001f98a"]
    for action in ("publish", "delete"):
        answer = api.client(ADA).post(BULK, json={"action": action, "creationIds": ids})

        assert results(answer) == [(False, None, "creation_not_found")] * len(ids)
        assert api.world.now(theirs) == theirs


def test_bulk_requests_that_wait_leave_threads_to_other_requests(api: Api) -> None:
    world, released = api.world, threading.Event()

    def get(key: Key[Any]) -> object:
        if key.id == ID:
            released.wait(timeout=30)
        return world.sqlite.get(key)

    world.store.get = get  # type: ignore[attr-defined]  # it forwards all others

    async def requests() -> tuple[int, list[httpx.Response]]:
        headers = {"Authorization": f"Bearer {world.identity.sign_in(ADA)}"}
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(world.phoenix)),
            base_url="http://localhost",
            headers=headers,
        )
        async with client:
            waiting = [
                asyncio.create_task(client.post(BULK, json=IDS)) for _ in range(THREADS_MAX + 1)
            ]
            await asyncio.sleep(0)
            try:
                async with asyncio.timeout(10):
                    answer = await client.get("/api/generate/drafts")
            finally:
                released.set()
            return answer.status_code, await asyncio.gather(*waiting)

    status, answers = asyncio.run(requests())

    assert status == 200
    assert {each.status_code for each in answers} == {200}
