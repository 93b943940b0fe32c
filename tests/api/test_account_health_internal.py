import threading
import time
from typing import Any, cast

import httpx
import pytest

from api_service.responses import SweepView
from shared.domain.errors import QueueUnavailable
from shared.domain.kind import Kind
from shared.ports.store import Store
from tests.api.conftest import Api
from tests.support.builders import ADA

PROBLEM = {"type", "title", "status", "code", "detail", "success", "error"}


def test_me_returns_the_callers_account(api: Api) -> None:
    client = api.client(ADA)
    client.post("/api/generate/creation", json={"type": "video", "prompt": "x"})

    assert client.get("/api/me").json() == {
        "userId": "ada",
        "username": "ada",
        "tokenBalance": 90,
        "totalTokensSpent": 10,
        "inFlight": {"image": 0, "video": 1},
        "costs": {"image": 1, "video": 10},
    }


@pytest.mark.parametrize(
    "path", ["/api/me", "/api/me/creations", "/api/generate/drafts", "/api/generate/creation/x"]
)
def test_first_request_of_any_kind_creates_the_account(api: Api, path: str) -> None:
    api.client(ADA).get(path)

    assert api.world.account().balance_tokens == 100


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Basic YWRhOg==", "Bearer x.y.z", "Bearer " + "a" * 6000],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/me"),
        ("GET", "/api/generate/drafts"),
        ("GET", "/api/generate/creation/x"),
        ("GET", "/api/generate/video/x"),
        ("POST", "/api/generate/creation"),
        ("POST", "/api/generate/video"),
        ("POST", "/api/image/generate"),
        ("POST", "/internal/cleanup"),
        ("POST", "/internal/tokens/grant"),
    ],
)
def test_missing_or_bad_token_is_401(
    api: Api, method: str, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}

    answer = api.client().request(method, path, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/internal/cleanup", "/internal/tokens/grant"])
def test_user_cannot_call_internal_routes(api: Api, path: str) -> None:
    answer = api.client(ADA).post(path, json={})

    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_service_account")


def test_service_cannot_act_as_a_user(api: Api) -> None:
    assert api.service().get("/api/me").status_code == 401


def test_sweep_returns_its_counts(api: Api) -> None:
    api.client(ADA).post("/api/generate/creation", json={"type": "video", "prompt": "x"})
    api.world.clock.sleep(900)

    answer = api.service().post("/internal/cleanup")

    assert answer.json() == dict.fromkeys(SweepView.model_fields, 0) | {"refunded": 1}
    assert api.world.account().balance_tokens == 100


def grant(client: httpx.Client, **changes: Any) -> httpx.Response:
    body = {"userId": "ada", "amount": 50, "reference": "order 1"} | changes
    return client.post("/internal/tokens/grant", json=body)


def test_grant_with_the_same_reference_is_applied_once(api: Api) -> None:
    api.client(ADA).get("/api/me")
    first, again = grant(api.service()), grant(api.service())

    assert (first.status_code, first.json()["balanceAfter"]) == (200, 150)
    assert first.json() == again.json()
    assert first.json()["type"] == "grant"
    assert grant(api.service(), amount=51).status_code == 409
    assert grant(api.service(), userId="nobody", reference="r2").status_code == 404
    assert grant(api.service(), amount=0, reference="r3").json()["field"] == "amount"
    assert grant(api.service(), amount="5", reference="r3").json()["field"] == "amount"
    assert grant(api.service(), extra=1).json()["field"] == "extra"
    assert api.world.account().balance_tokens == 150


def test_health_is_ok(api: Api) -> None:
    answer = api.client().get("/api/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_readiness_names_each_part(api: Api) -> None:
    ready = api.client().get("/api/health/ready")

    assert ready.status_code == 200
    assert {name: part["ok"] for name, part in ready.json().items() if name != "status"} == {
        "store": True,
        "queue": True,
        "media": True,
    }


def test_readiness_without_a_queue_is_503_and_cached_for_ten_seconds(api: Api) -> None:
    api.world.queue.is_down = True
    client = api.client()
    down = client.get("/api/health/ready")
    api.world.queue.is_down = False
    api.world.clock.sleep(9)
    kept = client.get("/api/health/ready")
    api.world.clock.sleep(1)
    up = client.get("/api/health/ready")

    assert [answer.status_code for answer in (down, kept, up)] == [503, 503, 200]
    assert down.json()["queue"]["ok"] is False
    assert down.json()["store"]["ok"] is True


@pytest.mark.parametrize("kind", Kind)
def test_readiness_needs_the_queues_of_both_kinds(
    api: Api, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    def waits(_: object, *, kind: Kind, number: int) -> bool:
        if kind is missing:
            raise QueueUnavailable(reason=f"no queue number {number}")
        return False

    missing = kind
    monkeypatch.setattr(api.world.queue, "waits", waits)
    answer = api.client().get("/api/health/ready")

    assert (answer.status_code, answer.json()["queue"]["ok"]) == (503, False)


def test_slow_readiness_check_is_cached_from_its_end(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def slow(key: object) -> None:
        asked.append(key)
        api.world.clock.sleep(11)

    monkeypatch.setattr(api.world.store, "get", slow)
    client = api.client()
    for _ in range(2):
        client.get("/api/health/ready")
    api.world.clock.sleep(9)
    client.get("/api/health/ready")

    assert len(asked) == 1


def test_readiness_does_not_wait_for_a_running_check(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, go_on = threading.Event(), threading.Event()

    def hang(_: object) -> None:
        hangs.set()
        assert go_on.wait(20)

    def hanging() -> threading.Thread:
        hangs.clear()
        go_on.clear()
        asking = threading.Thread(target=api.client().get, args=("/api/health/ready",))
        asking.start()
        assert hangs.wait(20)
        return asking

    monkeypatch.setattr(api.world.store, "get", hang)
    client, answers = api.client(), []
    client.timeout = httpx.Timeout(5)
    for _ in range(2):
        asking = hanging()
        answers.append(client.get("/api/health/ready"))
        go_on.set()
        asking.join()
        api.world.clock.sleep(10)

    unknown, last = answers
    nothing = {"store": None, "queue": None, "media": None}
    assert (unknown.status_code, unknown.json()) == (503, {"status": "unknown", **nothing})
    assert (last.status_code, last.json()["status"]) == (200, "ok")


def test_local_sign_in_needs_only_a_name(api: Api) -> None:
    answer = api.client().post("/api/local/sign-in", json={"username": "grace"})
    token = answer.json()["token"]

    me = api.client().get("/api/me", headers={"Authorization": f"bearer {token}"})
    assert me.json()["username"] == "grace"


@pytest.mark.parametrize("username", ["", "ab", "Ada", "api", "a" * 25, "../x", 7, None])
def test_unusable_username_is_400(api: Api, username: Any) -> None:
    answer = api.client().post("/api/local/sign-in", json={"username": username})

    assert (answer.status_code, answer.json()["field"]) == (400, "username")


# Headers of every response


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nope", 404), ("DELETE", "/api/me", 405), ("GET", "/api/me/", 404)],
)
def test_unknown_address_is_a_problem(api: Api, method: str, path: str, status: int) -> None:
    answer = api.client(ADA).request(method, path)

    assert answer.status_code == answer.json()["status"] == status
    assert set(answer.json()) == PROBLEM


def test_every_response_has_a_request_id_and_security_headers(api: Api) -> None:
    client = api.client(ADA)
    answers = [client.get("/api/me"), client.get("/nope"), client.post("/api/generate/video")]

    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 3
    assert all(answer.headers["x-content-type-options"] == "nosniff" for answer in answers)
    assert all(answer.headers["x-frame-options"] == "DENY" for answer in answers)


def test_unexpected_error_is_500_without_detail(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    client = api.client(ADA)
    client.get("/api/me")

    def bug(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(api.world.store, "transact", bug)
    answer = client.post("/api/generate/creation", json={"type": "image", "prompt": "x"})

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert set(answer.json()) == PROBLEM
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/me", "GET"),
        ("/api/generate/creation", "POST"),
        (f"/api/generate/creation/{'a' * 26}", "DELETE, GET"),
        ("/internal/cleanup", "POST"),
        ("/api/local/sign-in", "POST"),
        ("/create", "GET, HEAD"),
    ],
)
def test_wrong_method_is_405_with_the_allowed_methods(api: Api, path: str, allowed: str) -> None:
    answer = api.client().put(path)

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_other_host_is_refused_in_local_mode(api: Api) -> None:
    answers = [
        api.client().get("/api/health", headers={"Host": host})
        for host in ("evil.example", "127.0.0.1:9", "localhost")
    ]

    assert [answer.status_code for answer in answers] == [400, 200, 200]
    assert answers[0].headers["content-type"] == "application/problem+json"
    assert set(answers[0].json()) == PROBLEM | {"field"}
    assert answers[0].json()["field"] == "Host"


def test_only_listed_origins_may_call(new_api: Any) -> None:
    api = new_api(PHOENIX_CORS_ORIGINS="https://app.example, https://www.app.example")
    client = api.client()

    def preflight(origin: str, method: str = "POST") -> httpx.Response:
        return client.options(
            "/api/generate/creation",
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": method,
                "Access-Control-Request-Headers": "authorization, idempotency-key, x-firebase-appcheck",
            },
        )

    good, bad, put, patch = (
        preflight("https://app.example"),
        preflight("https://evil.example"),
        preflight("https://app.example", "PUT"),
        preflight("https://app.example", "PATCH"),
    )
    got = client.get("/api/health", headers={"Origin": "https://app.example"})
    api.world.store.store = cast("Store", object())
    bug = api.client(ADA).get("/api/me", headers={"Origin": "https://app.example"})
    api.world.store.store = api.world.sqlite

    assert good.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-credentials" not in good.headers
    assert (put.status_code, bad.status_code, patch.status_code) == (200, 400, 400)
    assert "access-control-allow-origin" not in bad.headers
    assert "X-Request-Id" in got.headers["access-control-expose-headers"]
    assert (bug.status_code, bug.json()["code"]) == (500, "internal")
    assert bug.headers["access-control-allow-origin"] == "https://app.example"
    assert bug.headers["x-request-id"]


def test_no_origin_may_call_when_none_is_listed(api: Api) -> None:
    answer = api.client().get("/api/health", headers={"Origin": "https://app.example"})

    assert "access-control-allow-origin" not in answer.headers


def test_description_lists_every_error_with_an_example(api: Api) -> None:
    described = api.client().get("/openapi.json").json()

    opening = described["paths"]["/api/generate/creation"]["post"]["responses"]
    assert {*["202", "400", "401", "402", "403", "410", "413", "415", "422", "429", "503"]} <= set(
        opening
    )
    problems = opening["503"]["content"]["application/problem+json"]["examples"]
    assert {"queue_unavailable", "store_unavailable", "outcome_unknown"} <= set(problems)
    assert problems["queue_unavailable"]["value"]["refunded"] is True
    assert set(described["paths"]) == {
        "/api/generate/creation",
        "/api/generate/video",
        "/api/image/generate",
        "/api/generate/drafts",
        "/api/generate/events",
        "/api/generate/creation/{creation_id}",
        "/api/generate/video/{creation_id}",
        *(
            f"/api/generate/{address}/{{creation_id}}/{action}"
            for address in ("creation", "video")
            for action in (
                *("publish", "unpublish", "retry", "cancel", "like", "keep", "schedule"),
                *("share", "collaborators/{username}", "download"),
            )
        ),
        "/api/generate/shared",
        "/api/shared/{creation_id}/{secret}",
        "/api/profiles/{username}/{creation_id}",
        "/api/generate/drafts/bulk",
        "/api/generate/drafts/zip",
        "/api/downloads/{secret}",
        "/api/feed",
        "/api/profiles/{username}",
        "/api/me",
        "/api/me/transactions",
        "/api/me/likes",
        "/api/me/creations",
        "/api/health",
        "/api/health/ready",
        "/api/web-config",
        "/api/local/sign-in",
        "/internal/cleanup",
        "/internal/tokens/grant",
        *(
            f"/api/admin/{path}"
            for path in (
                *("stats", "acts", "grants", "replay", "replay/preview", "sweep"),
                "switches/{kind}",
                *("accounts/{who}", "accounts/{user_id}/creations", "accounts/{user_id}/ledger"),
                *("creations/{creation_id}", "creations/{creation_id}/delete"),
                "creations/{creation_id}/unpublish",
            )
        ),
    }


def test_health_does_not_wait_for_a_hanging_store(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(api.world.store, "get", lambda _: go_on.wait(20))
    slow = threading.Thread(target=api.client().get, args=("/api/health/ready",))
    slow.start()

    began_s = time.monotonic()
    answer = api.client().get("/api/health")

    assert answer.status_code == 200
    assert time.monotonic() - began_s < 10
    go_on.set()
    slow.join()
