"""Downloads of many files as one archive: links, contents, and what ends a stream."""

import io
import os
import re
import socket
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from fastapi import FastAPI

from api_service.archive import DownloadLimits, DownloadSlots
from api_service.dependencies import AppState
from shared.domain.creation import Creation
from shared.domain.keys import UserId
from shared.lifecycle.downloads import ARCHIVE_BYTES_MAX, LEFT_MAX, LINK_LIFE_S
from shared.ports.media_store import CHUNK_BYTES
from tests.api.conftest import Api, Server
from tests.support.builders import ADA, BEN, a_creation_id
from tests.support.documents import put
from tests.support.eventually import eventually
from tests.support.world import World

ZIP = "/api/generate/drafts/zip"
MIB = 1024 * 1024


def link_to(api: Api, *creations: Creation, user: str = ADA) -> str:
    """Return the path of a new link."""
    ids = [each.creation_id for each in creations]
    answer = api.client(user).post(ZIP, json={"creationIds": ids})
    assert answer.status_code == 200
    return urlsplit(answer.json()["downloadUrl"]).path


def archived(api: Api, path: str) -> dict[str, bytes]:
    """Return the files of an archive, after checking it."""
    answer = api.client().get(path)
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as opened:
        assert opened.testzip() is None
        assert {each.compress_type for each in opened.infolist()} == {zipfile.ZIP_STORED}
        return {name: opened.read(name) for name in opened.namelist()}


def draft(world: World, prompt: str, *, content: bytes = b"media", user: str = ADA) -> Creation:
    """Return a draft of this prompt with this file."""
    creation = replace(world.draft(user=user, key=prompt), prompt=prompt, size_bytes=len(content))
    put(world.sqlite, creation)
    world.files.path_of(creation.media_key or "").write_bytes(content)
    return creation


def resize(world: World, creations: list[Creation], size_bytes: int) -> None:
    """Give them files of this size, which need no room."""
    put(world.sqlite, *(replace(each, size_bytes=size_bytes) for each in creations))
    for creation in creations:
        os.truncate(world.files.path_of(creation.media_key or ""), size_bytes)


def large_file() -> bytes:
    """Return more than the buffers between the API and a client hold."""
    return bytes(24 * MIB)


def limit(server: Server, **limits: Any) -> DownloadSlots:
    """Give the application other limits, and return its slots."""
    app = cast("FastAPI", server.app)
    slots = DownloadSlots(replace(DownloadLimits(), **limits))
    app.state.app = replace(AppState.of(app), download_slots=slots)
    return slots


@contextmanager
def unread(api: Api, path: str) -> Iterator[socket.socket]:
    """Request a download, and read only the head of the response."""
    host, port = api.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert connection.recv(12) == b"HTTP/1.1 200"
        yield connection


def test_link_names_its_size_and_end_and_is_unguessable(api: Api) -> None:
    creations = [draft(api.world, each, content=bytes(size)) for each, size in (("a", 3), ("b", 4))]
    ids = [each.creation_id for each in creations]

    answer = api.client(ADA).post(ZIP, json={"creationIds": [*ids, ids[0]]})

    body = answer.json()
    assert body["sizeBytes"] == 7
    assert datetime.fromisoformat(body["expiresAt"]) == api.world.clock.now() + timedelta(
        seconds=LINK_LIFE_S
    )
    assert re.fullmatch(r"http://127.0.0.1:8080/api/downloads/[a-z2-7]{32}", body["downloadUrl"])
    assert answer.headers["cache-control"] == "no-store"


def test_archive_has_the_files_under_safe_names(api: Api) -> None:
    prompts = {
        "Waves at dawn": "waves-at-dawn",
        "../../etc/pass\\wd: a\tb_c": "etc-pass-wd-a-b-c",
        "नमस्ते 世界 Ça": "नमस्ते-世界-ça",
        "\u202e\U0001f98a!": "",
        "word " * 30: "word-word-word-word-word-word-word-word",
    }
    creations = {prompt: draft(api.world, prompt, content=prompt.encode()) for prompt in prompts}
    published = api.world.phoenix.publishing.publish(
        creations["Waves at dawn"].creation_id, owner=UserId(ADA)
    )

    files = archived(api, link_to(api, *creations.values()))

    day = f"{published.created_at:%Y-%m-%d}"
    assert files == {
        "_".join(filter(None, [day, slug, creations[prompt].creation_id])) + ".mp4": prompt.encode()
        for prompt, slug in prompts.items()
    }


def test_archive_is_streamed_and_not_cached(api: Api) -> None:
    answer = api.client().get(link_to(api, draft(api.world, "a")))

    headers = answer.headers
    assert headers["content-type"] == "application/zip"
    assert re.fullmatch(
        r'attachment; filename="phoenix_\d{4}-\d\d-\d\d\.zip"', headers["content-disposition"]
    )
    assert headers["cache-control"] == "private, no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["transfer-encoding"] == "chunked"
    assert "content-length" not in headers


def test_link_expires_after_ten_minutes_and_the_sweep_removes_it(api: Api) -> None:
    path = link_to(api, draft(api.world, "a"))
    unknown = [api.client().get(f"/api/downloads/{each}") for each in ("a" * 32, "x", "a%2Fb")]
    api.world.clock.sleep(LINK_LIFE_S - 1)
    assert api.client().get(path).status_code == 200
    api.world.clock.sleep(1)

    expired = api.client().get(path)

    assert (expired.status_code, expired.json()["code"]) == (404, "download_not_found")
    assert {each.content for each in unknown[:2]} == {expired.content}
    assert unknown[2].status_code == 404
    sweep = api.service().post("/internal/cleanup").json()
    assert (sweep["deleted"], sweep["errors"]) == (1, 0)
    assert api.service().post("/internal/cleanup").json()["deleted"] == 0


def test_link_that_the_sweep_has_left_for_two_hours_is_a_violation(api: Api) -> None:
    link_to(api, draft(api.world, "a"))
    api.world.clock.sleep(LINK_LIFE_S + LEFT_MAX.total_seconds() - 1)
    assert api.world.violations() == []
    api.world.clock.sleep(1)

    [violation] = api.world.violations()

    assert (violation.invariant, violation.document[:10]) == ("I15", "downloads/")
    api.service().post("/internal/cleanup")


def test_no_link_is_made_if_one_creation_is_not_the_callers(api: Api) -> None:
    mine, theirs = draft(api.world, "a"), draft(api.world, "b", user=BEN)
    client = api.client(ADA)
    answers = [
        client.post(ZIP, json={"creationIds": [mine.creation_id, each]})
        for each in (theirs.creation_id, a_creation_id("unknown"), "a/b", "")
    ]

    assert {each.status_code for each in answers} == {404}
    assert {each.content for each in answers} == {answers[0].content}
    assert answers[0].json()["code"] == "creation_not_found"
    signed_out = api.client().post(ZIP, json={"creationIds": [mine.creation_id]})
    assert signed_out.status_code == 401


def test_creation_without_a_file_has_no_download(api: Api) -> None:
    pending, failed = api.world.open(key="a").creation, api.world.failed(key="b")
    client = api.client(ADA)
    for creation in (pending, failed):
        answer = client.post(ZIP, json={"creationIds": [creation.creation_id]})

        assert (answer.status_code, answer.json()["code"]) == (409, "illegal_transition")
        assert answer.json()["status"] == creation.status


def test_more_than_a_gibibyte_is_refused_with_the_limit(api: Api) -> None:
    half = ARCHIVE_BYTES_MAX // 2
    creations = [api.world.draft(key=key) for key in "ab"]
    resize(api.world, creations, half)
    ids = [each.creation_id for each in creations]
    client = api.client(ADA)
    assert client.post(ZIP, json={"creationIds": ids}).json()["sizeBytes"] == ARCHIVE_BYTES_MAX
    resize(api.world, creations[:1], half + 1)

    answer = client.post(ZIP, json={"creationIds": ids})

    assert (answer.status_code, answer.json()["code"]) == (413, "archive_too_large")
    assert answer.json()["limitBytes"] == ARCHIVE_BYTES_MAX
    assert answer.json()["sizeBytes"] == ARCHIVE_BYTES_MAX + 1


@pytest.mark.parametrize("ids", [[], ["a"] * 51, "a", [1], None])
def test_wrong_list_of_ids_is_refused(api: Api, ids: object) -> None:
    answer = api.client(ADA).post(ZIP, json={"creationIds": ids})

    assert (answer.status_code, answer.json()["field"]) == (400, "creationIds")


def test_file_that_vanished_after_the_link_is_replaced_by_a_note(api: Api) -> None:
    kept, deleted, lost = (draft(api.world, each) for each in ("kept", "deleted", "lost"))
    path = link_to(api, deleted, kept, lost)
    api.client(ADA).delete(f"/api/generate/creation/{deleted.creation_id}")
    api.world.files.delete(lost.media_key or "")

    files = archived(api, path)

    day = f"{kept.created_at:%Y-%m-%d}"
    kept_name = f"{day}_kept_{kept.creation_id}.mp4"
    notes = {
        f"{deleted.creation_id}_missing.txt": deleted,
        f"{day}_lost_{lost.creation_id}_missing.txt": lost,
    }
    assert files.keys() == {kept_name, *notes}
    assert files[kept_name] == b"media"
    for name, creation in notes.items():
        assert creation.creation_id.encode() in files[name]
    api.world.store_files(lost)


def test_unavailable_media_store_is_a_503_before_the_stream_begins(api: Api) -> None:
    path = link_to(api, draft(api.world, "a"))
    api.world.media.is_down = True

    answer = api.client().get(path)

    assert (answer.status_code, answer.json()["code"]) == (503, "media_unavailable")


def test_stream_that_breaks_off_does_not_end_like_a_whole_archive(api: Api) -> None:
    path = link_to(api, draft(api.world, "a", content=bytes(4 * CHUNK_BYTES)))
    api.world.media.readable_bytes = 2 * CHUNK_BYTES

    with pytest.raises(httpx.RemoteProtocolError):
        api.client().get(path)

    assert api.world.media.open_reads == 0


def test_downloads_are_limited_in_total_and_for_each_account(api: Api, server: Server) -> None:
    large, theirs = draft(api.world, "a", content=large_file()), draft(api.world, "b", user=BEN)
    path, other, small = link_to(api, large), link_to(api, large), link_to(api, theirs, user=BEN)
    limit(server, downloads_max=2, downloads_of_user_max=1)
    with unread(api, path):
        own = api.client().get(other)
        assert api.client().get(small).status_code == 200
        with unread(
            api, link_to(api, draft(api.world, "c", content=large_file(), user=BEN), user=BEN)
        ):
            full = api.client().get(other)
    eventually(lambda: api.world.media.open_reads == 0)

    assert (own.status_code, own.json()["code"]) == (429, "too_many_own_downloads")
    assert (full.status_code, full.json()["code"]) == (503, "too_many_downloads")
    assert int(full.headers["Retry-After"]) > 0
    assert api.client().get(small).status_code == 200


def test_file_is_closed_when_the_client_leaves(api: Api) -> None:
    path = link_to(api, draft(api.world, "a", content=large_file()))

    with unread(api, path):
        eventually(lambda: api.world.media.open_reads == 1)

    eventually(lambda: api.world.media.open_reads == 0)


@pytest.mark.parametrize("name", ["block_s", "life_s"])
def test_client_that_stalls_is_disconnected(api: Api, server: Server, name: str) -> None:
    path = link_to(api, draft(api.world, "a", content=large_file()))
    limit(server, **{name: 0.3})

    with unread(api, path) as connection:
        eventually(lambda: api.world.media.open_reads == 1)
        eventually(lambda: api.world.media.open_reads == 0)
        received = b"".join(iter(lambda: connection.recv(MIB), b""))

    assert 0 < len(received) < len(large_file())
    assert not received.endswith(b"0\r\n\r\n")


def test_one_file_is_saved_under_a_name_from_its_prompt(api: Api) -> None:
    made = draft(api.world, "Füchse im Schnee", content=b"fox")

    answer = api.client(ADA).get(f"/api/generate/creation/{made.creation_id}/download").json()
    link = answer["downloadUrl"].replace("http://localhost", api.base_url)
    saved = api.client().get(link)

    assert (saved.status_code, saved.content, answer["sizeBytes"]) == (200, b"fox", 3)
    name = f"{made.created_at:%Y-%m-%d}_füchse-im-schnee_{made.creation_id}.mp4"
    disposition = saved.headers["content-disposition"]
    assert disposition.startswith("attachment; filename*=UTF-8''")
    assert unquote(disposition.partition("''")[2]) == name
    assert api.client().get(link.replace("schnee", "regen")).status_code == 404
