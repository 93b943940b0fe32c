"""Likes over HTTP: who may like what, which ids are accepted, when counts change."""

import pytest

from shared.domain.like import like_key
from tests.api.conftest import Api
from tests.support.builders import ADA, BEN, a_creation_id

ADDRESSES = ("/api/generate/creation/", "/api/generate/video/")
ID = a_creation_id()


@pytest.mark.parametrize("address", ADDRESSES)
def test_like_is_given_once_and_withdrawn_by_anyone(api: Api, address: str) -> None:
    published = api.world.published(user=BEN)
    path = f"{address}{published.creation_id}/like"
    mine = f"/api/me/likes?creationIds={published.creation_id}"
    ada, ben = api.client(ADA), api.client(BEN)

    given = [ada.put(path), ada.put(path), ben.put(path)]
    liked = [each.get(mine).json() for each in (ada, ben)]
    withdrawn = [ada.delete(path), ada.delete(path)]

    assert {(each.status_code, each.content) for each in (*given, *withdrawn)} == {(204, b"")}
    assert liked == [{"creationIds": [published.creation_id]}] * 2
    assert ada.get(mine).json() == {"creationIds": []}
    assert ben.get(mine).json() == liked[1]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "GET"])
def test_first_request_of_a_new_user_makes_the_account(api: Api, method: str) -> None:
    published = api.world.published(user=BEN)
    like, mine = f"/api/generate/creation/{published.creation_id}/like", "/api/me/likes"
    path = f"{mine}?creationIds={published.creation_id}" if method == "GET" else like

    api.client("dee").request(method, path).raise_for_status()

    assert api.world.account("dee").balance_tokens == 100


def test_like_count_is_shown_to_owner_and_everyone_after_the_next_sweep(api: Api) -> None:
    published = api.world.published()
    for user in (ADA, BEN, "cyd"):
        api.client(user).put(f"/api/generate/creation/{published.creation_id}/like")

    api.service().post("/internal/cleanup").raise_for_status()
    own = api.client(ADA).get(f"/api/generate/creation/{published.creation_id}").json()
    [shown] = api.client().get("/api/feed").json()["creations"]

    assert (own["creation"]["likeCount"], shown["likeCount"]) == (3, 3)
    assert own["creation"]["updatedAt"] == "2026-11-21T12:00:00.000Z"


def test_own_likes_are_returned_without_duplicates_in_the_order_of_the_request(api: Api) -> None:
    published = [api.world.published(user=BEN).creation_id for _ in range(3)]
    client = api.client(ADA)
    for creation_id in published[:2]:
        client.put(f"/api/generate/creation/{creation_id}/like")
    asked = [published[2], published[1], ID, published[0], published[1]]

    answer = client.get("/api/me/likes", params={"creationIds": ",".join(asked)})

    assert answer.json() == {"creationIds": [published[1], published[0]]}
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?creationIds=",
        "?creationIds=x",
        f"?creationIds={ID},",
        f"?creationIds={ID}%20",
        f"?creationIds={ID.upper()}",
        f"?creationIds={ID};{ID}",
        f"?creationIds={ID}%00",
        "?creationIds=" + ",".join([ID] * 51),
    ],
)
def test_wrong_ids_are_400_and_named(api: Api, query: str) -> None:
    answer = api.client(ADA).get(f"/api/me/likes{query}")

    reason = "use 1 to 50 ids of creations, separated by commas"
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_field")
    assert answer.json()["errors"] == [{"field": "creationIds", "reason": reason}]


def test_fifty_ids_are_accepted(api: Api) -> None:
    ids = ",".join(a_creation_id(str(n)) for n in range(50))

    assert api.client(ADA).get(f"/api/me/likes?creationIds={ids}").json() == {"creationIds": []}


def test_own_likes_need_a_user(api: Api) -> None:
    assert api.client().get(f"/api/me/likes?creationIds={ID}").status_code == 401


def test_nothing_is_written_for_what_is_not_published(api: Api) -> None:
    draft = api.world.draft()
    client = api.client(ADA)

    answers = [
        client.request(method, f"/api/generate/creation/{draft.creation_id}/like")
        for method in ("PUT", "DELETE")
    ]

    assert {(each.status_code, each.json()["code"]) for each in answers} == {
        (404, "creation_not_found")
    }
    assert api.world.sqlite.get(like_key(draft.creation_id, ADA)) is None
