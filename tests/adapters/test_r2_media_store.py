"""Requests to R2, and its failures."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from shared.adapters.r2.media_store import R2MediaStore
from shared.domain.errors import MediaRefused, MediaUnavailable
from shared.domain.media import MediaFormat
from shared.domain.policy import VIDEO_SIZE_BYTES_MAX
from tests.servers.r2_server import (
    ACCESS_KEY_ID,
    DRAFTS_BUCKET,
    PUBLIC_BUCKET,
    REGION,
    SECRET_ACCESS_KEY,
    Broken,
    Cut,
    Fault,
    R2Server,
)
from tests.support.builders import NOON
from tests.support.certificates import a_certificate

MIB = 1024 * 1024
KEY = "videos/ada/mfrggzdfmztwq2lknnwg23tpoa/1.mp4"
PUBLIC = "public/random/1.mp4"
SOON = NOON + timedelta(hours=2)
CALLS: list[Callable[[R2MediaStore, Path], Any]] = [
    lambda media, path: media.put(path, KEY, media_format=MediaFormat.MP4),
    lambda media, _: media.size_bytes(KEY),
    lambda media, _: media.publish(KEY, PUBLIC),
    lambda media, _: media.delete(KEY),
    lambda media, _: list(media.everything()),
]
UPLOAD = """
import json, re, sys
from pathlib import Path
from shared.adapters.r2.media_store import R2MediaStore
from shared.domain.media import MediaFormat

media = R2MediaStore(**json.loads(sys.argv[1]))
media.put(Path(sys.argv[2]), sys.argv[3], media_format=MediaFormat.MP4)
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.fixture
def server() -> Iterator[R2Server]:
    with R2Server() as server:
        server.now = lambda: NOON
        yield server


@pytest.fixture
def media(server: R2Server) -> Iterator[R2MediaStore]:
    media = R2MediaStore(**server.settings)
    yield media
    media.close()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"content" * 1000)
    return path


@pytest.fixture
def server_over_https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[R2Server]:
    tls, authority = a_certificate(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority))
    with R2Server(tls=tls) as server:
        yield server


def sdk(server: R2Server) -> Any:
    """Return the SDK's client with its defaults."""
    return boto3.session.Session(ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name=REGION).client(
        "s3", endpoint_url=server.settings["endpoint_url"]
    )


def of_size(size_bytes: int, folder: Path) -> Path:
    path = folder / "a large file"
    with path.open("wb") as file:
        file.truncate(size_bytes)
    return path


def put(media: R2MediaStore, path: Path, key: str = KEY) -> None:
    media.put(path, key, media_format=MediaFormat.MP4)


def test_put_over_https_is_signed_and_has_no_checksums(
    server_over_https: R2Server, clip: Path
) -> None:
    media = R2MediaStore(**server_over_https.settings)

    put(media, clip)
    media.publish(KEY, PUBLIC)
    media.delete(KEY)

    sent = server_over_https.seen[0]
    assert (sent.method, sent.path) == ("PUT", f"/{DRAFTS_BUCKET}/{KEY}")
    assert sent.size_bytes == clip.stat().st_size == int(sent.headers["content-length"])
    assert sent.sha256 == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert sent.headers["x-amz-content-sha256"] == sent.sha256
    assert sent.headers["if-none-match"] == "*"
    assert sent.headers["content-type"] == "video/mp4"
    for each in server_over_https.seen:
        extra = {"content-encoding", "transfer-encoding", "x-amz-sdk-checksum-algorithm"}
        assert not extra & each.headers.keys()
        assert not [name for name in each.headers if name.startswith("x-amz-checksum")]
        assert "x-amz-trailer" not in each.headers
    assert [file.size_bytes for file in media.everything()] == [7000]
    media.close()


def test_put_with_the_sdks_defaults_is_rejected_over_https(server_over_https: R2Server) -> None:
    client = sdk(server_over_https)

    with pytest.raises(ClientError, match="NotImplemented"):
        client.put_object(Bucket=DRAFTS_BUCKET, Key=KEY, Body=b"content")

    assert "x-amz-trailer" in server_over_https.seen[0].headers
    client.close()


def test_private_link_is_inline_and_privately_cached(
    server: R2Server, media: R2MediaStore, clip: Path
) -> None:
    put(media, clip)

    answer = httpx.get(media.private_link(KEY, expires_at=SOON))

    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == "inline"
    assert answer.headers["cache-control"] == "private"


def test_private_link_with_a_filename_saves_the_file(media: R2MediaStore, clip: Path) -> None:
    put(media, clip)

    answer = httpx.get(media.private_link(KEY, expires_at=SOON, filename="ein fuchs ü.mp4"))

    saved = "attachment; filename*=UTF-8''ein%20fuchs%20%C3%BC.mp4"
    assert answer.headers["content-disposition"] == saved


def test_private_link_supports_range_requests(
    server: R2Server, media: R2MediaStore, clip: Path
) -> None:
    put(media, clip)

    answer = httpx.get(media.private_link(KEY, expires_at=SOON), headers={"Range": "bytes=7-9"})

    assert (answer.status_code, answer.content) == (206, b"con")


@pytest.mark.parametrize("key", ["images/a b/ü+~=&/1.png", "images/%2F/1_thumb.jpg", "plain"])
def test_links_open_any_key(server: R2Server, media: R2MediaStore, clip: Path, key: str) -> None:
    media.put(clip, key, media_format=MediaFormat.PNG)
    media.publish(key, f"public/{key}")

    for link in (media.private_link(key, expires_at=SOON), media.public_link(f"public/{key}")):
        assert httpx.get(link).content == clip.read_bytes()


def test_links_are_equal_across_processes(server: R2Server, media: R2MediaStore) -> None:
    link = media.private_link(KEY, expires_at=SOON)
    other = R2MediaStore(**server.settings)

    assert other.private_link(KEY, expires_at=SOON) == link
    assert SECRET_ACCESS_KEY not in link


def test_public_copy_may_be_cached_for_thirty_seconds(media: R2MediaStore, clip: Path) -> None:
    put(media, clip)
    media.publish(KEY, PUBLIC)

    answer = httpx.get(media.public_link(PUBLIC))

    assert answer.headers["cache-control"] == "public, max-age=30"
    assert answer.headers["content-type"] == "video/mp4"


@pytest.mark.parametrize("fault", sorted(set(Fault) - {Fault.PAGE}))
def test_failure_raises_after_one_request(server: R2Server, clip: Path, fault: Fault) -> None:
    media = R2MediaStore(**server.settings, read_timeout_s=0.3 if fault is Fault.SILENT else 10)
    for call in CALLS:
        server.calls, server.faults = 0, [fault]

        with pytest.raises(MediaUnavailable):
            call(media, clip)

        assert server.calls == 1
    media.close()


def test_put_can_be_repeated_after_a_lost_response(
    server: R2Server, media: R2MediaStore, clip: Path
) -> None:
    server.faults = [Fault.UNANSWERED]
    with pytest.raises(MediaUnavailable):
        put(media, clip)

    put(media, clip)

    assert media.size_bytes(KEY) == clip.stat().st_size


@pytest.mark.parametrize("cut", Cut)
def test_damaged_upload_is_unavailable_and_not_refused(
    server: R2Server, media: R2MediaStore, clip: Path, cut: Cut
) -> None:
    server.faults = [cut]

    with pytest.raises(MediaUnavailable) as caught:
        put(media, clip)

    assert not isinstance(caught.value, MediaRefused)


def test_broken_read_is_resumed_where_it_ended(
    server: R2Server, media: R2MediaStore, clip: Path
) -> None:
    put(media, clip)
    server.seen.clear()
    server.faults = [Broken.HALF, Fault.DOWN, Broken.HALF]

    assert b"".join(media.read(KEY)) == clip.read_bytes()
    ranges = [each.headers.get("range") for each in server.seen]
    assert ranges == [None, "bytes=3500-", "bytes=5250-"]


def test_read_ends_after_three_requests_without_progress(
    server: R2Server, media: R2MediaStore, clip: Path
) -> None:
    put(media, clip)
    server.calls, server.faults = 0, [Fault.DOWN] * 3

    with pytest.raises(MediaUnavailable):
        next(media.read(KEY))

    assert server.calls == 3


def test_read_that_is_refused_is_not_repeated(
    server: R2Server, media: R2MediaStore, clip: Path
) -> None:
    put(media, clip)
    server.calls, server.faults = 0, [Fault.FORBIDDEN]

    with pytest.raises(MediaRefused):
        next(media.read(KEY))

    assert server.calls == 1


def test_file_that_is_deleted_during_a_broken_read_is_not_missing_but_incomplete(
    server: R2Server, media: R2MediaStore, clip: Path
) -> None:
    put(media, clip)
    server.faults = [Broken.HALF]
    chunks = media.read(KEY)
    next(chunks)
    media.delete(KEY)

    with pytest.raises(MediaRefused):
        next(chunks)


def test_html_page_instead_of_a_copy_result_is_unavailable(
    server: R2Server, media: R2MediaStore, clip: Path
) -> None:
    put(media, clip)
    server.faults = [Fault.PAGE]

    with pytest.raises(MediaUnavailable):
        media.publish(KEY, PUBLIC)


@pytest.mark.parametrize("fault", sorted(set(Fault) - {Fault.SILENT, Fault.PAGE}))
def test_only_a_permanent_error_is_a_refusal(
    server: R2Server, media: R2MediaStore, clip: Path, fault: Fault
) -> None:
    for call in CALLS:
        server.faults = [fault]

        with pytest.raises(MediaUnavailable) as caught:
            call(media, clip)

        is_refused = isinstance(caught.value, MediaRefused)
        assert is_refused == (fault in (Fault.FORBIDDEN, Fault.UNKNOWN_KEY))


@pytest.mark.parametrize(
    ("wrong", "is_refused"),
    [
        ({"endpoint_url": "http://127.0.0.1:9"}, False),
        ({"secret_access_key": "another"}, True),
        ({"drafts_bucket": "unknown"}, True),
    ],
)
def test_unreachable_or_misconfigured_store_raises_by_name(
    server: R2Server, clip: Path, wrong: dict[str, str], *, is_refused: bool
) -> None:
    media = R2MediaStore(**{**server.settings, **wrong})

    with pytest.raises(MediaUnavailable) as caught:
        put(media, clip)

    assert isinstance(caught.value, MediaRefused) == is_refused
    media.close()


def test_everything_lists_all_pages_and_nothing_else(
    server: R2Server, media: R2MediaStore, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    keys = {f"images/ada/x/{number}.png" for number in range(5)}
    for key in keys:
        put(media, clip, key)
    media.publish("images/ada/x/0.png", PUBLIC)
    other = R2MediaStore(**{**server.settings, "drafts_bucket": PUBLIC_BUCKET})
    put(other, clip, "a legacy file.png")
    server.calls = 0

    assert {file.key for file in media.everything()} == keys | {PUBLIC}
    assert server.calls == 4
    other.close()


@pytest.mark.slow
def test_largest_video_is_sent_in_one_request_and_never_overwritten(
    server: R2Server, media: R2MediaStore, tmp_path: Path
) -> None:
    client = sdk(server)

    put(media, of_size(VIDEO_SIZE_BYTES_MAX, tmp_path))
    requests = [(each.method, each.size_bytes) for each in server.seen]
    put(media, of_size(VIDEO_SIZE_BYTES_MAX - 1, tmp_path))

    assert requests == [("PUT", VIDEO_SIZE_BYTES_MAX)]
    assert client.head_object(Bucket=DRAFTS_BUCKET, Key=KEY)["ContentType"] == "video/mp4"
    assert media.size_bytes(KEY) == VIDEO_SIZE_BYTES_MAX
    client.close()


@pytest.mark.slow
def test_interrupted_upload_of_a_large_file_stores_nothing_and_can_be_repeated(
    server: R2Server, media: R2MediaStore, tmp_path: Path
) -> None:
    path = of_size(VIDEO_SIZE_BYTES_MAX, tmp_path)
    server.faults = [Fault.DOWN]

    with pytest.raises(MediaUnavailable):
        put(media, path)

    assert media.size_bytes(KEY) is None
    put(media, path)
    assert media.size_bytes(KEY) == VIDEO_SIZE_BYTES_MAX


@pytest.mark.slow
def test_memory_of_an_upload_does_not_grow_with_the_file(server: R2Server, tmp_path: Path) -> None:
    def peak_bytes(size_bytes: int) -> int:
        settings = json.dumps(server.settings)
        arguments = [settings, str(of_size(size_bytes, tmp_path)), f"{size_bytes}.mp4"]
        done = subprocess.run(
            [sys.executable, "-c", UPLOAD, *arguments],
            cwd=Path.cwd(),
            capture_output=True,
            check=True,
        )
        return int(done.stdout) * 1024

    small, single, largest = (peak_bytes(size * MIB) for size in (1, 100, 200))

    assert single - small < 8 * MIB
    assert largest - small < 8 * MIB
