"""A cache of public pages: anonymous readers cost one store read per page and `TTL_S`.

A publication that another process unpublishes disappears within `TTL_S`; one that this process
unpublishes disappears at once. A CDN in front may show it for `CDN_S` and `CDN_STALE_S` more. Every
method but `invalidate` runs on the event loop.
"""

import asyncio
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import Request, Response

from api_service.etags import etag_response, tag_of
from api_service.lru import LRU
from api_service.threads import THREADS
from shared.domain.errors import RequestError, Unavailable
from shared.ports.clock import Clock

TTL_S = 5
PAGES_MAX = 256  # a page of 50 publications takes about 40 KB
CDN_S = 5  # how long a shared cache may use a page
CDN_STALE_S = 30  # and how much longer, while it fetches the next one
ANONYMOUS_CACHING = f"public, s-maxage={CDN_S}, stale-while-revalidate={CDN_STALE_S}"
LOADS_MAX = 8  # concurrent loads: other requests need threads and the store, too


@dataclass(frozen=True)
class _Page:
    content: bytes
    etag: str
    expires_at_s: float
    generation: int


class PageCache:
    """The LRU cache of one process, with one load at a time for each page."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pages: LRU[_Page] = LRU(PAGES_MAX)
        self._loading: dict[Hashable, asyncio.Task[_Page]] = {}
        self._slots = asyncio.Semaphore(LOADS_MAX)
        self._generation = 0

    def invalidate(self) -> None:
        """Drop every page, including those being loaded. Thread-safe."""
        self._generation += 1

    @contextmanager
    def invalidating(self) -> Iterator[None]:
        """Drop every page after the block, unless a refusal proves that nothing has changed."""
        try:
            yield
        except RequestError as error:
            if isinstance(error, Unavailable):
                self.invalidate()
            raise
        self.invalidate()

    async def respond(
        self,
        request: Request,
        key: Hashable,
        load: Callable[[], bytes],
        extra: Mapping[str, str] | None = None,
    ) -> Response:
        """Return a page as JSON, or 304; on a miss, `load` runs in a thread.

        `extra` headers may name another content type. Shared caches may keep only what an anonymous
        reader gets (RFC 9111, RFC 5861).
        """
        page = await self._page(key, load)
        headers = {"Vary": "Origin", **(extra or {})}
        if "authorization" not in request.headers:
            headers["Cache-Control"] = ANONYMOUS_CACHING
        return etag_response(request, page.etag, lambda: page.content, headers)

    async def _page(self, key: Hashable, load: Callable[[], bytes]) -> _Page:
        generation = self._generation
        page = self._pages.get(key)
        now_s = self._clock.monotonic_s()
        if page and page.generation == generation and now_s < page.expires_at_s:
            return page
        loading = self._loading.get((generation, key))
        if loading is None:
            loading = asyncio.create_task(self._load(key, load, generation))
            self._loading[generation, key] = loading
            loading.add_done_callback(lambda _: self._loading.pop((generation, key)))
        return await asyncio.shield(loading)

    async def _load(self, key: Hashable, load: Callable[[], bytes], generation: int) -> _Page:
        async with self._slots:
            expires_at_s = self._clock.monotonic_s() + TTL_S  # counts from before the read
            content = await THREADS.run(load)
        page = _Page(content, tag_of(content), expires_at_s, generation)
        self._pages.put(key, page)
        return page
