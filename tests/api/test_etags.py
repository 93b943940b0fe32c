"""A page's ETag: derived from stored versions, without parsing or building what is not sent."""

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from api_service import etags
from api_service.etags import digest_of
from shared.domain.creation import Creation
from shared.domain.failure import Failure, FailureCode
from shared.domain.keys import DocumentT
from shared.domain.kind import Kind
from shared.domain.status import Stage, Status
from shared.ports.store import Store, Stored
from tests.api.conftest import Api
from tests.support.builders import ADA, NOON, seconds
from tests.support.documents import put

DRAFTS = "/api/generate/drafts"


def address_of(creation: Creation) -> str:
    return f"/api/generate/creation/{creation.creation_id}"


def etag(api: Api, path: str) -> str:
    answer = api.client(ADA).get(path).raise_for_status()
    return str(answer.headers["ETag"])


@dataclass
class CountedParses:
    """A store that counts the documents of lists that are parsed."""

    store: Store
    count: int = 0

    def drafts(self, *arguments: Any) -> list[Stored[Creation]]:
        return [self._counted(each) for each in self.store.drafts(*arguments)]

    def _counted(self, stored: Stored[DocumentT]) -> Stored[DocumentT]:
        def parse() -> DocumentT:
            self.count += 1
            return stored.parse()

        return replace(stored, parse=parse)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@dataclass
class CountedLinks:
    """A media store that counts the links to creations' files: each view has two."""

    media: Any
    count: int = 0

    def private_link(self, key: str, **options: Any) -> str:
        self.count += key.startswith("videos/")
        return str(self.media.private_link(key, **options))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.media, name)


def test_304_parses_no_document_and_builds_no_view(api: Api) -> None:
    drafts = [api.world.draft() for _ in range(3)]
    store = CountedParses(api.world.store.store)
    links = CountedLinks(api.world.media.media)
    api.world.store.store, api.world.media.media = store, links
    client = api.client(ADA)
    counts = []
    for path in (f"{DRAFTS}?limit=2", address_of(drafts[2])):
        tag = client.get(path).headers["ETag"]
        before = store.count, links.count
        again = client.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        counts.append((before, (store.count, links.count)))

    assert counts == [((3, 4), (3, 4)), ((3, 4), (3, 4))]


CHANGES: list[dict[str, object]] = [
    {"status": Status.FAILED},
    {"stage": Stage.UPLOADING},
    {"progress": 41},
    {"prompt": "a hare"},
    {"cost_tokens": 11},
    {"error": Failure.of(FailureCode.INTERNAL)},
    {"refunded": True},
    {"queue_error_code": "UNAVAILABLE"},
    {"media_key": "videos/ada/x/2.mp4"},
    {"thumbnail_key": None},
    {"kind": Kind.IMAGE},
    {"caption": "First snow"},
    {"like_count": 1},
    {"width": 720},
    {"height": 1280},
    {"size_bytes": 6},
    {"duration_s": 6},
    {"aspect_ratio": "9:16"},
    {"attempt": 2},
    {"run_number": 2},
    {"retry_at": NOON},
    {"deadline_at": NOON},
    {"created_at": NOON - seconds(0.001)},
    {"updated_at": NOON + seconds(0.001)},
    {"published_at": NOON},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_etag_changes_with_each_shown_field(api: Api, change: dict[str, Any]) -> None:
    draft = api.world.draft()
    client, answers = api.client(ADA), []
    for state in (draft, replace(draft, **change), draft):
        put(api.world.sqlite, state)
        answers.append([client.get(path) for path in (DRAFTS, address_of(draft))])

    for before, changed, restored in zip(*answers, strict=True):
        assert before.json() == restored.json() != changed.json()
        assert before.headers["ETag"] == restored.headers["ETag"] != changed.headers["ETag"]


def test_etag_changes_when_the_list_ends_with_the_page(api: Api) -> None:
    oldest = api.world.draft()
    api.world.clock.sleep(1)
    api.world.draft()
    path = f"{DRAFTS}?limit=1"
    before = api.client(ADA).get(path)
    api.client(ADA).delete(address_of(oldest)).raise_for_status()
    after = api.client(ADA).get(path)

    assert after.json() == before.json() | {"nextCursor": None}
    assert after.headers["ETag"] != before.headers["ETag"]


def test_empty_page_of_another_filter_has_another_etag(api: Api) -> None:
    assert etag(api, f"{DRAFTS}?status=failed") != etag(api, f"{DRAFTS}?status=draft")


@pytest.mark.parametrize("known", ["*", 'W/{tag}, "x"', '"x", {tag}'])
def test_every_form_of_if_none_match_is_304(api: Api, known: str) -> None:
    api.world.draft()
    tag = etag(api, DRAFTS)
    answer = api.client(ADA).get(DRAFTS, headers={"If-None-Match": known.format(tag=tag)})

    assert answer.status_code == 304
    assert answer.headers["ETag"] == tag


def test_unfinished_creation_keeps_retry_after_on_a_304(api: Api) -> None:
    opened = api.world.open().creation
    tag = etag(api, address_of(opened))
    answer = api.client(ADA).get(address_of(opened), headers={"If-None-Match": tag})

    assert (answer.status_code, "Retry-After" in answer.headers) == (304, True)


def test_304_needs_the_owner(api: Api) -> None:
    theirs = api.world.draft(user="ben")
    answer = api.client(ADA).get(address_of(theirs), headers={"If-None-Match": "*"})

    assert answer.status_code == 404


def test_release_with_another_program_has_another_digest(tmp_path: Path) -> None:
    digests = []
    for name, text in (("one", "a = 1"), ("same", "a = 1"), ("other", "a = 2")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "view.py").write_text(text)
        digests.append(digest_of(folder))

    assert digests[0] == digests[1] != digests[2]


def test_another_release_has_another_etag(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = api.client("ada")
    before = ada.get("/api/generate/drafts").headers["ETag"]

    monkeypatch.setattr(etags, "release", lambda: "the next")

    assert ada.get("/api/generate/drafts").headers["ETag"] != before


OF_ANOTHER_PROCESS = """
import asyncio, sys
from pathlib import Path
import httpx
from api_service.app import create_app
from tests.support.world import World

async def etag(world, path):
    transport = httpx.ASGITransport(create_app(world.phoenix))
    headers = {"Authorization": f"Bearer {world.identity.sign_in('ada')}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return (await client.get(path, headers=headers)).headers["ETag"]

world = World(Path(sys.argv[1]))
for path in sys.argv[2:]:
    print(asyncio.run(etag(world, path)))
world.close()
"""


def test_etag_is_the_same_in_every_process(api: Api) -> None:
    paths = [DRAFTS, address_of(api.world.draft())]
    theirs = subprocess.run(
        [sys.executable, "-c", OF_ANOTHER_PROCESS, api.world.folder, *paths],
        env={"PYTHONPATH": ".", "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert theirs.stdout.split() == [etag(api, path) for path in paths]
