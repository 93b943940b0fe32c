"""Contract of the FileIndex port, for every adapter."""

from collections.abc import Iterator

import pytest

from shared.adapters.local.file_index import BATCH, DigestIndex
from shared.ports.file_index import FileIndex, Suspect
from shared.ports.media_store import StoredFile
from tests.support.builders import NOON


@pytest.fixture
def index() -> Iterator[FileIndex]:
    opened = DigestIndex()
    yield opened
    opened.close()


def a_file(key: str, size_bytes: int = 5) -> StoredFile:
    return StoredFile(key, size_bytes, NOON)


def test_files_that_are_listed_as_expected_are_no_suspects(index: FileIndex) -> None:
    index.expect([("video", 5), ("thumbnail", None)])

    assert list(index.compare([a_file("thumbnail", 3), a_file("video")])) == []
    assert not index.has_suspects
    assert index.suspect("video") is None


def test_file_that_is_not_listed_is_a_suspect(index: FileIndex) -> None:
    index.expect([("video", 5), ("thumbnail", None)])

    assert list(index.compare([a_file("video")])) == []
    assert index.has_suspects
    assert index.suspect("thumbnail") == Suspect(None)
    assert index.suspect("video") is None


def test_file_of_another_size_is_a_suspect(index: FileIndex) -> None:
    index.expect([("video", 5)])

    assert list(index.compare([a_file("video", 4)])) == []
    assert index.suspect("video") == Suspect(4)


def test_file_that_is_neither_expected_nor_tolerated_is_yielded(index: FileIndex) -> None:
    index.expect([("video", 5)])
    index.tolerate(["maybe", "maybe"])
    orphan = a_file("orphan")

    assert list(index.compare([a_file("video"), a_file("maybe"), orphan])) == [orphan]
    assert index.suspect("maybe") is None


def test_many_files_are_compared(index: FileIndex) -> None:
    count = 2 * BATCH + 1
    for number in range(count):
        index.expect([(f"videos/{number}", number)])

    assert list(index.compare(a_file(f"videos/{n}", n) for n in range(count))) == []
    assert not index.has_suspects
