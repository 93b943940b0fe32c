"""The local media store beyond its port: path traversal and signatures."""

import shutil
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.adapters.local.media_store import FileMediaStore
from shared.domain.errors import MediaUnavailable, Unauthenticated
from shared.domain.media import MediaFormat
from tests.support.builders import NOON

KEY = "images/ada/x/1.png"


@pytest.fixture
def files(tmp_path: Path) -> FileMediaStore:
    return FileMediaStore(tmp_path / "media", base_url="http://localhost:1", secret=b"secret")


def query_of(files: FileMediaStore, key: str = KEY) -> dict[str, str]:
    link = files.private_link(key, expires_at=NOON + timedelta(hours=1))
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}


def test_signature_is_valid_for_one_key_and_one_expiry(files: FileMediaStore) -> None:
    query = query_of(files)
    later = str(int(query["expires"]) + 1)
    other_store = FileMediaStore(files._folder, base_url="http://localhost:1", secret=b"other")

    assert files.opened_by_link(KEY, **query, now=NOON)
    for store, key, changes in (
        (files, KEY + "x", {}),
        (files, KEY, {"expires": later}),
        (files, KEY, {"signature": "0" * 64}),
        (files, KEY, {"signature": ""}),
        (files, KEY, {"signature": "é"}),
        (files, KEY, {"expires": ""}),
        (files, KEY, {"expires": "²"}),
        (files, KEY, {"expires": "-1"}),
        (other_store, KEY, {}),
    ):
        with pytest.raises(Unauthenticated):
            store.opened_by_link(key, **query | changes, now=NOON)


def test_link_expires_at_its_time(files: FileMediaStore) -> None:
    query = query_of(files)

    assert files.opened_by_link(KEY, **query, now=NOON + timedelta(minutes=59))
    with pytest.raises(Unauthenticated):
        files.opened_by_link(KEY, **query, now=NOON + timedelta(minutes=60))


@pytest.mark.parametrize(
    "key", ["../../etc/passwd", "/etc/passwd", "public/../../key", "a/../../x"]
)
def test_path_traversal_is_refused(files: FileMediaStore, key: str) -> None:
    with pytest.raises(MediaUnavailable):
        files.path_of(key)


def test_public_key_cannot_reach_the_private_area(files: FileMediaStore) -> None:
    with pytest.raises(MediaUnavailable):
        files.path_of("public/../private/images/ada/x/1.png")


def test_file_larger_than_the_disk_has_no_room(files: FileMediaStore) -> None:
    assert files.has_room(1)
    assert not files.has_room(1 << 60)


def test_folder_that_was_removed_is_unavailable_and_not_a_missing_file(
    files: FileMediaStore, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "media")

    with pytest.raises(MediaUnavailable):
        files.publish(KEY, "public/x/1.png")
    with pytest.raises(MediaUnavailable):
        files.has_room(1)
    with pytest.raises(MediaUnavailable):
        files.check_writable()


def test_interrupted_upload_leaves_no_file(files: FileMediaStore, tmp_path: Path) -> None:
    with pytest.raises(MediaUnavailable):
        files.put(tmp_path / "missing", KEY, media_format=MediaFormat.PNG)

    assert list(files.everything()) == []
    assert list((tmp_path / "media" / "incoming").iterdir()) == []
