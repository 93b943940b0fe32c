"""The access log, and how to find a request by its response's id."""

import io
import json
import socket
from typing import Any, cast

import pytest

from shared.ports.store import Store
from tests.api.conftest import Api
from tests.support.eventually import eventually

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def lines(stream: io.StringIO, message: str) -> list[dict[str, Any]]:
    every = (json.loads(line) for line in stream.getvalue().splitlines())
    return [line for line in every if line["message"] == message]


def test_request_is_logged_with_the_request_id_of_its_response(
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


def test_access_log_has_no_words_of_a_search(api: Api, log_stream: io.StringIO) -> None:
    api.client("ada").get("/api/me/creations?q=secretfox")
    api.client("ada").get("/api/me/creations?q=secretfox&limit=0")
    requests = eventually(lambda: lines(log_stream, "request")[1:] and lines(log_stream, "request"))

    urls = [each["httpRequest"]["requestUrl"] for each in requests]
    assert urls == ["/api/me/creations"] * 2
    assert "secretfox" not in json.dumps(requests)


def test_unexpected_error_is_one_log_line_with_stack_and_request_id(
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


def test_access_log_names_the_user_and_no_token(api: Api, log_stream: io.StringIO) -> None:
    api.client("ada").get("/api/me")
    api.client("ada").get(f"/api/generate/creation/{'a' * 26}")
    api.client().get("/api/me", headers={"Authorization": "Bearer forged.forged.forged"})
    api.client().get("/api/feed")
    requests = eventually(lambda: lines(log_stream, "request")[3:]) and lines(log_stream, "request")

    assert [line.get("user_id") for line in requests] == ["ada", "ada", None, None]
    assert "Bearer" not in log_stream.getvalue()
    assert "forged" not in log_stream.getvalue()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /api/generate/creation HTTP/1.1\r\nContent-Length: 100\r\n",
        b"POST /api/generate/creation HTTP/1.1\r\nTransfer-Encoding: chunked\r\n",
        b"POST /api/local/sign-in HTTP/1.1\r\nContent-Length: 100\r\n",
        b"GET /api/generate/events HTTP/1.1\r\n",
        b"GET /api/generate/events HTTP/1.1\r\nContent-Length: 100\r\n",
        b"GET /api/feed HTTP/1.1\r\n",
    ],
)
def test_client_that_disconnects_is_no_error(
    api: Api, log_stream: io.StringIO, request_bytes: bytes
) -> None:
    host, port = api.base_url.removeprefix("http://").split(":")
    token = api.world.identity.sign_in("ada")
    head = f"Host: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(request_bytes + head.encode() + b"\r\n")
        if b"events" in request_bytes:
            assert b"200 OK" in connection.recv(4096)

    [line] = eventually(lambda: lines(log_stream, "request"))
    every = [json.loads(each) for each in log_stream.getvalue().splitlines()]
    assert {each["severity"] for each in every} <= {"INFO"}
    assert line["httpRequest"]["status"] in (200, 499)


def test_secret_of_a_download_link_is_in_no_log_line(api: Api, log_stream: io.StringIO) -> None:
    draft = api.world.draft()
    body = {"creationIds": [draft.creation_id]}
    link = api.client("ada").post("/api/generate/drafts/zip", json=body).json()["downloadUrl"]
    secret = link.rpartition("/")[2]
    assert api.client().get(f"/api/downloads/{secret}").status_code == 200
    requests = eventually(lambda: lines(log_stream, "request")[1:])

    assert requests[0]["httpRequest"]["requestUrl"] == "/api/downloads/*"
    own = [line for line in log_stream.getvalue().splitlines() if '"httpx"' not in line]
    assert not [line for line in own if secret in line]


@pytest.mark.parametrize("path", ["/Shared/id/secret", "/API/Downloads/secret"])
def test_secret_is_not_logged_from_an_address_in_another_case(
    api: Api, log_stream: io.StringIO, path: str
) -> None:
    assert api.client().get(path).status_code == 404
    [request] = eventually(lambda: lines(log_stream, "request"))

    assert "secret" not in request["httpRequest"]["requestUrl"]
