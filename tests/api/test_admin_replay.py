"""The operators' replay: what it refuses, looks at, skips and continues with; and its preview."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from tests.api.conftest import Api
from tests.api.test_admin import acts, admin_api, failed, operator
from tests.support.builders import BEN, NOON, POLICY, seconds

__all__ = ["admin_api"]

REPLAY, PREVIEW = "/api/admin/replay", "/api/admin/replay/preview"
BODY: dict[str, Any] = {"code": "internal", "since": 60}
REQUESTS_MAX = 10
"""More than any list of these tests needs."""


def forged(**changes: str) -> str:
    time = NOON.isoformat()
    content = {"code": "internal", "since": time, "until": time, **changes}
    return urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def failed_and_blocked(api: Api) -> list[Creation]:
    """Two failures whose owner has too many unfinished creations."""
    failures = [failed(api, user=BEN) for _ in range(2)]
    for number in range(POLICY.videos_in_flight_max):
        api.world.open(user=BEN, key=f"{number}")
    return failures


def every_result(api: Api, body: dict[str, Any], *, pause_s: float = 0) -> list[dict[str, Any]]:
    """Replay to the end of the list, and return the results in order."""
    client, results, cursor = operator(api), list[dict[str, Any]](), None
    for _ in range(REQUESTS_MAX):
        answer = client.post(REPLAY, json=body | {"cursor": cursor}).json()
        results += answer["results"]
        cursor = answer["nextCursor"]
        if cursor is None:
            return results
        api.world.clock.sleep(pause_s)
    raise AssertionError("the list does not end")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": "outage"}, "code"),
        ({"since": "2h"}, "since"),
        ({"since": "2026-02-30T00:00:00Z"}, "since"),
        ({"since": "2026-11-21T12:00:00"}, "since"),
        ({"since": 0}, "since"),
        ({"since": None}, "since"),
        ({"type": "sound"}, "type"),
        ({"limit": 101}, "limit"),
        ({"grant": 1}, "grant"),
        ({"cursor": 1}, "cursor"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": forged(code="worker_lost")}, "cursor"),
        ({"cursor": forged(since="0001-01-01T00:00:00+14:00")}, "cursor"),
        ({"cursor": forged(until="2026-11-21T12:00:00")}, "cursor"),
        ({"cursor": forged(failed_at=NOON.isoformat(), creation_id="a/b")}, "cursor"),
    ],
)
def test_wrong_replay_is_refused(admin_api: Api, changes: dict[str, Any], field: str) -> None:
    body = BODY | changes

    answer = operator(admin_api).post(REPLAY, json=body)

    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert acts(admin_api) == []


@pytest.mark.parametrize("since", [60, "2026-11-21T12:59:59.5+01:00", "2026-11-21t11:59:59z"])
def test_failures_are_replayed_with_their_results(admin_api: Api, since: object) -> None:
    api = admin_api
    first, poor = failed(api), failed(api, user=BEN)
    poor_account = api.world.account(BEN)
    for number in range(poor_account.balance_tokens // 10 - 5):
        api.world.open(user=BEN, key=f"{number}")
    client = operator(api)
    body = BODY | {"since": since}

    answer = client.post(REPLAY, json=body).json()
    again = client.post(REPLAY, json=body).json()

    results = {each["creationId"]: each for each in answer["results"]}
    assert results[first.creation_id]["outcome"] == "replayed"
    skipped = results[poor.creation_id]
    assert (skipped["outcome"], skipped["code"]) == ("skipped", "too_many_unfinished")
    assert skipped["reason"]
    assert [each["creationId"] for each in again["results"]] == [poor.creation_id]
    assert api.world.now(first).run_number == 2
    assert answer["nextCursor"] is None
    assert api.world.violations() == []


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("apart_s", [0, 0.0001, 1])
def test_failures_that_are_skipped_hide_no_later_one(
    admin_api: Api, limit: int, apart_s: float
) -> None:
    api = admin_api
    failures = failed_and_blocked(api)
    for _ in range(2):
        api.world.clock.sleep(apart_s)
        failures.append(failed(api))

    results = every_result(api, BODY | {"limit": limit, "grant": True})

    outcomes = {each["creationId"]: each["outcome"] for each in results}
    assert len(results) == len(failures)
    assert [outcomes[each.creation_id] for each in failures] == ["skipped"] * 2 + ["replayed"] * 2
    assert api.world.violations() == []


def test_list_keeps_its_window_however_long_its_requests_take(admin_api: Api) -> None:
    api = admin_api
    failures = {failed(api).creation_id for _ in range(3)}

    results = every_result(api, BODY | {"limit": 1}, pause_s=BODY["since"])

    assert {each["creationId"] for each in results} == failures
    assert {each.reason for each in acts(api)} == {
        f"internal since {NOON - seconds(60):%FT%T+00:00}"
    }


def test_list_ends_although_each_of_its_failures_fails_again(admin_api: Api) -> None:
    api = admin_api
    failures = [failed(api, code=FailureCode.QUEUE_UNAVAILABLE) for _ in range(2)]
    api.world.clock.sleep(1)
    api.world.queue.is_down = True
    api.world.store.afterwards = lambda: api.world.clock.sleep(0.1)

    results = every_result(api, BODY | {"code": "queue_unavailable", "limit": 1})

    assert [each["code"] for each in results] == ["queue_unavailable"] * 2
    assert {api.world.now(each).run_number for each in failures} == {2}
    assert api.world.violations() == []


def test_preview_counts_by_kind_and_changes_nothing(admin_api: Api) -> None:
    api = admin_api
    failed(api)
    failed(api, code=FailureCode.WORKER_LOST)
    image = api.world.claim(api.world.open(kind=Kind.IMAGE).creation, kind=Kind.IMAGE)
    api.world.phoenix.failing.fail_attempt(image, FailureCode.INTERNAL, start_failed=False)
    before, client = [*api.world.sqlite.everything()], operator(api)

    both = client.post(PREVIEW, json=BODY).json()
    videos = client.post(PREVIEW, json=BODY | {"type": "video"}).json()

    assert (both["count"], both["cost"], both["isComplete"]) == (2, 11, True)
    assert both["countByType"] == {"image": 1, "video": 1}
    assert (videos["cost"], videos["countByType"]) == (10, {"image": 0, "video": 1})
    assert [*api.world.sqlite.everything()] == before


@pytest.mark.parametrize("field", ["grant", "limit", "cursor"])
def test_preview_takes_no_field_that_only_a_replay_needs(admin_api: Api, field: str) -> None:
    answer = operator(admin_api).post(PREVIEW, json=BODY | {field: None})

    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_preview_of_more_failures_than_it_counts_is_not_complete(
    admin_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api_service.routes.replay.PREVIEW_MAX", 2)
    client = operator(admin_api)
    for _ in range(2):
        failed(admin_api)

    exact = client.post(PREVIEW, json=BODY).json()
    failed(admin_api)
    more = client.post(PREVIEW, json=BODY).json()

    assert [(each["count"], each["isComplete"]) for each in (exact, more)] == [
        (2, True),
        (2, False),
    ]


def test_replay_of_a_preview_looks_at_the_failures_that_it_counted(admin_api: Api) -> None:
    api = admin_api
    counted = [failed(api) for _ in range(2)]
    preview = operator(api).post(PREVIEW, json=BODY).json()
    api.world.clock.sleep(BODY["since"])
    later = failed(api)

    answer = operator(api).post(REPLAY, json=BODY | {"cursor": preview["cursor"]}).json()

    assert {each["creationId"] for each in answer["results"]} == {
        each.creation_id for each in counted
    }
    assert answer["nextCursor"] is None
    assert api.world.now(later).run_number == 1


def test_description_says_how_a_replay_continues(admin_api: Api) -> None:
    description = operator(admin_api).get("/openapi.json").json()
    operation = description["paths"][REPLAY]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
    view = description["components"]["schemas"]["ReplayView"]

    assert "nextCursor" in body["cursor"]["description"]
    assert "nextCursor" in view["required"]
    assert "`nextCursor`" in operation["description"]
