"""`GET /api/me/creations`: one's own creations by words, status and type."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

import httpx
import pytest

from shared.domain.creation import Creation
from shared.domain.kind import Kind
from shared.domain.search import ACCEPTED_SEARCH
from shared.domain.status import Status
from shared.lifecycle.searching import SEARCHED_MAX
from tests.api.conftest import Api
from tests.support.builders import ADA, BEN, NOON, a_creation, seconds
from tests.support.documents import put, remove

ADDRESS = "/api/me/creations"


def ids(answer: httpx.Response) -> list[str]:
    return [each["creationId"] for each in answer.raise_for_status().json()["creations"]]


class Fill(Protocol):
    def __call__(
        self, count: int, *, prompt: str = "a fox", user: str = ADA, at_s: int = 0
    ) -> list[Creation]:
        """Store creations, two at a time, and return them newest first."""


@pytest.fixture
def fill(api: Api) -> Iterator[Fill]:
    """Creations without accounts and debits, removed before the books are audited."""
    filled: list[Creation] = []
    store = api.world.sqlite

    def made(
        count: int, *, prompt: str = "a fox", user: str = ADA, at_s: int = 0
    ) -> list[Creation]:
        creations = [
            a_creation(
                f"{prompt} {n}",
                user_id=user,
                prompt=prompt,
                created_at=NOON + seconds(at_s + n // 2),
            )
            for n in range(count)
        ]
        put(store, *creations)
        filled.extend(creations)
        return sorted(creations, key=lambda c: (c.created_at, c.creation_id), reverse=True)

    yield made
    remove(store, *filled)


def pages(client: httpx.Client, **parameters: Any) -> list[list[str]]:
    found = []
    while True:
        answer = client.get(ADDRESS, params=parameters)
        found.append(ids(answer))
        parameters["cursor"] = answer.json()["nextCursor"]
        if parameters["cursor"] is None:
            return found


def test_every_own_creation_is_listed_as_elsewhere(api: Api) -> None:
    expected: list[Creation] = []
    for status in Status:
        expected.insert(0, api.world.creation_that_is(status))
        api.world.creation_that_is(status, user=BEN)
        api.world.clock.sleep(1)
    client = api.client(ADA)

    answer = client.get(ADDRESS)

    assert ids(answer) == [each.creation_id for each in expected]
    for view in answer.json()["creations"]:
        one = client.get(f"/api/generate/creation/{view['creationId']}").json()
        assert view == one["creation"]


def test_words_are_searched_in_prompts_and_captions(api: Api) -> None:
    published = api.world.published(caption="Wintersonne")
    other = replace(api.world.draft(), prompt="ein Bär im Schnee")
    put(api.world.sqlite, other)
    api.world.published(user=BEN, caption="Wintersonne")
    client = api.client(ADA)

    found = {
        q: ids(client.get(ADDRESS, params={"q": q}))
        for q in ("SONNE fox", "schnee BÄR", "bar", "fox schnee", "ein")
    }

    assert found == {
        "SONNE fox": [published.creation_id],
        "schnee BÄR": [other.creation_id],
        "bar": [],
        "fox schnee": [],
        "ein": [other.creation_id],
    }


@pytest.mark.parametrize("q", [None, "fox"])
def test_status_and_type_are_filters(api: Api, q: str | None) -> None:
    made = {status: api.world.creation_that_is(status).creation_id for status in Status}
    image = api.world.open(kind=Kind.IMAGE).creation.creation_id
    client, words = api.client(ADA), {"q": q} if q else {}

    for status, creation_id in made.items():
        params = {"status": status, "type": "video", **words}
        assert ids(client.get(ADDRESS, params=params)) == [creation_id]
    assert ids(client.get(ADDRESS, params={"type": "image", **words})) == [image]
    assert ids(client.get(ADDRESS, params={"type": "image", "status": "draft", **words})) == []


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_pages_contain_each_match_once(api: Api, fill: Fill, limit: int) -> None:
    foxes = fill(7)
    fill(7, prompt="a bear")
    fill(3, user=BEN)

    found = pages(api.client(ADA), q="fox", limit=limit)

    assert [each for page in found for each in page] == [each.creation_id for each in foxes]
    assert all(len(page) == limit for page in found[:-1])


def test_search_that_reads_its_limit_has_a_next_page(api: Api, fill: Fill) -> None:
    [oldest] = fill(1, at_s=-1)
    fill(SEARCHED_MAX, prompt="a bear")
    client = api.client(ADA)

    assert pages(client, q="fox") == [[], [oldest.creation_id]]
    assert pages(client, q="eagle") == [[], []]


def test_known_etag_is_304_until_something_shown_changes(api: Api) -> None:
    draft, client = api.world.draft(), api.client(ADA)
    for params in ({}, {"q": "fox"}, {"q": "fox", "limit": "1"}):
        tag = client.get(ADDRESS, params=params).headers["etag"]
        again = client.get(ADDRESS, params=params, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["cache-control"] == "private, no-cache"
    known = {"If-None-Match": client.get(ADDRESS, params={"q": "fox"}).headers["etag"]}

    client.post(f"/api/generate/creation/{draft.creation_id}/publish", json={"caption": "Dawn"})
    changed = client.get(ADDRESS, params={"q": "fox"}, headers=known)

    assert (changed.status_code, ids(changed)) == (200, [draft.creation_id])
    assert changed.json()["creations"][0]["status"] == "published"
    assert ids(client.get(ADDRESS, params={"q": "dawn"})) == [draft.creation_id]


def test_empty_pages_of_different_positions_have_different_etags(api: Api, fill: Fill) -> None:
    fill(SEARCHED_MAX + 1, prompt="a bear")
    client = api.client(ADA)

    first = client.get(ADDRESS, params={"q": "fox"})
    params = {"q": "fox", "cursor": first.json()["nextCursor"]}
    second = client.get(ADDRESS, params=params, headers={"If-None-Match": first.headers["etag"]})

    assert (second.status_code, second.json()) == (200, {"creations": [], "nextCursor": None})


def test_cursor_belongs_to_one_search_of_one_user(api: Api, fill: Fill) -> None:
    fill(3)
    fill(3, user=BEN)
    client = api.client(ADA)

    def status(client: httpx.Client, **params: str) -> int:
        cursor = api.client(ADA).get(ADDRESS, params={"q": "a FOX", "limit": "1"}).json()
        return client.get(ADDRESS, params={**params, "cursor": cursor["nextCursor"]}).status_code

    assert status(client, q="a  fox ", limit="2") == 200
    assert status(client) == 400
    assert status(client, q="a bear") == 400
    assert status(client, q="a fox", type="video") == 400
    assert status(client, q="a fox", status="pending") == 400
    assert status(api.client(BEN), q="a fox") == 400
    cursor = client.get("/api/generate/drafts?limit=1").json()["nextCursor"]
    assert client.get(ADDRESS, params={"cursor": cursor}).status_code == 400


@pytest.mark.parametrize(
    ("params", "fields"),
    [
        ({"q": ""}, ["q"]),
        ({"q": " \t\n"}, ["q"]),
        ({"q": "\u200b"}, ["q"]),
        ({"q": "x" * 201}, ["q"]),
        ({"q": "x" * 20_000}, ["q"]),
        ({"q": "a\x00b"}, ["q"]),
        ({"status": "done"}, ["status"]),
        ({"status": ""}, ["status"]),
        ({"type": "audio"}, ["type"]),
        ({"limit": "0"}, ["limit"]),
        ({"cursor": "x"}, ["cursor"]),
        ({"q": " ", "status": "x", "type": "x", "limit": "x"}, ["q", "status", "type", "limit"]),
    ],
    ids=lambda each: ascii(each)[:40],
)
def test_wrong_parameters_are_all_named(
    api: Api, params: dict[str, str], fields: list[str]
) -> None:
    answer = api.client(ADA).get(ADDRESS, params=params)

    named = {each["field"]: each["reason"] for each in answer.json()["errors"]}
    assert (answer.status_code, list(named)) == (400, fields)
    assert named.get("q", ACCEPTED_SEARCH) == ACCEPTED_SEARCH
    assert len(answer.content) < 1024


@pytest.mark.parametrize(
    "q", ["%", "_", "'; DROP TABLE creations; --", "(a+)+$", "\ufdfa" * 200, "ﬀ" * 200, "\ufffd"]
)
def test_hostile_words_are_only_text(api: Api, fill: Fill, q: str) -> None:
    fill(100, prompt="a" * 2000)

    assert ids(api.client(ADA).get(ADDRESS, params={"q": q})) == []


def test_broken_percent_encoding_finds_nothing(api: Api, fill: Fill) -> None:
    fill(1)

    assert ids(api.client(ADA).get(f"{ADDRESS}?q=%ff%fe")) == []


def test_search_needs_a_token(api: Api) -> None:
    assert api.client().get(ADDRESS, params={"q": "fox"}).status_code == 401
