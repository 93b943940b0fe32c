"""Keeping and scheduling over HTTP."""

from datetime import timedelta
from typing import Any

import pytest

from shared.domain.schedule import ACCEPTED_PUBLISH_AT
from shared.domain.status import Status
from tests.api.conftest import Api
from tests.support.builders import ADA, BEN, a_creation_id


def in_(api: Api, ahead: timedelta) -> str:
    return (api.world.clock.now() + ahead).isoformat()


def test_kept_draft_has_no_expiry_until_it_is_no_longer_kept(api: Api) -> None:
    draft = api.world.draft()
    client, address = api.client(ADA), f"/api/generate/creation/{draft.creation_id}"
    before = client.get(address).json()["creation"]

    kept = client.put(f"{address}/keep").json()["creation"]
    again = client.delete(f"{address}/keep").json()["creation"]

    assert (before["isKept"], before["expiresAt"]) == (False, "2026-12-21T12:00:00.000Z")
    assert (kept["isKept"], kept["expiresAt"]) == (True, None)
    assert (again["isKept"], again["expiresAt"]) == (False, "2026-12-21T12:00:00.000Z")


def test_scheduled_draft_stays_a_draft_until_its_time(api: Api) -> None:
    draft = api.world.draft()
    client, address = api.client(ADA), f"/api/generate/creation/{draft.creation_id}"
    body = {"publishAt": "2026-11-21T15:00:00.250+01:00", "caption": " Later "}

    answer = client.post(f"{address}/publish", json=body)
    api.world.clock.sleep(2 * 3600 + 1)
    api.service().post("/internal/cleanup").raise_for_status()

    view = answer.json()["creation"]
    assert (answer.status_code, view["status"], view["caption"]) == (202, "draft", "Later")
    assert (view["publishAt"], view["expiresAt"]) == ("2026-11-21T14:00:00.250Z", None)
    [shown] = client.get("/api/feed").json()["creations"]
    assert (shown["creationId"], shown["caption"]) == (draft.creation_id, "Later")


def test_withdrawn_schedule_is_gone_and_withdrawing_again_changes_nothing(api: Api) -> None:
    draft = api.world.draft()
    client, address = api.client(ADA), f"/api/generate/creation/{draft.creation_id}"
    client.post(f"{address}/publish", json={"publish_at": in_(api, timedelta(hours=1))})
    assert api.world.now(draft).schedule is not None

    answers = [client.delete(f"{address}/schedule") for _ in range(2)]

    assert [each.status_code for each in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["creation"]["publishAt"] is None
    assert api.world.now(draft).expires_at is not None


@pytest.mark.parametrize(
    "publish_at",
    [
        *("", "soon", "2026-11-22", "2026-11-22T12:00:00", "2026-11-21T12:00:59Z"),
        *("2027-02-19T12:00:01Z", "2020-01-01T00:00:00Z", 1795262400, True, ["x"], {}),
    ],
)
def test_wrong_time_is_400_and_schedules_nothing(api: Api, publish_at: Any) -> None:
    draft = api.world.draft()

    answer = api.client(ADA).post(
        f"/api/generate/creation/{draft.creation_id}/publish", json={"publishAt": publish_at}
    )

    assert (answer.status_code, answer.json()["field"]) == (400, "publishAt")
    assert answer.json()["errors"][0]["reason"] == ACCEPTED_PUBLISH_AT
    assert not publish_at or str(publish_at) not in answer.text
    assert api.world.now(draft) == draft


def test_every_wrong_field_of_a_schedule_is_named(api: Api) -> None:
    draft = api.world.draft()
    body = {"publishAt": "soon", "caption": "x" * 501}

    answer = api.client(ADA).post(f"/api/generate/creation/{draft.creation_id}/publish", json=body)

    assert [each["field"] for each in answer.json()["errors"]] == ["caption", "publishAt"]


def test_null_time_publishes_now(api: Api) -> None:
    draft = api.world.draft()

    answer = api.client(ADA).post(
        f"/api/generate/creation/{draft.creation_id}/publish", json={"publishAt": None}
    )

    assert (answer.status_code, answer.json()["creation"]["status"]) == (200, "published")


@pytest.mark.parametrize("status", [each for each in Status if each is not Status.DRAFT])
def test_only_a_draft_can_be_scheduled(api: Api, status: Status) -> None:
    creation = api.world.creation_that_is(status)
    body = {"publishAt": in_(api, timedelta(hours=1))}

    answer = api.client(ADA).post(f"/api/generate/video/{creation.creation_id}/publish", json=body)

    assert (answer.status_code, answer.json()["status"]) == (409, status)
    assert api.world.now(creation) == creation


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(seconds=1)])
def test_draft_of_another_user_cannot_be_scheduled(api: Api, ahead: timedelta) -> None:
    theirs, body = api.world.draft(user=BEN), {"publishAt": in_(api, ahead)}
    ada = api.client(ADA)

    foreign, unknown = (
        ada.post(f"/api/generate/creation/{each}/publish", json=body)
        for each in (theirs.creation_id, a_creation_id("nobody's"))
    )

    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.content == unknown.content
    assert api.world.now(theirs) == theirs
