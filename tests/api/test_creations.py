from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.status import Status
from tests.api.conftest import Api
from tests.support.builders import ADA, a_creation_id
from tests.support.world import World

VIDEO = {"type": "video", "prompt": "a fox"}
IMAGE = {"type": "image", "prompt": "a fox"}
CREATION_FIELDS = {
    *[
        "creationId",
        "type",
        "mediaType",
        "status",
        "stage",
        "progress",
        "prompt",
        "model",
        "aspectRatio",
        "duration",
        "cost",
    ],
    *["error", "refunded", "queueErrorCode", "caption", "likeCount", "mediaUrl", "thumbnailUrl"],
    *[
        "mediaUrlExpiresAt",
        "width",
        "height",
        "sizeBytes",
        "attempt",
        "debits",
        "retryAt",
        "deadlineAt",
    ],
    *["createdAt", "updatedAt", "publishedAt"],
    *["groupId", "isCancellable", "isKept", "expiresAt", "publishAt", "scheduleError", "sharing"],
}


def post(
    client: httpx.Client, body: Any = VIDEO, path: str = "/api/generate/creation", **headers: str
) -> httpx.Response:
    return client.post(path, json=body, headers=headers)


# Opening


def test_opening_is_202_with_everything_a_client_needs(api: Api) -> None:
    answer = post(api.client(ADA))

    opened = answer.json()
    assert answer.status_code == 202
    assert set(opened) == {
        *["creationId", "status", "type", "cost", "tokenBalance", "deadlineAt", "creation"]
    }
    assert (opened["status"], opened["type"]) == ("pending", "video")
    assert (opened["cost"], opened["tokenBalance"]) == (10, 90)
    assert opened["deadlineAt"] == "2026-11-21T12:15:00.000Z"
    assert set(opened["creation"]) == CREATION_FIELDS
    assert answer.headers["location"] == f"/api/generate/creation/{opened['creationId']}"
    assert answer.headers["retry-after"] == "15"
    assert answer.headers["cache-control"] == "no-store"
    assert "idempotency-replayed" not in answer.headers
    assert len(api.world.queue.tasks) == 1


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/api/generate/video", {"prompt": "x"}, "video"),
        ("/api/generate/video", {"prompt": "x", "type": "video"}, "video"),
        ("/api/image/generate", {"prompt": "x"}, "image"),
        (
            "/api/generate/creation",
            {"prompt": "x", "type": "image", "aspect_ratio": "3:4"},
            "image",
        ),
        ("/api/generate/creation", {"prompt": "x", "type": "video", "duration": 4.0}, "video"),
    ],
)
def test_older_addresses_and_field_names_work(
    api: Api, path: str, body: dict[str, Any], kind: str
) -> None:
    answer = post(api.client(ADA), body, path)

    assert (answer.status_code, answer.json()["type"]) == (202, kind)
    assert answer.json()["creation"]["aspectRatio"] == body.get(
        "aspect_ratio", {"video": "16:9", "image": "1:1"}[kind]
    )


def test_task_carries_the_trace_of_the_request_that_opened_it(api: Api) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    post(api.client(ADA), traceparent=trace)
    post(api.client(ADA), traceparent="a secret")

    assert api.world.queue.traces == [trace, None]


def test_replay_is_marked_and_returns_the_current_creation(api: Api) -> None:
    client = api.client(ADA)
    headers = {"Idempotency-Key": "click 1"}
    first = post(client, **headers)
    claimed = api.world.claim(a_creation_id("click 1"))
    api.world.phoenix.failing.fail_attempt(claimed, FailureCode.SAFETY_FILTER, start_failed=True)

    again = post(client, **headers)

    assert again.status_code == 202
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["creationId"] == first.json()["creationId"]
    assert again.json()["status"] == "failed"
    assert again.json()["creation"]["refunded"] is True
    assert again.json()["creation"]["error"]["code"] == "safety_filter"
    assert again.json()["tokenBalance"] == 100


@pytest.mark.parametrize("key", ["", "x" * 201, "é", "a\tb"], ids=ascii)
def test_wrong_idempotency_key_is_refused(api: Api, key: str) -> None:
    answer = api.client(ADA).post(
        "/api/generate/creation", json=VIDEO, headers={b"Idempotency-Key": key.encode()}
    )

    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")


def test_idempotency_key_with_another_body_is_422(api: Api) -> None:
    client = api.client(ADA)
    post(client, **{"Idempotency-Key": "k"})

    answer = post(client, IMAGE, **{"Idempotency-Key": "k"})

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_insufficient_tokens_are_402_with_price_and_balance(new_api: Callable[..., Api]) -> None:
    api = new_api(PHOENIX_WELCOME_TOKENS="9")

    answer = post(api.client(ADA), **{"Idempotency-Key": "k"})

    assert answer.status_code == 402
    problem = answer.json()
    assert (problem["code"], problem["required"], problem["balance"]) == (
        "insufficient_tokens",
        10,
        9,
    )
    assert problem["success"] is False
    assert problem["error"] == problem["detail"] == "This costs 10 tokens and the balance is 9."
    assert answer.headers["content-type"] == "application/problem+json"


def test_idempotency_key_of_a_refused_request_can_be_used_again(
    new_api: Callable[..., Api],
) -> None:
    api = new_api(PHOENIX_WELCOME_TOKENS="9")
    client = api.client(ADA)
    for body in (VIDEO, {"type": "video", "prompt": ""}):
        assert post(client, body, **{"Idempotency-Key": "k"}).status_code in (400, 402)

    assert post(client, IMAGE, **{"Idempotency-Key": "k"}).status_code == 202


def test_limits_are_429_with_retry_after(new_api: Callable[..., Api]) -> None:
    api = new_api(PHOENIX_POLICY_OPENED_PER_HOUR_MAX="5")
    client = api.client(ADA)
    for _ in range(5):
        post(client)
    unfinished, opened = post(client), post(client, IMAGE)

    assert (unfinished.status_code, unfinished.json()["code"]) == (429, "too_many_unfinished")
    assert unfinished.headers["retry-after"] == "15"
    assert (opened.status_code, opened.json()["code"]) == (429, "too_many_opened")
    assert opened.headers["retry-after"] == "3600"


def test_ten_free_outcomes_in_an_hour_are_429_but_cancelling_is_not(api: Api) -> None:
    client = api.client(ADA)
    for _ in range(10):
        opened = post(client).json()["creationId"]
        assert client.post(f"/api/generate/creation/{opened}/cancel").status_code == 200

    refused = post(client)
    retried = client.post(f"/api/generate/creation/{opened}/retry")

    for answer in (refused, retried):
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_free_outcomes")
        assert answer.json()["limit"] == 10
        assert answer.headers["retry-after"] == "3600"
    assert api.world.account().balance_tokens == 100


@pytest.mark.parametrize(
    ("code", "brake"),
    [
        ("paused", lambda world: world.phoenix.operating.switch(Kind.VIDEO, is_paused=True)),
        ("queue_full", lambda world: setattr(world.queue, "rate_per_s", 0.001)),
    ],
)
def test_paused_kind_is_503_with_retry_after_but_a_replay_is_202(
    api: Api, code: str, brake: Callable[[World], None]
) -> None:
    client = api.client(ADA)
    headers = {"Idempotency-Key": "one"}
    post(client, **headers)
    brake(api.world)
    api.world.clock.sleep(10)

    refused, replay = post(client), post(client, **headers)

    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (503, code)
    assert int(refused.headers["retry-after"]) >= 10
    assert problem["kind"] == "video"
    assert "refunded" not in problem
    assert (replay.status_code, replay.headers["idempotency-replayed"]) == (202, "true")
    assert api.world.account().balance_tokens == 90


def test_spending_limit_is_503_until_midnight(new_api: Callable[..., Api]) -> None:
    api = new_api(PHOENIX_DAILY_COST_MAX_USD="0.5")
    client = api.client(ADA)
    post(client)
    api.world.clock.sleep(10)

    refused = post(client)

    assert (refused.status_code, refused.json()["code"]) == (503, "spending_limit")
    assert refused.headers["retry-after"] == str(12 * 3600 - 10)


def test_unavailable_queue_is_503_and_refunds_the_tokens(api: Api) -> None:
    api.world.queue.is_down = True

    answer = post(api.client(ADA))

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (503, "queue_unavailable")
    assert problem["refunded"] is True
    assert problem["details"] == {"creationId": problem["creationId"], "refunded": True}
    assert "refunded" in problem["error"]
    assert answer.headers["retry-after"] == "30"
    assert api.world.account().balance_tokens == 100


def test_unavailable_store_is_503_and_takes_no_token(api: Api) -> None:
    client = api.client(ADA)
    post(client)
    api.world.store.faults = ["down"] * 5

    answer = post(client)

    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert "retry-after" in answer.headers
    assert "refunded" not in answer.json()
    assert api.world.account().balance_tokens == 90


def test_unknown_outcome_names_the_creation_and_no_refund(api: Api) -> None:
    client = api.client(ADA)
    post(client)
    api.world.store.faults = ["lost", *["down"] * 4]

    answer = post(client, **{"Idempotency-Key": "k"})

    assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")
    assert answer.json()["creationId"] == a_creation_id("k")
    assert "refunded" not in answer.json()
    assert post(client, **{"Idempotency-Key": "k"}).headers["idempotency-replayed"] == "true"


# Bodies


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "prompt"),
        ({"prompt": "x"}, "type"),
        ({"type": "audio", "prompt": "x"}, "type"),
        ({"type": 7, "prompt": "x"}, "type"),
        ({"type": "video"}, "prompt"),
        ({"type": "video", "prompt": None}, "prompt"),
        ({"type": "video", "prompt": 7}, "prompt"),
        ({"type": "video", "prompt": ["x"]}, "prompt"),
        ({"type": "video", "prompt": " \n"}, "prompt"),
        ({"type": "video", "prompt": "x" * 2001}, "prompt"),
        ({"type": "video", "prompt": "x", "duration": 5}, "duration"),
        ({"type": "video", "prompt": "x", "duration": "8"}, "duration"),
        ({"type": "video", "prompt": "x", "duration": True}, "duration"),
        ({"type": "video", "prompt": "x", "duration": 8.5}, "duration"),
        ({"type": "video", "prompt": "x", "aspectRatio": "1:1"}, "aspectRatio"),
        ({"type": "image", "prompt": "x", "duration": 8}, "duration"),
        ({"type": "image", "prompt": "x", "orientation": "portrait"}, "orientation"),
        ({"type": "video", "prompt": "x", "cost": 0}, "cost"),
        ({"type": "video", "prompt": "x", "userId": "ben"}, "userId"),
        ({"type": "video", "prompt": "x", "status": "draft"}, "status"),
        ({"type": "video", "prompt": "x", "foo_bar": 1}, "foo_bar"),
        ({"type": "video", "prompt": "x", "fooBar": 1}, "fooBar"),
        ({"type": "video", "prompt": "x", "aspect_ratio": 1}, "aspectRatio"),
        ({"type": "video", "prompt": "x", "<script>": 1}, "a field"),
        ({"type": "video", "prompt": "x", "x" * 41: 1}, "a field"),
    ],
)
def test_wrong_field_is_400_and_named_without_its_value(
    api: Api, body: dict[str, Any], field: str
) -> None:
    answer = post(api.client(ADA), body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_field")
    assert answer.json()["field"] == field
    assert "script" not in answer.text
    assert "audio" not in answer.text
    assert len(answer.content) < 1024
    assert api.world.queue.tasks == {}


def test_type_that_contradicts_the_address_is_400(api: Api) -> None:
    answer = post(api.client(ADA), IMAGE, "/api/generate/video")

    assert (answer.status_code, answer.json()["field"]) == (400, "type")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"x"',
        b"null",
        b'{"prompt": NaN}',
        b'{"prompt": -Infinity}',
        b'{"prompt": "a", "prompt": "b"}',
        b'{"aspectRatio": "16:9", "aspect_ratio": "16:9"}',
        b'{"prompt": "\xff"}',
        b"\x00",
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"[" * 32_000,
        b'{"duration": ' + b"9" * 30_000 + b"}",
    ],
    ids=lambda body: ascii(body[:20]),
)
def test_body_that_is_not_valid_json_is_400(api: Api, body: bytes) -> None:
    answer = api.client(ADA).post(
        "/api/generate/creation", content=body, headers={"Content-Type": "application/json"}
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")
    assert len(answer.content) < 1024


@pytest.mark.parametrize("prompt", ["\\ud800", "\\u0000", "a\\rb", "\\f"])
def test_escaped_control_characters_and_surrogates_are_400(api: Api, prompt: str) -> None:
    answer = api.client(ADA).post(
        "/api/generate/creation",
        content=f'{{"type": "image", "prompt": "x{prompt}"}}',
        headers={"Content-Type": "application/json"},
    )

    assert (answer.status_code, answer.json()["field"]) == (400, "prompt")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "", "multipart/form-data", "application/jsonx"]
)
def test_body_of_another_media_type_is_415(api: Api, content_type: str) -> None:
    answer = api.client(ADA).post(
        "/api/generate/creation", content=b"{}", headers={"Content-Type": content_type}
    )

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_empty_body_equals_an_empty_object(api: Api) -> None:
    answer = api.client(ADA).post("/api/generate/video")

    assert (answer.status_code, answer.json()["field"]) == (400, "prompt")


def chunks(count: int) -> Any:
    for _ in range(count):
        yield b" " * 1024


@pytest.mark.parametrize("chunked", [False, True])
def test_body_over_the_limit_is_413_before_any_other_check(api: Api, *, chunked: bool) -> None:
    content = chunks(64) if chunked else b" " * (32 * 1024 + 1)

    answer = api.client().post("/api/generate/creation", content=content)

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_body_at_the_limit_is_accepted(api: Api) -> None:
    body = b'{"type": "image", "prompt": "x"}'
    answer = api.client(ADA).post(
        "/api/generate/creation",
        content=body + b" " * (32 * 1024 - len(body)),
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 202


def test_checks_run_in_order(new_api: Callable[..., Api]) -> None:
    api = new_api(PHOENIX_WELCOME_TOKENS="1", PHOENIX_POLICY_IMAGES_IN_FLIGHT_MAX="1")
    stranger, ada = api.client(), api.client(ADA)
    path = "/api/generate/creation"

    huge_and_unknown = stranger.post(path, content=b" " * 40_000)
    unknown_and_text = stranger.post(path, content=b"x", headers={"Content-Type": "text/plain"})
    text_and_wrong = ada.post(path, content=b"x", headers={"Content-Type": "text/plain"})
    wrong_and_poor = post(ada, {"type": "video", "prompt": ""})
    first = post(ada, IMAGE, **{"Idempotency-Key": "k"})
    replay_and_poor = post(ada, IMAGE, **{"Idempotency-Key": "k"})
    full_and_poor = post(ada, IMAGE)

    answers = [
        huge_and_unknown,
        unknown_and_text,
        text_and_wrong,
        wrong_and_poor,
        first,
        replay_and_poor,
        full_and_poor,
    ]
    assert [answer.status_code for answer in answers] == [413, 401, 415, 400, 202, 202, 429]


# Reading


def test_owner_gets_a_creation_at_both_addresses(api: Api) -> None:
    draft = api.world.draft()
    client = api.client(ADA)

    first = client.get(f"/api/generate/creation/{draft.creation_id}")
    alias = client.get(f"/api/generate/video/{draft.creation_id}")

    view = first.json()["creation"]
    assert first.json() == alias.json()
    assert set(view) == CREATION_FIELDS
    assert (view["status"], view["progress"], view["stage"]) == ("draft", 100, "done")
    assert (view["width"], view["height"], view["sizeBytes"]) == (1280, 720, 5)
    assert view["deadlineAt"] is None
    assert "retry-after" not in first.headers


def test_unfinished_creation_has_retry_after(api: Api) -> None:
    client = api.client(ADA)
    opened = post(client, IMAGE)

    answer = client.get(opened.headers["location"])

    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize(
    "creation_id", [a_creation_id("nobody's"), "x", "A" * 26, "%00", "a b", "a%0ab"]
)
def test_another_users_creation_is_not_found(api: Api, creation_id: str) -> None:
    theirs = api.world.draft(user="ben")
    client = api.client(ADA)

    foreign = client.get(f"/api/generate/creation/{theirs.creation_id}")
    unknown = client.get(f"/api/generate/creation/{creation_id}")

    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.content == unknown.content


def test_id_that_ends_with_a_newline_is_not_found(api: Api) -> None:
    mine, client = api.world.draft(), api.client(ADA)
    address = f"/api/generate/creation/{mine.creation_id}"

    answers = [
        client.get(f"{address}%0a"),
        client.put(f"{address}%0a/keep"),
        client.put(f"{address}/keep%0a"),
        client.delete(f"{address}%0A"),
        client.get("/api/me%0a"),
    ]

    assert [each.status_code for each in answers] == [404] * len(answers)
    assert api.world.now(mine) == mine


def test_known_etag_is_304(api: Api) -> None:
    client = api.client(ADA)
    opened = post(client).json()["creation"]
    for path in ("/api/generate/drafts", f"/api/generate/creation/{opened['creationId']}"):
        first = client.get(path)
        tag = first.headers["etag"]
        again = client.get(path, headers={"If-None-Match": f'"other", W/{tag}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert first.headers["cache-control"] == "private, no-cache"

    api.world.claim(opened["creationId"])

    changed = client.get("/api/generate/drafts", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_links_are_stable_for_half_an_hour_and_valid_for_ninety_minutes(
    api: Api,
) -> None:
    draft = api.world.draft()
    client = api.client(ADA)
    path = f"/api/generate/creation/{draft.creation_id}"
    first = client.get(path)
    api.world.clock.sleep(1799)
    second = client.get(path)
    api.world.clock.sleep(1)
    third = client.get(path)

    links = [answer.json()["creation"]["mediaUrl"] for answer in (first, second, third)]
    assert links[0] == links[1] != links[2]
    assert first.headers["etag"] == second.headers["etag"] != third.headers["etag"]
    assert first.json()["creation"]["mediaUrlExpiresAt"] == "2026-11-21T14:00:00.000Z"


def test_drafts_are_paged_by_cursor_and_filtered(api: Api) -> None:
    client = api.client(ADA)
    ids = []
    for body in [IMAGE] * 5 + [VIDEO]:
        ids.append(post(client, body).json()["creationId"])
        api.world.clock.sleep(1)
    world = api.world
    world.claim(ids[5])
    post(api.client("ben"))

    pages: list[list[str]] = []
    cursor: str | None = None
    while True:
        params = {"limit": "4"} | ({"cursor": cursor} if cursor else {})
        page = client.get("/api/generate/drafts", params=params).json()
        pages.append([creation["creationId"] for creation in page["creations"]])
        cursor = page["nextCursor"]
        if cursor is None:
            break

    assert pages == [ids[:1:-1], ids[1::-1]]
    for params, expected in (
        ({"status": "processing"}, ids[5:]),
        ({"type": "image"}, ids[4::-1]),
        ({"status": "pending", "type": "video"}, []),
    ):
        found = client.get("/api/generate/drafts", params=params).json()["creations"]
        assert [creation["creationId"] for creation in found] == expected


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "51"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"limit": "1" * 5000}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "e30"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"status": "published"}, "status"),
        ({"status": ""}, "status"),
        ({"type": "audio"}, "type"),
    ],
)
def test_wrong_parameter_is_400_and_named(api: Api, params: dict[str, str], field: str) -> None:
    answer = api.client(ADA).get("/api/generate/drafts", params=params)

    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_cursor_of_another_list_is_refused(api: Api) -> None:
    client = api.client(ADA)
    for _ in range(2):
        post(client)
    cursor = client.get("/api/generate/drafts", params={"limit": 1}).json()["nextCursor"]
    post(api.client("ben"))

    wrong_filter = client.get("/api/generate/drafts", params={"cursor": cursor, "type": "video"})
    wrong_user = api.client("ben").get("/api/generate/drafts", params={"cursor": cursor})

    assert (wrong_filter.status_code, wrong_user.status_code) == (400, 400)


# Files


def test_private_file_is_served_whole_and_in_ranges_by_its_link(api: Api) -> None:
    draft = api.world.draft()
    link = api.world.files.private_link(
        draft.media_key or "", expires_at=api.world.clock.now() + timedelta(hours=1)
    ).replace("http://localhost", api.base_url)
    stranger = api.client()

    whole = stranger.get(link)
    part = stranger.get(link, headers={"Range": "bytes=1-3"})
    head = stranger.head(link)

    assert (whole.status_code, whole.content) == (200, b"01234")
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["content-disposition"] == "inline"
    assert whole.headers["cache-control"] == "private"
    assert (part.status_code, part.content) == (206, b"123")
    assert part.headers["content-range"] == "bytes 1-3/5"
    assert head.headers["content-length"] == "5"


def test_private_file_needs_a_valid_signature(api: Api) -> None:
    draft = api.world.draft()
    link = api.world.files.private_link(
        draft.media_key or "", expires_at=api.world.clock.now() + timedelta(hours=1)
    ).replace("http://localhost", api.base_url)
    client = api.client(ADA)
    bare = link.partition("?")[0]

    closed = [client.get(bare), client.get(link + "0"), client.get(link.replace("1.mp4", "2.mp4"))]
    api.world.clock.sleep(3600)
    closed.append(client.get(link))

    assert [answer.status_code for answer in closed] == [404] * 4
    assert len({answer.content for answer in closed}) == 1
    for path in ("/media/private/../store.db", "/media/public/../../store.db", "/media/public/x"):
        assert client.get(path).status_code == 404


def test_settled_creation_keeps_its_position_and_creation_time(api: Api) -> None:
    draft = api.world.draft()

    view = api.client(ADA).get("/api/generate/drafts").json()["creations"][0]

    assert view["creationId"] == draft.creation_id
    assert view["createdAt"] == "2026-11-21T12:00:00.000Z"
    assert Status(view["status"]) is Status.DRAFT
