"""The feed and the profiles for anonymous readers, cached for a few seconds."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Any, cast

import anyio
import pytest
from starlette.requests import Request

from api_service.page_cache import LOADS_MAX, PAGES_MAX, TTL_S, PageCache
from shared.domain.creation import Creation
from shared.ports.store import Page, Store, Stored
from tests.api.conftest import Api
from tests.support.builders import ADA, BEN
from tests.support.eventually import eventually
from tests.support.fakes import FakeClock


class CountedStore:
    """A store that counts reads of lists and can block them."""

    def __init__(self, store: Store) -> None:
        self.reads = 0
        self.running = 0
        self.may_answer = Event()
        self.may_answer.set()
        self._store = store

    def feed(self, page: Page) -> list[Stored[Creation]]:
        return self._counted(lambda: self._store.feed(page))

    def published_by(self, username: str, page: Page) -> list[Stored[Creation]]:
        return self._counted(lambda: self._store.published_by(username, page))

    def _counted(self, read: Callable[[], list[Stored[Creation]]]) -> list[Stored[Creation]]:
        self.reads += 1
        self.running += 1
        found = read()
        assert self.may_answer.wait(30)
        self.running -= 1
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.fixture
def counted(api: Api) -> CountedStore:
    store = CountedStore(api.world.sqlite)
    api.world.store.store = cast("Store", store)
    return store


def shown(api: Api, path: str = "/api/feed") -> list[str]:
    answer = api.client().get(path)
    assert answer.status_code == 200, answer.text
    return [each["creationId"] for each in answer.json()["creations"]]


@pytest.mark.parametrize("path", ["/api/feed", "/api/profiles/ada"])
def test_page_is_loaded_once_per_ttl(api: Api, counted: CountedStore, path: str) -> None:
    published = api.world.published()
    pages = [shown(api, path) for _ in range(20)]

    assert pages == [[published.creation_id]] * 20
    assert counted.reads == 1

    api.world.clock.sleep(TTL_S + 0.1)

    assert shown(api, path) == [published.creation_id]
    assert counted.reads == 2


def test_each_page_is_cached_separately(api: Api, counted: CountedStore) -> None:
    first = api.world.published()
    api.world.clock.sleep(1)
    second = api.world.published(user=BEN)
    cursor = api.client().get("/api/feed?limit=1").json()["nextCursor"]
    pages = [
        shown(api, path)
        for path in (
            "/api/feed?limit=1",
            f"/api/feed?limit=1&cursor={cursor}",
            "/api/profiles/ada",
            "/api/profiles/ben",
        )
    ]

    newest, oldest = second.creation_id, first.creation_id
    assert pages == [[newest], [oldest], [oldest], [newest]]
    assert counted.reads == 4


@pytest.mark.parametrize("path", ["/api/feed", "/api/profiles/ada"])
def test_shared_caches_may_keep_what_anonymous_readers_get(api: Api, path: str) -> None:
    api.world.published()
    client = api.client()
    whole = client.get(path)
    same = client.get(path, headers={"If-None-Match": whole.headers["ETag"]})

    assert (whole.status_code, same.status_code) == (200, 304)
    for answer in (whole, same):
        caching = answer.headers["Cache-Control"]
        assert caching == "public, s-maxage=5, stale-while-revalidate=30"
        assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("path", ["/api/feed", "/api/profiles/ada"])
def test_no_shared_cache_keeps_what_a_signed_in_reader_gets(
    api: Api, counted: CountedStore, path: str
) -> None:
    api.world.published()
    anonymous = api.client().get(path)
    whole = api.client(ADA).get(path)
    same = api.client(ADA).get(path, headers={"If-None-Match": whole.headers["ETag"]})

    assert (whole.status_code, same.status_code) == (200, 304)
    assert whole.content == anonymous.content
    for answer in (whole, same):
        assert answer.headers["Cache-Control"] == "private, no-cache"
    assert counted.reads == 1


def test_no_shared_cache_keeps_an_error(api: Api) -> None:
    for path in ("/api/profiles/nobody", "/api/feed?limit=0"):
        assert api.client().get(path).headers["Cache-Control"] == "no-store"


def test_page_with_known_etag_is_304_from_the_cache(api: Api, counted: CountedStore) -> None:
    api.world.published()
    client = api.client()
    tag = client.get("/api/feed").headers["ETag"]
    again = client.get("/api/feed", headers={"If-None-Match": tag})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == tag
    assert counted.reads == 1


def test_change_by_the_owner_invalidates_the_page_at_once(api: Api) -> None:
    draft = api.world.draft()
    client, path = api.client(ADA), f"/api/generate/creation/{draft.creation_id}"
    pages = [shown(api)]
    for verb in ("publish", "unpublish", "publish"):
        assert client.post(f"{path}/{verb}").status_code == 200
        pages.append(shown(api))
    client.post(f"{path}/publish", json={"caption": "First snow"})
    captions = [each["caption"] for each in api.client().get("/api/feed").json()["creations"]]
    assert client.delete(path).status_code == 204
    pages.append(shown(api))

    here = [draft.creation_id]
    assert pages == [[], here, [], here, []]
    assert captions == ["First snow"]


def test_page_invalidated_while_loading_is_not_cached(api: Api, counted: CountedStore) -> None:
    published = api.world.published()
    counted.may_answer.clear()
    with ThreadPoolExecutor() as threads:
        loading = threads.submit(shown, api)
        eventually(lambda: counted.running == 1)
        api.client(ADA).post(f"/api/generate/creation/{published.creation_id}/unpublish")
        counted.may_answer.set()
        loading.result()

    assert shown(api) == []


def test_refused_change_does_not_invalidate_the_cache(api: Api, counted: CountedStore) -> None:
    shown(api)
    for verb in ("publish", "unpublish"):
        api.client(ADA).post(f"/api/generate/creation/{'a' * 26}/{verb}")
    api.client(ADA).delete(f"/api/generate/creation/{'a' * 26}")
    shown(api)

    assert counted.reads == 1


def test_concurrent_requests_for_a_page_share_one_load(api: Api, counted: CountedStore) -> None:
    api.world.published()
    counted.may_answer.clear()
    with ThreadPoolExecutor(20) as threads:
        loading = [threads.submit(shown, api) for _ in range(20)]
        eventually(lambda: counted.running == 1)
        alive = api.client().get("/api/web-config")
        counted.may_answer.set()
        pages = [each.result() for each in loading]

    assert alive.status_code == 200
    assert counted.reads == 1
    assert all(page == pages[0] for page in pages)


def test_concurrent_loads_are_limited(api: Api, counted: CountedStore) -> None:
    counted.may_answer.clear()
    with ThreadPoolExecutor(20) as threads:
        loading = [threads.submit(shown, api, f"/api/feed?limit={n}") for n in range(1, 21)]
        eventually(lambda: counted.running == LOADS_MAX)
        assert api.client(ADA).get("/api/me").status_code == 200
        most = counted.running
        counted.may_answer.set()
        for each in loading:
            each.result()

    assert most == LOADS_MAX
    assert counted.reads == 20


def test_failed_load_is_not_cached(api: Api) -> None:
    assert api.client().get("/api/profiles/nobody").status_code == 404
    api.world.phoenix.accounts.of(api.world.identity.caller(api.world.identity.sign_in("nobody")))

    assert api.client().get("/api/profiles/nobody").status_code == 200


def test_cache_size_is_limited() -> None:
    pages = PageCache(FakeClock())
    request = Request({"type": "http", "headers": []})
    loaded: list[int] = []

    def page(number: int) -> bytes:
        loaded.append(number)
        return b"x"

    async def read(numbers: list[int]) -> None:
        for number in numbers:
            await pages.respond(request, number, partial(page, number))

    anyio.run(read, [*range(PAGES_MAX), 0, PAGES_MAX, 0, 1])

    assert loaded == [*range(PAGES_MAX), PAGES_MAX, 1]
