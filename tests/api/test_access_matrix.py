"""Every route, method and state: the owner, another user, an unknown id, signed out."""

import httpx
import pytest

from shared.domain.status import Status
from tests.api.conftest import Api
from tests.support.builders import ADA, BEN, a_creation_id

OWN = {
    ("GET", ""): dict.fromkeys(Status, 200),
    ("POST", "/publish"): dict.fromkeys(Status, 409) | {Status.DRAFT: 200, Status.PUBLISHED: 200},
    ("POST", "/unpublish"): dict.fromkeys(Status, 409) | {Status.DRAFT: 200, Status.PUBLISHED: 200},
    ("POST", "/retry"): dict.fromkeys(Status, 409) | {Status.FAILED: 202},
    ("POST", "/cancel"): dict.fromkeys(Status, 409) | {Status.PENDING: 200},
    ("DELETE", ""): dict.fromkeys(Status, 204) | {Status.PENDING: 409, Status.PROCESSING: 409},
}
"""The owner's response, by call and state."""
ADDRESSES = ("/api/generate/creation/", "/api/generate/video/")


def request(
    client: httpx.Client, call: tuple[str, str], address: str, creation_id: str
) -> httpx.Response:
    method, action = call
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
    before, balance = api.world.now(theirs), api.world.account(BEN).balance_tokens
    ada, stranger = api.client(ADA), api.client()
    ada.get("/api/me")

    foreign = request(ada, call, address, theirs.creation_id)
    unknown = request(ada, call, address, a_creation_id("nobody's"))
    no_ids = [request(ada, call, address, each) for each in ("x" * 26, "a%2Fb", "a%2F", "%2Fretry")]
    signed_out = request(stranger, call, address, theirs.creation_id)
    signed_out_slash = request(stranger, call, address, "a%2Fb")

    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert {foreign.content} == {each.content for each in (unknown, *no_ids)}
    assert {each.status_code for each in no_ids} == {404}
    assert headers_of(foreign) == headers_of(unknown)
    assert (signed_out.status_code, signed_out_slash.status_code) == (401, 401)
    assert api.world.now(theirs) == before
    assert api.world.account(BEN).balance_tokens == balance

    own = request(api.client(BEN), call, address, theirs.creation_id)

    assert own.status_code == OWN[call][status]
    if own.status_code == 409:
        assert (own.json()["code"], own.json()["status"]) == ("illegal_transition", status)
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
        )
    )

    assert published.creation_id in shown
    assert not any(creation_id in shown for creation_id in hidden)


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
