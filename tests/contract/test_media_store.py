"""The promises of the MediaStore port, for every adapter."""

from datetime import timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from shared.adapters.file_media_store import FileMediaStore
from shared.adapters.sample_media_store import SampleMediaStore
from shared.domain.errors import MediaUnavailable, Unauthenticated
from shared.domain.media import MediaFormat
from shared.ports.media_store import MediaStore
from tests.builders import NOON

KEY = "videos/ada/mfrggzdfmztwq2lknnwg23tpoa/1.mp4"
PUBLIC = "public/random/1.mp4"
LATER = timedelta(hours=2)


class OpenedStore(Protocol):
    """A store, and how its links are opened: the bytes, or None if they are closed."""

    media: MediaStore

    def open(self, link: str) -> bytes | None: ...


class OpenedFiles:
    """Files, opened as the API's media route does it."""

    media: FileMediaStore

    def __init__(self, folder: Path) -> None:
        self.media = FileMediaStore(folder, base_url="http://localhost:1", secret=b"secret")

    def open(self, link: str) -> bytes | None:
        parts = urlsplit(link)
        key = unquote(parts.path).removeprefix("/media/")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        try:
            if key.startswith("private/"):
                path = self.media.opened_by_link(
                    key.removeprefix("private/"),
                    expires=query["expires"],
                    signature=query["signature"],
                    now=NOON,
                )
            else:
                path = self.media.path_of(key)
            return path.read_bytes()
        except (Unauthenticated, FileNotFoundError):
            return None


class OpenedSampleFiles(OpenedFiles):
    """The same beside a sample generator that plans no crash."""

    def __init__(self, folder: Path) -> None:
        self.media = SampleMediaStore(
            folder, crashes=folder / "crashes", base_url="http://localhost:1", secret=b"secret"
        )


@pytest.fixture(
    params=[pytest.param(OpenedFiles, id="files"), pytest.param(OpenedSampleFiles, id="sample")]
)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> OpenedStore:
    store: OpenedStore = request.param(tmp_path / "media")
    return store


@pytest.fixture
def media(opened: OpenedStore) -> MediaStore:
    return opened.media


def a_file(folder: Path, content: bytes = b"content") -> Path:
    path = folder / "a file"
    path.write_bytes(content)
    return path


def put(media: MediaStore, folder: Path, key: str = KEY, content: bytes = b"content") -> None:
    media.put(a_file(folder, content), key, media_format=MediaFormat.MP4)


def test_a_stored_file_has_its_size(media: MediaStore, tmp_path: Path) -> None:
    assert media.size_bytes(KEY) is None
    put(media, tmp_path)

    assert media.size_bytes(KEY) == 7
    assert [(file.key, file.size_bytes) for file in media.everything()] == [(KEY, 7)]


def test_a_key_is_written_once(media: MediaStore, tmp_path: Path) -> None:
    put(media, tmp_path)
    put(media, tmp_path, content=b"something else")

    assert media.size_bytes(KEY) == 7


def test_a_private_link_opens_its_file(opened: OpenedStore, tmp_path: Path) -> None:
    put(opened.media, tmp_path)

    assert opened.open(opened.media.private_link(KEY, expires_at=NOON + LATER)) == b"content"


def test_a_link_is_the_same_text_for_the_same_key_and_time(media: MediaStore) -> None:
    links = [media.private_link(KEY, expires_at=NOON + LATER) for _ in range(2)]
    others = [
        media.private_link(KEY, expires_at=NOON + 2 * LATER),
        media.private_link(KEY + "x", expires_at=NOON + LATER),
    ]

    assert links[0] == links[1]
    assert not {links[0]} & set(others)


def test_a_deleted_file_is_closed_at_once(opened: OpenedStore, tmp_path: Path) -> None:
    put(opened.media, tmp_path)
    link = opened.media.private_link(KEY, expires_at=NOON + LATER)

    opened.media.delete(KEY)

    assert opened.open(link) is None
    assert opened.media.size_bytes(KEY) is None


def test_deleting_what_is_not_there_is_fine(media: MediaStore) -> None:
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


def test_publishing_what_is_not_there_says_so(media: MediaStore) -> None:
    with pytest.raises(MediaUnavailable):
        media.publish(KEY, PUBLIC)


def test_a_large_file_is_stored_whole(opened: OpenedStore, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40_000

    put(opened.media, tmp_path, content=content)

    assert opened.open(opened.media.private_link(KEY, expires_at=NOON + LATER)) == content
