"""Every route, method and state: the owner, another user, an unknown id, signed out."""

import httpx
import pytest

from shared.domain.status import READY, Status
from tests.api.conftest import Api
from tests.support.builders import ADA, BEN, a_caller, a_creation_id

OWN = {
    ("GET", ""): dict.fromkeys(Status, 200),
    ("GET", "/download"): (dict.fromkeys(Status, 409) | {Status.DRAFT: 200, Status.PUBLISHED: 200}),
    ("POST", "/publish"): dict.fromkeys(Status, 409) | {Status.DRAFT: 200, Status.PUBLISHED: 200},
    ("POST", "/unpublish"): dict.fromkeys(Status, 409) | {Status.DRAFT: 200, Status.PUBLISHED: 200},
    ("POST", "/retry"): dict.fromkeys(Status, 409) | {Status.FAILED: 202},
    ("POST", "/cancel"): (
        dict.fromkeys(Status, 409) | {Status.PENDING: 200, Status.PROCESSING: 200}
    ),
    ("PUT", "/like"): dict.fromkeys(Status, 404) | {Status.PUBLISHED: 204},
    ("DELETE", "/like"): dict.fromkeys(Status, 404) | {Status.PUBLISHED: 204},
    ("POST", "/share"): dict.fromkeys(Status, 409) | {Status.DRAFT: 200, Status.PUBLISHED: 200},
    ("DELETE", "/share"): dict.fromkeys(Status, 200),
    ("PUT", "/collaborators/{username}"): (
        dict.fromkeys(Status, 409) | {Status.DRAFT: 200, Status.PUBLISHED: 200}
    ),
    ("DELETE", "/collaborators/{username}"): dict.fromkeys(Status, 200),
    ("PUT", "/keep"): dict.fromkeys(Status, 200) | {Status.PENDING: 409, Status.PROCESSING: 409},
    ("DELETE", "/keep"): dict.fromkeys(Status, 200) | {Status.PENDING: 409, Status.PROCESSING: 409},
    ("DELETE", "/schedule"): dict.fromkeys(Status, 200),
    ("DELETE", ""): dict.fromkeys(Status, 204) | {Status.PENDING: 409, Status.PROCESSING: 409},
}
"""The owner's response, by call and state."""
FOR_EVERYONE = {("PUT", "/like"), ("DELETE", "/like")}
"""The calls that others may make, too, on what is published."""
INVITED = "cyd"
ADDRESSES = ("/api/generate/creation/", "/api/generate/video/")


def request(
    client: httpx.Client, call: tuple[str, str], address: str, creation_id: str
) -> httpx.Response:
    method, action = call
    action = action.replace("{username}", INVITED)
    return client.request(method, f"{address}{creation_id}{action}")


def test_matrix_covers_every_route_of_a_creation(api: Api) -> None:
    described = api.client().get("/openapi.json").json()["paths"]
    routes = {
        (method.upper(), path.removeprefix(address + "{creation_id}"), address)
        for path, methods in described.items()
        for method in methods
        for address in ADDRESSES
        if path.startswith(address + "{")
    }

    assert routes == {(*call, address) for call in OWN for address in ADDRESSES}


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("call", OWN, ids=lambda call: f"{call[0]}{call[1]}")
def test_response_depends_on_state_and_ownership(
    api: Api, call: tuple[str, str], status: Status, address: str
) -> None:
    theirs = api.world.creation_that_is(status, user=BEN)
    api.world.phoenix.accounts.of(a_caller(INVITED))
    before, balance = api.world.now(theirs), api.world.account(BEN).balance_tokens
    ada, stranger = api.client(ADA), api.client()
    ada.get("/api/me")

    foreign = request(ada, call, address, theirs.creation_id)
    unknown = request(ada, call, address, a_creation_id("nobody's"))
    no_ids = [request(ada, call, address, each) for each in ("x" * 26, "a%2Fb", "a%2F", "%2Fretry")]
    signed_out = request(stranger, call, address, theirs.creation_id)
    signed_out_slash = request(stranger, call, address, "a%2Fb")

    assert {each.status_code for each in (unknown, *no_ids)} == {404}
    assert len({each.content for each in (unknown, *no_ids)}) == 1
    if call in FOR_EVERYONE and status is Status.PUBLISHED:
        assert foreign.status_code == OWN[call][status]
    else:
        assert (foreign.status_code, foreign.content) == (404, unknown.content)
        assert headers_of(foreign) == headers_of(unknown)
    assert (signed_out.status_code, signed_out_slash.status_code) == (401, 401)
    assert api.world.now(theirs) == before
    assert api.world.account(BEN).balance_tokens == balance

    own = request(api.client(BEN), call, address, theirs.creation_id)

    assert own.status_code == OWN[call][status]
    if own.status_code == 409:
        assert (own.json()["code"], own.json()["status"]) == ("illegal_transition", status)
        assert api.world.now(theirs) == before


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("status", [Status.DRAFT, Status.PUBLISHED])
def test_reader_of_a_shared_creation_can_change_nothing(
    api: Api, status: Status, address: str
) -> None:
    """Collaborator, stranger and link holder, by every route and method."""
    theirs = api.world.creation_that_is(status, user=BEN)
    for name in (INVITED, ADA):
        api.world.phoenix.accounts.of(a_caller(name))
    sharing = api.world.phoenix.sharing
    sharing.share(theirs.creation_id, owner=theirs.user_id)
    before = sharing.add_collaborator(theirs.creation_id, INVITED, owner=theirs.user_id)
    readers = {name: api.client(name) for name in (INVITED, ADA)}

    changes = OWN.keys() - (FOR_EVERYONE if status is Status.PUBLISHED else set())
    for call in sorted(changes):
        for client in readers.values():
            answer = request(client, call, address, theirs.creation_id)
            unknown = request(client, call, address, a_creation_id("nobody's"))
            assert (answer.status_code, answer.content) == (404, unknown.content)
            assert headers_of(answer) == headers_of(unknown)
        assert request(api.client(), call, address, theirs.creation_id).status_code == 401
    link = f"/shared/{theirs.creation_id}/{before.sharing.secret}"
    for path in (link, f"/api{link}"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            for client in (*readers.values(), api.client()):
                assert client.request(method, path).status_code == 405
        assert api.client().get(path).status_code == 200
    seen = [
        client.get("/api/generate/shared").json()["creations"]
        for client in (*readers.values(), api.client(BEN))
    ]

    assert [len(each) for each in seen] == [1, 0, 0]
    assert api.world.now(theirs) == before


def headers_of(answer: httpx.Response) -> dict[str, str]:
    """Return the headers without those that differ between any two responses."""
    return {
        name: value
        for name, value in answer.headers.items()
        if name not in ("date", "x-request-id")
    }


def test_lists_do_not_show_unpublished_creations_of_other_users(api: Api) -> None:
    hidden = {
        api.world.creation_that_is(status, user=BEN).creation_id
        for status in (Status.DRAFT, Status.FAILED, Status.PENDING)
    }
    published = api.world.published(user=BEN)
    ada = api.client(ADA)

    shown = "".join(
        client.get(path).text
        for client in (ada, api.client())
        for path in (
            "/api/generate/drafts",
            "/api/feed",
            "/api/profiles/ben",
            "/api/me/transactions",
            "/api/me/creations",
            "/api/me/creations?q=fox",
        )
    )

    assert published.creation_id in shown
    assert not any(creation_id in shown for creation_id in hidden)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("query", ["", "?q=fox"])
def test_own_list_shows_each_person_their_own_creations_in_any_state(
    api: Api, status: Status, query: str
) -> None:
    made = {user: api.world.creation_that_is(status, user=user) for user in (ADA, BEN)}
    sharing = api.world.phoenix.sharing
    if status in READY:
        sharing.add_collaborator(made[BEN].creation_id, ADA, owner=BEN)

    answers = {user: api.client(user).get(f"/api/me/creations{query}") for user in made}
    ledgers = {user: api.client(user).get("/api/me/transactions").text for user in made}

    for user, other in ((ADA, BEN), (BEN, ADA)):
        [shown] = answers[user].json()["creations"]
        assert shown["creationId"] == made[user].creation_id
        for text in (answers[user].text, ledgers[user]):
            assert made[other].creation_id not in text
    assert api.client().get(f"/api/me/creations{query}").status_code == 401


def opened(api: Api, link: str) -> int:
    return api.client().get(link.replace("http://localhost", api.base_url)).status_code


def test_private_files_are_unavailable_at_once_after_a_delete(api: Api) -> None:
    draft = api.world.draft()
    client = api.client(ADA)
    view = client.get(f"/api/generate/creation/{draft.creation_id}").json()["creation"]
    links = [view["mediaUrl"], view["thumbnailUrl"]]
    links = [link.replace("http://127.0.0.1:8080", "http://localhost") for link in links]
    assert [opened(api, link) for link in links] == [200, 200]

    client.delete(f"/api/generate/creation/{draft.creation_id}")

    assert [opened(api, link) for link in links] == [404, 404]


def test_public_files_are_unavailable_at_once_after_an_unpublish(api: Api) -> None:
    published = api.world.published()
    [shown] = api.client().get("/api/feed").json()["creations"]
    links = [shown["mediaUrl"], shown["thumbnailUrl"]]
    assert [opened(api, link) for link in links] == [200, 200]

    api.client(ADA).post(f"/api/generate/creation/{published.creation_id}/unpublish")

    assert [opened(api, link) for link in links] == [404, 404]
    assert api.client().get("/api/feed").json()["creations"] == []


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("what", ["publish", "delete", "zip"])
def test_creation_of_another_user_looks_unknown_among_many(
    api: Api, what: str, status: Status
) -> None:
    theirs, mine = api.world.creation_that_is(status, user=BEN), api.world.draft()
    before = api.world.now(theirs)

    def sent(creation_id: str) -> httpx.Response:
        body: dict[str, object] = {"creationIds": [creation_id, mine.creation_id]}
        address = "/api/generate/drafts/zip"
        if what != "zip":
            address, body = "/api/generate/drafts/bulk", {**body, "action": what}
        return api.client(ADA).post(address, json=body)

    foreign, unknown = sent(theirs.creation_id), sent(a_creation_id("nobody's"))

    assert foreign.status_code == unknown.status_code == (404 if what == "zip" else 200)
    named = unknown.text.replace(a_creation_id("nobody's"), theirs.creation_id)
    assert foreign.text == named
    assert api.world.now(theirs) == before
