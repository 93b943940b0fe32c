"""Media addresses in local mode: any address is a file or 404."""

import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from starlette.responses import Response

from api_service.routes import local
from tests.api.conftest import Api
from tests.support.builders import ADA, stored_media

KEYS = [
    *["%00", "x%00.mp4", "%00/../x", "a" * 300, "a" * 5000, "a/" * 2000, "%ff%fe", "%ed%a0%80"],
    *["", "/", "%2e%2e/%2e%2e/store.db", "../store.db", "%2fetc%2fpasswd", "//etc/passwd", "."],
    *["videos", "videos/", "videos/ada", "%", "%zz", "x%0d%0aSet-Cookie:a=b", "\\..\\store.db"],
    *["con", "%F0%9F%A6%8A.mp4", "~", "x?y", "%3f", "*", "x" * 255, "x" * 256, "%00" * 1000],
]
EXPIRES = [
    "9" * 5000,
    "9" * 13,
    "-1",
    "1e9",
    "0x7fffffff",
    "%00",
    "%D9%A1",
    "%201",
    "1_000",
    "",
    "nan",
]
SIGNATURES = ["", "x", "%00", "%ff", "0" * 64, "%C3%A9", "9" * 5000]


@pytest.fixture
def private(api: Api) -> str:
    """Return the path and query of a valid link."""
    draft = api.world.draft()
    soon = api.world.clock.now() + timedelta(minutes=1)
    link = api.world.files.private_link(stored_media(draft).media_key, expires_at=soon)
    return link.removeprefix("http://localhost")


def raw_get(api: Api, path: str) -> httpx.Response:
    """Send an address without normalising it."""
    host = api.base_url.removeprefix("http://")
    url = httpx.URL(
        scheme="http", host=host.split(":")[0], port=int(host.split(":")[1]), raw_path=path.encode()
    )
    return api.client().get(url)


def refused(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
@pytest.mark.parametrize("area", ["public", "private"])
def test_garbage_in_a_media_key_is_404(api: Api, area: str, key: str) -> None:
    api.world.draft()

    assert refused(raw_get(api, f"/media/{area}/{key}"))


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_garbage_with_a_valid_signature_is_404(api: Api, key: str) -> None:
    api.world.draft()
    soon = api.world.clock.now() + timedelta(minutes=1)
    signed = httpx.URL(f"http://x/{key}").path.removeprefix("/")
    link = api.world.files.private_link(signed, expires_at=soon).removeprefix("http://localhost")

    assert refused(raw_get(api, link))


@pytest.mark.parametrize(
    "change",
    [
        *[
            lambda link, new=new: link.replace(link.split("expires=")[1].split("&")[0], new)
            for new in EXPIRES
        ],
        *[
            lambda link, new=new: link.replace(link.split("signature=")[1], new)
            for new in SIGNATURES
        ],
        lambda link: link.split("?")[0],
        lambda link: f"{link}&expires=1",
        lambda link: f"{link}0",
    ],
    ids=range(len(EXPIRES) + len(SIGNATURES) + 3),
)
def test_garbage_in_a_link_is_404(api: Api, private: str, change: Callable[[str], str]) -> None:
    assert raw_get(api, private).status_code == 200
    assert refused(raw_get(api, change(private)))


@pytest.mark.parametrize(
    ("range_header", "status"),
    [
        ("bytes=0-1", 206),
        ("bytes=-2", 206),
        ("bytes=2-", 206),
        ("bytes=99-", 416),
        ("bytes=3-1", 200),
        ("bytes=0-" + "9" * 5000, 200),
        ("bytes=" + "9" * 5000 + "-", 200),
        ("bytes=0-0,1-1", 200),
        ("bytes=x-y", 200),
        ("lines=1-2", 200),
        ("bytes", 200),
    ],
)
def test_range_other_than_a_single_one_is_ignored(
    api: Api, private: str, range_header: str, status: int
) -> None:
    answer = api.client(ADA).get(private, headers={"Range": range_header})

    assert answer.status_code == status
    assert status != 200 or answer.content == b"01234"


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=1-2"}], ids=["whole", "range"])
def test_file_deleted_before_it_is_opened_is_404_without_an_error_log(
    api: Api,
    private: str,
    headers: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = local._file_response

    def find_and_delete(path: Path, its: dict[str, str]) -> Response:
        response = found(path, its)
        api.world.phoenix.media_cleanup.delete_creation(path.parent.name, owner=ADA)
        return response

    monkeypatch.setattr(local, "_file_response", find_and_delete)
    with caplog.at_level(logging.INFO):
        answer = api.client(ADA).get(private, headers=headers)

    assert refused(answer)
    assert [line.message for line in caplog.records if line.levelno >= logging.ERROR] == []


def test_public_file_is_cacheable_for_thirty_seconds(api: Api) -> None:
    published = api.world.published()
    address = api.world.files.public_link(next(iter(published.public_keys.values())))
    answer = api.client().get(address.removeprefix("http://localhost"))

    assert answer.headers["cache-control"] == "public, max-age=30"
