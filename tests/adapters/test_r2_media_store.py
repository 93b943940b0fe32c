"""What is said to R2, byte for byte where it matters, and what happens when it does not answer."""

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
from tests.servers.r2_server import (
    ACCESS_KEY_ID,
    DRAFTS_BUCKET,
    PUBLIC_BUCKET,
    REGION,
    SECRET_ACCESS_KEY,
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
    """Return the SDK's client as it is out of the box."""
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


def test_over_https_a_put_is_the_file_itself_signed_and_without_checksums(
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


def test_the_sdks_own_put_over_https_would_be_refused(server_over_https: R2Server) -> None:
    client = sdk(server_over_https)

    with pytest.raises(ClientError, match="NotImplemented"):
        client.put_object(Bucket=DRAFTS_BUCKET, Key=KEY, Body=b"content")

    assert "x-amz-trailer" in server_over_https.seen[0].headers
    client.close()


def test_a_private_link_is_shown_in_the_page_and_kept_by_one_reader_only(
    server: R2Server, media: R2MediaStore, clip: Path
) -> None:
    put(media, clip)

    answer = httpx.get(media.private_link(KEY, expires_at=SOON))

    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == "inline"
    assert answer.headers["cache-control"] == "private"


def test_a_private_link_opens_parts_of_a_file(
    server: R2Server, media: R2MediaStore, clip: Path
) -> None:
    put(media, clip)

    answer = httpx.get(media.private_link(KEY, expires_at=SOON), headers={"Range": "bytes=7-9"})

    assert (answer.status_code, answer.content) == (206, b"con")


@pytest.mark.parametrize("key", ["images/a b/ü+~=&/1.png", "images/%2F/1_thumb.jpg", "plain"])
def test_any_key_has_links_that_open_it(
    server: R2Server, media: R2MediaStore, clip: Path, key: str
) -> None:
    media.put(clip, key, media_format=MediaFormat.PNG)
    media.publish(key, f"public/{key}")

    for link in (media.private_link(key, expires_at=SOON), media.public_link(f"public/{key}")):
        assert httpx.get(link).content == clip.read_bytes()


def test_every_process_makes_the_same_link(server: R2Server, media: R2MediaStore) -> None:
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
def test_what_goes_wrong_is_told_after_one_request(
    server: R2Server, clip: Path, fault: Fault
) -> None:
    media = R2MediaStore(**server.settings, read_timeout_s=0.3 if fault is Fault.SILENT else 10)
    for call in CALLS:
        server.calls, server.faults = 0, [fault]

        with pytest.raises(MediaUnavailable):
            call(media, clip)

        assert server.calls == 1
    media.close()


def test_a_put_whose_answer_was_lost_is_simply_repeated(
    server: R2Server, media: R2MediaStore, clip: Path
) -> None:
    server.faults = [Fault.UNANSWERED]
    with pytest.raises(MediaUnavailable):
        put(media, clip)

    put(media, clip)

    assert media.size_bytes(KEY) == clip.stat().st_size


@pytest.mark.parametrize("cut", Cut)
def test_upload_that_did_not_arrive_as_it_was_sent_is_no_refusal(
    server: R2Server, media: R2MediaStore, clip: Path, cut: Cut
) -> None:
    server.faults = [cut]

    with pytest.raises(MediaUnavailable) as caught:
        put(media, clip)

    assert not isinstance(caught.value, MediaRefused)


def test_page_instead_of_an_answer_publishes_nothing(
    server: R2Server, media: R2MediaStore, clip: Path
) -> None:
    put(media, clip)
    server.faults = [Fault.PAGE]

    with pytest.raises(MediaUnavailable):
        media.publish(KEY, PUBLIC)


@pytest.mark.parametrize("fault", sorted(set(Fault) - {Fault.SILENT, Fault.PAGE}))
def test_only_an_answer_that_repeating_cannot_change_is_a_refusal(
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
def test_store_that_is_unreachable_or_wrongly_configured_raises_by_name(
    server: R2Server, clip: Path, wrong: dict[str, str], *, is_refused: bool
) -> None:
    media = R2MediaStore(**{**server.settings, **wrong})

    with pytest.raises(MediaUnavailable) as caught:
        put(media, clip)

    assert isinstance(caught.value, MediaRefused) == is_refused
    media.close()


def test_everything_is_listed_page_after_page_and_nothing_else(
    server: R2Server, media: R2MediaStore, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    keys = {f"images/ada/x/{number}.png" for number in range(5)}
    for key in keys:
        put(media, clip, key)
    media.publish("images/ada/x/0.png", PUBLIC)
    other = R2MediaStore(**{**server.settings, "drafts_bucket": PUBLIC_BUCKET})
    put(other, clip, "an older system's file.png")
    server.calls = 0

    assert {file.key for file in media.everything()} == keys | {PUBLIC}
    assert server.calls == 4
    other.close()


@pytest.mark.slow
def test_a_file_of_up_to_100_mib_goes_in_one_request(
    server: R2Server, media: R2MediaStore, tmp_path: Path
) -> None:
    put(media, of_size(100 * MIB, tmp_path))

    assert [(each.method, each.size_bytes) for each in server.seen] == [("PUT", 100 * MIB)]


@pytest.mark.slow
def test_a_larger_file_goes_in_equal_parts_and_once(
    server: R2Server, media: R2MediaStore, tmp_path: Path
) -> None:
    client = sdk(server)

    put(media, of_size(100 * MIB + 1, tmp_path))
    *parts, last = [each.size_bytes for each in server.seen if each.method == "PUT"]
    put(media, of_size(100 * MIB + 2, tmp_path))

    assert set(parts) == {64 * MIB}
    assert sum(parts) + last == 100 * MIB + 1
    assert client.head_object(Bucket=DRAFTS_BUCKET, Key=KEY)["ContentType"] == "video/mp4"
    assert media.size_bytes(KEY) == 100 * MIB + 1
    assert "Uploads" not in client.list_multipart_uploads(Bucket=DRAFTS_BUCKET)
    client.close()


@pytest.mark.slow
def test_a_large_file_that_breaks_off_leaves_nothing(
    server: R2Server, media: R2MediaStore, tmp_path: Path
) -> None:
    client, path = sdk(server), of_size(100 * MIB + 1, tmp_path)
    for calls_before in range(4):
        server.faults = [*[None] * calls_before, Fault.DOWN]

        with pytest.raises(MediaUnavailable):
            put(media, path)

    assert media.size_bytes(KEY) is None
    assert "Uploads" not in client.list_multipart_uploads(Bucket=DRAFTS_BUCKET)
    put(media, path)
    assert media.size_bytes(KEY) == 100 * MIB + 1
    client.close()


@pytest.mark.slow
def test_the_memory_of_an_upload_does_not_grow_with_the_file(
    server: R2Server, tmp_path: Path
) -> None:
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
