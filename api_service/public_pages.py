"""Pages that everybody may see, kept in the process for a few seconds.

Anonymous readers cost one read of the store for each page and `KEPT_S`, however many they are. A
publication that another process takes back is gone within `KEPT_S`, one that this process takes
back is gone at once. All but `clear` runs on the event loop.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

from anyio.to_thread import run_sync
from fastapi import Request, Response

from api_service.answers import is_known
from shared.domain.errors import RequestError, Unavailable
from shared.ports.clock import Clock

KEPT_S = 5
PAGES_MAX = 256
"""How many pages are kept; one of 50 publications is about 40 KB."""
LOADS_MAX = 8
"""How many pages are loaded at once; other requests need threads and the store, too."""


@dataclass(frozen=True)
class _Kept:
    content: bytes
    tag: str
    until_s: float
    generation: int


class PublicPages:
    """The cache of one process: one load at a time for each page, least recently used goes first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._loading: dict[Hashable, asyncio.Task[_Kept]] = {}
        self._slots = asyncio.Semaphore(LOADS_MAX)
        self._generation = 0

    def clear(self) -> None:
        """Forget every page, also those that are being loaded; any thread may call this."""
        self._generation += 1

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Forget every page after the block, unless it was refused and nothing can have changed."""
        try:
            yield
        except RequestError as error:
            if isinstance(error, Unavailable):
                self.clear()
            raise
        self.clear()

    async def answer(self, request: Request, key: Hashable, load: Callable[[], bytes]) -> Response:
        """Return a page as JSON, or 304; `load` runs in a thread if the page is not kept."""
        page = await self._page(key, load)
        left_s = max(0, int(page.until_s - self._clock.monotonic_s()))
        headers = {
            "Cache-Control": f"public, max-age={left_s}",
            "ETag": page.tag,
            "Vary": "Origin",
        }
        if is_known(request, page.tag):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(page.content, headers=headers, media_type="application/json")

    async def _page(self, key: Hashable, load: Callable[[], bytes]) -> _Kept:
        generation = self._generation
        kept = self._kept.get(key)
        if kept and kept.generation == generation and self._clock.monotonic_s() < kept.until_s:
            self._kept.move_to_end(key)
            return kept
        loading = self._loading.get((generation, key))
        if loading is None:
            loading = asyncio.create_task(self._loaded(key, load, generation))
            self._loading[generation, key] = loading
            loading.add_done_callback(lambda _: self._loading.pop((generation, key)))
        return await asyncio.shield(loading)

    async def _loaded(self, key: Hashable, load: Callable[[], bytes], generation: int) -> _Kept:
        async with self._slots:
            until_s = self._clock.monotonic_s() + KEPT_S  # from before the read: never older
            content = await run_sync(load)
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        page = _Kept(content, tag, until_s, generation)
        self._kept[key] = page
        self._kept.move_to_end(key)
        if len(self._kept) > PAGES_MAX:
            self._kept.popitem(last=False)
        return page
