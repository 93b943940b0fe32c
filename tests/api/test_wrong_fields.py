"""One response names every wrong field of a request, and what is accepted instead."""

from typing import Any

import httpx
import pytest

from tests.api.conftest import Api
from tests.support.builders import ADA

RATIOS = "use one of 1:1, 3:4, 4:3, 9:16, 16:9"
VIDEO_RATIOS = "use one of 16:9, 9:16"
KINDS = "use image or video"
DURATIONS = "use 4, 6 or 8 seconds"
ORIENTATIONS = "use landscape or portrait"


def wrong(api: Api, body: dict[str, Any], path: str = "/api/generate/creation") -> list[list[str]]:
    answer = api.client(ADA).post(path, json=body)
    problem = answer.json()
    errors = [[each["field"], each["reason"]] for each in problem["errors"]]

    assert (answer.status_code, problem["code"]) == (400, "invalid_field")
    assert problem["field"] == errors[0][0]
    assert problem["error"] == f"{errors[0][0]}: {errors[0][1]}."
    return errors


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"type": "gif", "prompt": "x"}, [["type", KINDS]]),
        ({"type": 1, "prompt": "x"}, [["type", KINDS]]),
        ({"prompt": "x"}, [["type", KINDS]]),
        ({"type": None, "prompt": " "}, [["type", KINDS], ["prompt", "it is blank"]]),
        ({}, [["prompt", "it is missing"], ["type", KINDS]]),
        ({"type": "image", "prompt": 7}, [["prompt", "use a string"]]),
        ({"type": "image", "prompt": "x", "aspectRatio": 1}, [["aspectRatio", RATIOS]]),
        ({"type": "video", "prompt": "x", "aspectRatio": "1:1"}, [["aspectRatio", VIDEO_RATIOS]]),
        ({"type": "video", "prompt": "x", "duration": "8"}, [["duration", DURATIONS]]),
        ({"type": "video", "prompt": "x", "duration": 5.5}, [["duration", DURATIONS]]),
        ({"type": "video", "prompt": "x", "duration": 5}, [["duration", DURATIONS]]),
        ({"type": "video", "prompt": "x", "orientation": ["x"]}, [["orientation", ORIENTATIONS]]),
        (
            {"type": "video", "prompt": " ", "aspectRatio": "2:1", "duration": "x", "seed": 1},
            [
                ["duration", DURATIONS],
                ["seed", "it is unknown"],
                ["prompt", "it is blank"],
                ["aspectRatio", VIDEO_RATIOS],
            ],
        ),
        (
            {
                "type": "image",
                "prompt": "x",
                "orientation": "up",
                "duration": 4,
                "aspectRatio": "x",
            },
            [
                ["aspectRatio", RATIOS],
                ["orientation", "an image has none"],
                ["duration", "an image has none"],
            ],
        ),
        (
            {"type": "gif", "prompt": "", "a b": 1, "c d": 2, "snake_case": 3},
            [
                ["type", KINDS],
                ["a field", "it is unknown"],
                ["snake_case", "it is unknown"],
                ["prompt", "it is blank"],
            ],
        ),
    ],
)
def test_every_wrong_field_of_a_body_is_named(
    api: Api, body: dict[str, Any], errors: list[list[str]]
) -> None:
    assert wrong(api, body) == errors


def test_wrong_type_at_an_address_of_one_kind_names_the_kind(api: Api) -> None:
    assert wrong(api, {"type": "image", "prompt": ""}, "/api/generate/video") == [
        ["type", "this address creates videos only"],
        ["prompt", "it is blank"],
    ]
    assert wrong(api, {"prompt": "x", "aspectRatio": "2:1"}, "/api/image/generate") == [
        ["aspectRatio", RATIOS]
    ]


def test_response_names_at_most_ten_fields_and_no_value(api: Api) -> None:
    body = {f"field_{letter}": "secret" for letter in "abcdefghijklmnop"}
    errors = wrong(api, {"type": "secret", "prompt": "", **body})

    assert len(errors) == 10
    assert "secret" not in str(errors)


def test_every_wrong_parameter_of_a_list_is_named(api: Api) -> None:
    answer = api.client(ADA).get("/api/generate/drafts?limit=99&status=done&type=gif")
    paged = api.client(ADA).get("/api/me/transactions?limit=0&cursor=x")

    assert answer.json()["errors"] == [
        {"field": "status", "reason": "use one of pending, processing, draft, failed"},
        {"field": "type", "reason": KINDS},
        {"field": "limit", "reason": "use 1 to 50"},
    ]
    assert paged.json()["errors"] == [
        {"field": "cursor", "reason": "use a nextCursor of this list"},
        {"field": "limit", "reason": "use 1 to 50"},
    ]


def test_pasted_text_is_stored_normalised_and_replayed(api: Api) -> None:
    client, key = api.client(ADA), {"Idempotency-Key": "pasted"}
    pasted, kept = "a fox\r\n\u2067in the snow\u2069\r\n", "a fox\nin the snow"
    opened, replayed = (
        client.post("/api/image/generate", json={"prompt": prompt}, headers=key)
        for prompt in (pasted, kept)
    )
    shown = client.get(opened.headers["Location"]).json()["creation"]

    assert (opened.status_code, replayed.status_code) == (202, 202)
    assert opened.json()["creationId"] == replayed.json()["creationId"]
    assert shown["prompt"] == kept


def named(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 400
    return [each["field"] for each in answer.json()["errors"]]


def test_every_wrong_field_of_a_publication_is_named(api: Api) -> None:
    draft = api.world.draft()
    body = {"caption": "x" * 501, "seed": 1}
    answer = api.client(ADA).post(f"/api/generate/creation/{draft.creation_id}/publish", json=body)

    assert named(answer) == ["seed", "caption"]


def test_every_wrong_field_of_a_sign_in_is_named(api: Api) -> None:
    answer = api.client().post("/api/local/sign-in", json={"username": "A", "seed": 1})

    assert named(answer) == ["seed", "username"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"userId": ADA, "amount": 0, "reference": ""}, ["amount", "reference"]),
        ({"amount": 0, "reference": "r" * 201}, ["userId", "amount", "reference"]),
    ],
)
def test_every_wrong_field_of_a_grant_is_named(
    api: Api, body: dict[str, Any], fields: list[str]
) -> None:
    assert named(api.service().post("/internal/tokens/grant", json=body)) == fields
