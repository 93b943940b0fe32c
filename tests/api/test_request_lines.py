"""What is logged of a request, and how it is found by what its client was answered."""

import io
import json
from typing import Any, cast

from shared.ports.store import Store
from tests.api.conftest import Api
from tests.eventually import eventually

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def lines(stream: io.StringIO, message: str) -> list[dict[str, Any]]:
    every = (json.loads(line) for line in stream.getvalue().splitlines())
    return [line for line in every if line["message"] == message]


def test_a_request_is_found_by_the_id_that_its_client_was_answered(
    api: Api, log_stream: io.StringIO
) -> None:
    answer = api.client("ada").post(
        "/api/generate/creation",
        json={"type": "image", "prompt": "a fox"},
        headers={"traceparent": TRACE},
    )
    [request] = eventually(lambda: lines(log_stream, "request"))
    [opened] = lines(log_stream, "creation_opened")

    assert request["request_id"] == opened["request_id"] == answer.headers["X-Request-Id"]
    assert request["traceparent"] == opened["traceparent"] == TRACE
    assert opened["creation_id"] == answer.json()["creationId"]
    assert request["httpRequest"]["status"] == 202
    assert request["httpRequest"]["requestUrl"] == "/api/generate/creation"
    assert "a fox" not in log_stream.getvalue()


def test_a_surprise_is_one_line_with_its_stack_and_the_clients_request_id(
    api: Api, log_stream: io.StringIO
) -> None:
    api.world.store.store = cast("Store", object())
    answer = api.client("ada").get("/api/me")
    api.world.store.store = api.world.sqlite
    [surprise] = lines(log_stream, "unexpected")

    assert answer.status_code == 500
    assert surprise["severity"] == "ERROR"
    assert surprise["request_id"] == answer.headers["X-Request-Id"]
    assert "AttributeError" in surprise["stack_trace"]
