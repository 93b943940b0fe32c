"""Searches read a limited number of documents, and continue where they ended."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from shared.domain.creation import Creation
from shared.domain.keys import CreationId, UserId
from shared.domain.search import Search
from shared.lifecycle.reading import Reading
from shared.lifecycle.searching import SEARCHED_AT_ONCE, SEARCHED_MAX, Results, Searching
from shared.ports.store import Cursor, Page, Store, Stored
from tests.simulation.store import CalmCalls, SimulatedStore
from tests.support.builders import ADA, BEN, NOON, a_creation, seconds

FOX = Search(words=("fox",))


@dataclass
class Counting:
    """A store that counts what it returns."""

    store: Any
    read: int = 0
    parsed: int = 0

    def created_by(self, user_id: UserId, page: Page) -> list[Stored[Creation]]:
        found = self.store.created_by(user_id, page)
        self.read += len(found)
        return [replace(each, parse=lambda each=each: self._parse(each)) for each in found]

    def _parse(self, stored: Stored[Creation]) -> Creation:
        self.parsed += 1
        return stored.parse()


@pytest.fixture
def store() -> Counting:
    return Counting(SimulatedStore(CalmCalls()))


def fill(store: Counting, prompts: Iterable[str], *, user: str = ADA) -> list[Creation]:
    """Store a creation for each prompt, and return them newest first."""
    creations = [
        a_creation(str(n), user_id=user, prompt=prompt, created_at=NOON + seconds(n // 2))
        for n, prompt in enumerate(prompts)
    ]
    store.store.begin_with(creations)
    return sorted(creations, key=lambda each: (each.created_at, each.creation_id), reverse=True)


def searching(store: Any) -> Searching:
    checked: Store = store
    return Searching(Reading(checked))


def pages(store: Counting, search: Search, limit: int) -> list[list[CreationId]]:
    """Return the ids of every page."""
    found: list[list[CreationId]] = []
    after: Cursor | None = None
    while True:
        results: Results = searching(store).search(ADA, search, Page(limit, after))
        found.append([each.parse().creation_id for each in results.found])
        if results.last is None:
            return found
        last = results.last.parse()
        after = Cursor(last.created_at, last.creation_id)


@pytest.mark.parametrize("limit", [1, 2, 7, 50])
@pytest.mark.parametrize("search", [FOX, Search()], ids=["words", "everything"])
def test_pages_contain_each_match_once_newest_first(
    store: Counting, search: Search, limit: int
) -> None:
    mine = fill(store, ["a fox" if n % 3 == 0 else "a bear" for n in range(20)])
    fill(store, ["a fox"] * 3, user=BEN)
    expected = [each.creation_id for each in mine if search.matches(each)]

    found = pages(store, search, limit)

    assert [id_ for page in found for id_ in page] == expected
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert found[-1], "a list that ends needs no empty page"


def test_search_without_a_match_ends_after_its_limit_and_continues(store: Counting) -> None:
    *_, oldest = fill(store, ["a fox"] + ["a bear"] * SEARCHED_MAX)

    first = searching(store).search(ADA, FOX, Page(20))

    assert (first.found, store.read) == ([], SEARCHED_MAX)
    assert first.last is not None
    assert pages(store, FOX, 20) == [[], [oldest.creation_id]]


def test_full_page_is_read_no_further_than_needed(store: Counting) -> None:
    fill(store, ["a fox"] * (2 * SEARCHED_AT_ONCE))

    results = searching(store).search(ADA, FOX, Page(20))

    assert (len(results.found), store.read) == (20, SEARCHED_AT_ONCE)


def test_matches_of_several_reads_fill_a_page(store: Counting) -> None:
    count = 2 * SEARCHED_AT_ONCE
    fill(store, ["a fox" if n in (0, count - 1) else "a bear" for n in range(count)])

    assert [len(page) for page in pages(store, FOX, 2)] == [2]


def test_list_without_words_parses_no_document(store: Counting) -> None:
    fill(store, ["a fox"] * 30)

    results = searching(store).search(ADA, Search(), Page(20))

    assert (len(results.found), store.read, store.parsed) == (20, 21, 0)


def test_found_documents_are_parsed_once(store: Counting) -> None:
    fill(store, ["a fox"] * 5)

    results = searching(store).search(ADA, FOX, Page(20))
    for each in results.found:
        each.parse()

    assert store.parsed == 5


def test_last_document_is_one_of_the_page_when_it_is_full(store: Counting) -> None:
    fill(store, ["a fox"] * 3)

    results = searching(store).search(ADA, FOX, Page(2))

    assert results.last is results.found[-1]
