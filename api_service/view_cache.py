"""Views as JSON, each built once while its document and its links stay the same."""

import json
from collections.abc import Callable, Hashable
from typing import Any

from api_service.lru import LRU
from api_service.paging import Listed
from api_service.responses import View
from shared.ports.store import Stored

VIEWS_MAX = 2_048  # one takes 2 to 10 KB, by its prompt


class ViewCache:
    """The views that one process built last; thread-safe."""

    def __init__(self) -> None:
        self._views: LRU[bytes] = LRU(VIEWS_MAX)

    def one(
        self, name: str, stored: Stored[Any], of: Callable[..., View], *others: Hashable
    ) -> bytes:
        """Return `{name: view}`, where the view is `of(document, *others)`."""
        return b'{"%b":%b}' % (name.encode(), self._json(of, stored, *others))

    def page(
        self, name: str, listed: Listed[Any], of: Callable[..., View], *others: Hashable
    ) -> bytes:
        """Return `{name: views, "nextCursor": ..}`, where each view is `of(document, *others)`."""
        views = b",".join([self._json(of, each, *others) for each in listed.items])
        next_cursor = json.dumps(listed.next_cursor()).encode()
        return b'{"%b":[%b],"nextCursor":%b}' % (name.encode(), views, next_cursor)

    def _json(self, of: Callable[..., View], stored: Stored[Any], *others: Hashable) -> bytes:
        key = (of, stored.version, others)
        if (known := self._views.get(key)) is not None:
            return known
        built = of(stored.parse(), *others).model_dump_json(by_alias=True).encode()
        self._views.put(key, built)
        return built
