from typing import Any

import pytest

from tests.api.conftest import Api
from tests.support.builders import ADA

PUBLIC_FIELDS = {
    *[
        "creationId",
        "username",
        "type",
        "mediaType",
        "caption",
        "likeCount",
        "mediaUrl",
        "thumbnailUrl",
    ],
    *["width", "height", "duration", "aspectRatio", "publishedAt"],
}


def test_published_creation_is_returned_and_appears_in_feed_and_profile(api: Api) -> None:
    draft = api.world.draft()
    client = api.client(ADA)

    answer = client.post(
        f"/api/generate/creation/{draft.creation_id}/publish", json={"caption": "  First snow "}
    )

    view = answer.json()["creation"]
    assert (view["status"], view["caption"]) == ("published", "First snow")
    assert view["publishedAt"] == "2026-11-21T12:00:00.000Z"
    [shown] = client.get("/api/feed").json()["creations"]
    assert set(shown) == PUBLIC_FIELDS
    assert (shown["username"], shown["caption"], shown["likeCount"]) == ("ada", "First snow", 0)
    assert "ada" not in shown["mediaUrl"]
    assert shown["mediaUrl"].startswith("http://localhost/media/public/")
    assert client.get("/api/profiles/ada").json()["creations"] == [shown]
    assert client.get("/api/generate/drafts").json()["creations"] == []


@pytest.mark.parametrize("caption", ["x" * 501, "a\x07b", "snow\x0b", "\u202e", 7, ["x"]])
def test_wrong_caption_is_400_and_publishes_nothing(api: Api, caption: Any) -> None:
    draft = api.world.draft()

    answer = api.client(ADA).post(
        f"/api/generate/creation/{draft.creation_id}/publish", json={"caption": caption}
    )

    assert (answer.status_code, answer.json()["field"]) == (400, "caption")
    assert api.world.now(draft) == draft


def test_publishing_again_changes_the_caption(api: Api) -> None:
    published = api.world.published(caption="old")
    address = f"/api/generate/creation/{published.creation_id}/publish"
    client = api.client(ADA)

    captions = [
        client.post(address, json=body).json()["creation"]["caption"]
        for body in ({"caption": "new"}, {}, {"caption": None}, {"caption": ""})
    ]

    assert captions == ["new", "new", "new", ""]


def test_retry_responds_like_opening(api: Api) -> None:
    failed = api.world.failed()
    address = f"/api/generate/video/{failed.creation_id}/retry"
    client = api.client(ADA)

    first, again = (client.post(address, json={"debits": 1}) for _ in range(2))
    later = client.post(address)

    assert (first.status_code, again.status_code, later.status_code) == (202, 202, 409)
    assert (first.json()["status"], first.json()["tokenBalance"]) == ("pending", 90)
    assert first.headers["location"] == f"/api/generate/creation/{failed.creation_id}"
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["creation"]["debits"] == 2
    assert client.post(address, json={"debits": "1"}).json()["field"] == "debits"


def test_cancelling_refunds_the_tokens(api: Api) -> None:
    creation = api.world.open().creation
    client = api.client(ADA)

    answer = client.post(f"/api/generate/creation/{creation.creation_id}/cancel")

    view = answer.json()["creation"]
    assert (view["status"], view["refunded"]) == ("failed", True)
    assert view["error"] == {
        "code": "cancelled",
        "message": "It was cancelled.",
        "retryable": True,
    }
    assert client.get("/api/me").json()["tokenBalance"] == 100


def test_creation_says_whether_it_can_be_cancelled(api: Api) -> None:
    claimed, client = api.world.creation_that_is("processing"), api.client(ADA)
    address = f"/api/generate/creation/{claimed.creation_id}"
    before = client.get(address)
    api.world.held(claimed).record_intent(model="m", cost_usd=0.5)

    after = client.get(address, headers={"If-None-Match": before.headers["etag"]})
    listed = client.get("/api/generate/drafts").json()["creations"]
    refused = client.post(f"{address}/cancel")

    assert before.json()["creation"]["isCancellable"] is True
    assert (after.status_code, after.json()["creation"]["isCancellable"]) == (200, False)
    assert [each["isCancellable"] for each in listed] == [False]
    assert (refused.status_code, refused.json()["code"]) == (409, "already_started")
    assert refused.json()["status"] == 409
    assert client.get("/api/me").json()["tokenBalance"] == 90


@pytest.mark.parametrize("status", ["draft", "published", "failed"])
def test_settled_creation_cannot_be_cancelled(api: Api, status: str) -> None:
    creation, client = api.world.creation_that_is(status), api.client(ADA)

    view = client.get(f"/api/generate/creation/{creation.creation_id}").json()["creation"]

    assert view["isCancellable"] is False


@pytest.mark.parametrize(
    ("status", "method", "action"),
    [
        ("draft", "POST", "/publish"),
        ("published", "POST", "/unpublish"),
        ("failed", "POST", "/retry"),
        ("pending", "POST", "/cancel"),
        ("draft", "DELETE", ""),
    ],
)
def test_action_with_unknown_outcome_names_its_creation(
    api: Api, status: str, method: str, action: str
) -> None:
    creation = api.world.creation_that_is(status)
    client = api.client(ADA)
    api.world.store.faults = ["lost", *["down"] * 4]

    answer = client.request(method, f"/api/generate/creation/{creation.creation_id}{action}")

    assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")
    assert answer.json()["creationId"] == creation.creation_id


def test_account_creation_with_unknown_outcome_names_no_creation(api: Api) -> None:
    api.world.store.faults = ["lost", *["down"] * 4]

    answer = api.client(ADA).get("/api/generate/creation/x")

    assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")
    assert "creationId" not in answer.json()


def test_idempotency_key_of_a_deleted_creation_is_410(api: Api) -> None:
    draft = api.world.draft(key="k")
    client = api.client(ADA)
    assert client.delete(f"/api/generate/creation/{draft.creation_id}").status_code == 204

    answer = client.post(
        "/api/generate/video", json={"prompt": "a fox"}, headers={"Idempotency-Key": "k"}
    )

    assert (answer.status_code, answer.json()["code"]) == (410, "creation_gone")


@pytest.mark.parametrize(
    ("method", "action"),
    [
        *[("POST", "unpublish"), ("POST", "cancel")],
        *[("PUT", "keep"), ("PUT", "like"), ("PUT", "collaborators/ben")],
    ],
)
def test_action_without_fields_refuses_fields(api: Api, method: str, action: str) -> None:
    creation = api.world.published()
    address = f"/api/generate/creation/{creation.creation_id}/{action}"
    client = api.client(ADA)

    wrong = client.request(method, address, json={"status": "draft"})
    text = client.request(method, address, content=b"x", headers={"Content-Type": "text/plain"})

    assert (wrong.status_code, wrong.json()["field"]) == (400, "status")
    assert text.status_code == 415


def test_feed_and_profile_are_paged_newest_first(api: Api) -> None:
    ids = []
    for user in (ADA, "ben", ADA, ADA, "ben"):
        ids.append(api.world.published(user=user).creation_id)
        api.world.clock.sleep(1)

    def walked(path: str) -> list[str]:
        found: list[str] = []
        params: dict[str, Any] = {"limit": 2}
        while True:
            page = api.client().get(path, params=params).json()
            found += [creation["creationId"] for creation in page["creations"]]
            if page["nextCursor"] is None:
                return found
            params["cursor"] = page["nextCursor"]

    assert walked("/api/feed") == ids[::-1]
    assert walked("/api/profiles/ada") == [ids[3], ids[2], ids[0]]


@pytest.mark.parametrize("username", ["nobody", "x", "a" * 500, "%2e%2e", "é"])
def test_unknown_profile_is_404(api: Api, username: str) -> None:
    answer = api.client().get(f"/api/profiles/{username}")

    assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")


def test_user_without_publications_has_an_empty_profile(api: Api) -> None:
    api.client(ADA).get("/api/me")

    assert api.client().get("/api/profiles/ada").json() == {"creations": [], "nextCursor": None}


def test_ledger_lists_every_movement_newest_first(api: Api) -> None:
    failed = api.world.failed()
    client = api.client(ADA)

    first = client.get("/api/me/transactions", params={"limit": 2}).json()
    second = client.get(
        "/api/me/transactions", params={"limit": 2, "cursor": first["nextCursor"]}
    ).json()

    assert second["nextCursor"] is None
    shown = first["transactions"] + second["transactions"]
    assert [(entry["type"], entry["amount"], entry["balanceAfter"]) for entry in shown] == [
        ("refund", 10, 100),
        ("debit", 10, 90),
        ("grant", 100, 100),
    ]
    assert shown[1] == {
        "id": f"{failed.creation_id}_debit_1",
        "type": "debit",
        "reason": "debit",
        "amount": 10,
        "balanceAfter": 90,
        "creationId": failed.creation_id,
        "creation": {"type": "video", "prompt": "a fox", "status": "failed", "error": None},
        "reference": None,
        "sequence": 2,
        "createdAt": "2026-11-21T12:00:00.000Z",
    }


def test_ledger_is_paged_by_sequence(api: Api) -> None:
    for _ in range(6):
        api.world.failed()
    client = api.client(ADA)
    sequences: list[int] = []
    params: dict[str, Any] = {"limit": 5}
    while True:
        page = client.get("/api/me/transactions", params=params).json()
        sequences += [entry["sequence"] for entry in page["transactions"]]
        if page["nextCursor"] is None:
            break
        params["cursor"] = page["nextCursor"]

    assert sequences == list(range(13, 0, -1))
