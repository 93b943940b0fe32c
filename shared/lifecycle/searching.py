"""Searching a user's own creations. No store searches texts, so pages are read and filtered.

One request reads at most `SEARCHED_MAX` documents. A page that is shorter for that reason, even an
empty one, names the document after which the list continues.
"""

from dataclasses import dataclass, replace

from shared.domain.creation import Creation
from shared.domain.keys import UserId
from shared.domain.search import Search
from shared.lifecycle.reading import Reading
from shared.ports.store import Cursor, Page, Stored

SEARCHED_MAX = 500
"""Documents that one request reads."""
SEARCHED_AT_ONCE = 100
"""Documents per read."""


@dataclass(frozen=True)
class Results:
    """A page; the list continues after `last`, or ends if that is None."""

    found: list[Stored[Creation]]
    last: Stored[Creation] | None


@dataclass(frozen=True)
class Searching:
    reading: Reading

    def search(self, owner: UserId, search: Search, page: Page) -> Results:
        """Return the owner's creations that match, also published ones, newest first."""
        if search.matches_everything:
            found = self.reading.every_own(owner, replace(page, limit=page.limit + 1))
            return _page(found, page.limit)
        return self._search(owner, search, page)

    def _search(self, owner: UserId, search: Search, page: Page) -> Results:
        found: list[Stored[Creation]] = []
        after = page.after
        left = SEARCHED_MAX
        while True:
            read = self.reading.every_own(owner, Page(SEARCHED_AT_ONCE, after))
            parsed = [_parsed(each) for each in read]
            found += [each for each in parsed if search.matches(each.parse())]
            if len(found) > page.limit or len(parsed) < SEARCHED_AT_ONCE:
                return _page(found, page.limit)
            left -= SEARCHED_AT_ONCE
            if left < SEARCHED_AT_ONCE:
                return Results(found, parsed[-1])
            last = parsed[-1].parse()
            after = Cursor(last.created_at, last.creation_id)


def _page(found: list[Stored[Creation]], limit: int) -> Results:
    """Return the first of them; the list continues if there are more."""
    has_more = len(found) > limit
    return Results(found[:limit], found[limit - 1] if has_more else None)


def _parsed(stored: Stored[Creation]) -> Stored[Creation]:
    creation = stored.parse()
    return replace(stored, parse=lambda: creation)
