"""Contract of the MediaStore port, for every adapter."""

import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest

from shared.adapters.local.media_store import FileMediaStore
from shared.adapters.r2.media_store import R2MediaStore
from shared.adapters.sample.media_store import SampleMediaStore
from shared.domain.errors import MediaMissing, Unauthenticated
from shared.domain.media import MediaFormat
from shared.domain.policy import Policy
from shared.ports.media_store import CHUNK_BYTES, MediaStore
from tests.servers.r2_server import R2Server
from tests.support.builders import NOON

KEY = "videos/ada/mfrggzdfmztwq2lknnwg23tpoa/1.mp4"
PUBLIC = "public/random/1.mp4"
LATER = timedelta(hours=2)
AT_ONCE = Policy().images_at_once


class OpenedStore(Protocol):
    """A store and its links: bytes, or None for a link that does not open."""

    media: MediaStore

    def open(self, link: str, *, at: datetime = NOON) -> bytes | None: ...

    def close(self) -> None: ...


class OpenedFiles:
    """Files, opened like the API's media route."""

    media: FileMediaStore

    def __init__(self, folder: Path) -> None:
        self.media = FileMediaStore(folder, base_url="http://localhost:1", secret=b"secret")

    def open(self, link: str, *, at: datetime = NOON) -> bytes | None:
        parts = urlsplit(link)
        key = unquote(parts.path).removeprefix("/media/")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        try:
            if key.startswith("private/"):
                path = self.media.opened_by_link(
                    key.removeprefix("private/"),
                    expires=query["expires"],
                    signature=query["signature"],
                    now=at,
                )
            else:
                path = self.media.path_of(key)
            return path.read_bytes()
        except (Unauthenticated, FileNotFoundError):
            return None

    def close(self) -> None:
        pass


class OpenedSampleFiles(OpenedFiles):
    """The sample media store without planned crashes."""

    def __init__(self, folder: Path) -> None:
        self.media = SampleMediaStore(
            folder, crashes=folder / "crashes", base_url="http://localhost:1", secret=b"secret"
        )


class OpenedR2:
    """R2, whose links are opened over HTTP."""

    media: R2MediaStore

    def __init__(self, _: Path) -> None:
        self._running = ExitStack()
        self._server = self._running.enter_context(R2Server())
        self.media = R2MediaStore(**self._server.settings)
        self._running.callback(self.media.close)

    def open(self, link: str, *, at: datetime = NOON) -> bytes | None:
        self._server.now = lambda: at
        answer = httpx.get(link)
        return answer.content if answer.is_success else None

    def close(self) -> None:
        self._running.close()


@pytest.fixture(
    params=[
        pytest.param(OpenedFiles, id="files"),
        pytest.param(OpenedSampleFiles, id="sample"),
        pytest.param(OpenedR2, id="r2"),
    ]
)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenedStore]:
    store: OpenedStore = request.param(tmp_path / "media")
    yield store
    store.close()


@pytest.fixture
def media(opened: OpenedStore) -> MediaStore:
    return opened.media


def a_file(folder: Path, content: bytes = b"content") -> Path:
    path = folder / "a file"
    path.write_bytes(content)
    return path


def put(media: MediaStore, folder: Path, key: str = KEY, content: bytes = b"content") -> None:
    media.put(a_file(folder, content), key, media_format=MediaFormat.MP4)


def test_stored_file_has_its_size(media: MediaStore, tmp_path: Path) -> None:
    assert media.size_bytes(KEY) is None
    put(media, tmp_path)

    assert media.size_bytes(KEY) == 7
    assert [(file.key, file.size_bytes) for file in media.everything()] == [(KEY, 7)]


def test_key_is_written_once(media: MediaStore, tmp_path: Path) -> None:
    put(media, tmp_path)
    put(media, tmp_path, content=b"something else")

    assert media.size_bytes(KEY) == 7


def test_file_is_read_in_bounded_chunks(media: MediaStore, tmp_path: Path) -> None:
    content = bytes(range(256)) * (3 * CHUNK_BYTES // 256) + b"end"
    put(media, tmp_path, content=content)

    chunks = list(media.read(KEY))

    assert b"".join(chunks) == content
    assert min(map(len, chunks)) > 0
    assert max(map(len, chunks)) <= CHUNK_BYTES


def test_reading_a_missing_file_raises_before_the_first_chunk(
    media: MediaStore, tmp_path: Path
) -> None:
    put(media, tmp_path)
    media.delete(KEY)

    with pytest.raises(MediaMissing):
        next(media.read(KEY))


def test_read_can_end_early(media: MediaStore, tmp_path: Path) -> None:
    put(media, tmp_path, content=bytes(4 * CHUNK_BYTES))
    with closing(cast("Generator[bytes, None, None]", media.read(KEY))) as chunks:
        assert next(chunks)

    assert list(chunks) == []
    assert len(b"".join(media.read(KEY))) == 4 * CHUNK_BYTES


def test_private_link_opens_its_file(opened: OpenedStore, tmp_path: Path) -> None:
    put(opened.media, tmp_path)

    assert opened.open(opened.media.private_link(KEY, expires_at=NOON + LATER)) == b"content"


def test_private_link_expires(opened: OpenedStore, tmp_path: Path) -> None:
    put(opened.media, tmp_path)

    link = opened.media.private_link(KEY, expires_at=NOON + LATER)

    assert opened.open(link, at=NOON + LATER - timedelta(seconds=1)) == b"content"
    assert opened.open(link, at=NOON + LATER) is None


def test_private_link_opens_nothing_else(opened: OpenedStore, tmp_path: Path) -> None:
    other = KEY.replace("1.mp4", "2.mp4")
    for key in (KEY, other):
        put(opened.media, tmp_path, key)

    link = opened.media.private_link(KEY, expires_at=NOON + LATER)

    assert opened.open(link.replace("1.mp4", "2.mp4")) is None
    assert opened.open(link[:-1] + ("0" if link[-1] != "0" else "1")) is None
    assert opened.open(link) == b"content"


def test_link_is_deterministic(media: MediaStore) -> None:
    links = [media.private_link(KEY, expires_at=NOON + LATER) for _ in range(2)]
    others = [
        media.private_link(KEY, expires_at=NOON + 2 * LATER),
        media.private_link(KEY + "x", expires_at=NOON + LATER),
    ]

    assert links[0] == links[1]
    assert not {links[0]} & set(others)


def test_deleted_file_cannot_be_opened(opened: OpenedStore, tmp_path: Path) -> None:
    put(opened.media, tmp_path)
    link = opened.media.private_link(KEY, expires_at=NOON + LATER)

    opened.media.delete(KEY)

    assert opened.open(link) is None
    assert opened.media.size_bytes(KEY) is None


def test_deleting_a_missing_file_succeeds(media: MediaStore) -> None:
    for _ in range(2):
        media.delete(KEY)


def test_publishing_copies_and_can_be_repeated(opened: OpenedStore, tmp_path: Path) -> None:
    put(opened.media, tmp_path)

    for _ in range(2):
        opened.media.publish(KEY, PUBLIC)

    assert opened.open(opened.media.public_link(PUBLIC)) == b"content"
    assert {file.key for file in opened.media.everything()} == {KEY, PUBLIC}
    opened.media.delete(PUBLIC)
    assert opened.media.size_bytes(KEY) == 7
    assert opened.open(opened.media.public_link(PUBLIC)) is None


def test_publishing_a_file_that_is_not_stored_raises_media_missing(
    opened: OpenedStore, tmp_path: Path
) -> None:
    for delete_first in (False, True):
        if delete_first:
            put(opened.media, tmp_path)
            opened.media.delete(KEY)

        with pytest.raises(MediaMissing):
            opened.media.publish(KEY, PUBLIC)

    assert opened.media.size_bytes(PUBLIC) is None


def test_empty_store_has_room_for_a_small_file(media: MediaStore) -> None:
    assert media.has_room(1)


def test_large_file_is_stored_completely(opened: OpenedStore, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40_000

    put(opened.media, tmp_path, content=content)

    assert opened.open(opened.media.private_link(KEY, expires_at=NOON + LATER)) == content


def test_files_stored_at_the_same_time_are_not_mixed(opened: OpenedStore, tmp_path: Path) -> None:
    keys = [KEY.replace("1.mp4", f"{number}.mp4") for number in range(AT_ONCE)]
    together = threading.Barrier(AT_ONCE)

    def store(key: str) -> None:
        folder = tmp_path / Path(key).stem
        folder.mkdir()
        together.wait()
        put(opened.media, folder, key, content=key.encode() * 20_000)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(store, keys))

    for key in keys:
        link = opened.media.private_link(key, expires_at=NOON + LATER)
        assert opened.open(link) == key.encode() * 20_000
