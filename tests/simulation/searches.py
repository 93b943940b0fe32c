"""Owners who search their creations and read their ledger, and checks of what they see.

A creation that matches and does not change during the search must be shown, and nothing else that does
not match. Pages are short, so that most searches need several.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from shared.domain.creation import Creation
from shared.domain.keys import CreationId, UserId
from shared.domain.ledger import LedgerEntry
from shared.domain.search import Search, searched_words
from shared.domain.status import Status
from shared.lifecycle.searching import Results
from shared.ports.store import Cursor, Page
from tests.simulation.clients import Clients

LIKELIHOOD = 0.1
ROUNDS = 3
SLEEP_S = 1500.0
LIMIT = 1
PAGES_MAX = 20
"""More than any history needs."""
LEDGER_LIMIT = 50
SEARCHES: tuple[tuple[str, Status | None], ...] = (
    ("SNOW fox", None),
    ("fox bear", None),
    ("fox", Status.PUBLISHED),
    ("fox", Status.FAILED),
)
"""Words, and a status."""
FOUND = frozenset({"SNOW fox", "fox"})
"""The words that are all in `clients.PROMPT`, which every creation here has."""


def begin(
    clients: Clients, user: UserId, *, spawn: Callable[[str, Callable[[], None]], None]
) -> None:
    """Let a user search in some histories."""
    if clients.simulation.chance(f"{user}.search", "is there") < LIKELIHOOD:
        spawn(f"{user}.search", partial(_search_again, clients, user))


def _search_again(clients: Clients, user: UserId) -> None:
    for number in range(ROUNDS):
        name = f"{user}.search.{number}"
        clients.simulation.sleep(SLEEP_S * clients.simulation.chance(name, "sleep"))
        for words, status in SEARCHES:
            _search(clients, f"{name}.{words}.{status}", user, words, status)
        _read_ledger(clients, f"{name}.ledger", user)


def _search(clients: Clients, name: str, user: UserId, words: str, status: Status | None) -> None:
    def wanted() -> dict[CreationId, Creation]:
        return {
            each.creation_id: each
            for each in _creations(clients)
            if each.user_id == user and words in FOUND and status in (None, each.status)
        }

    before = wanted()
    shown = _every_page(clients, name, user, Search(words=searched_words(words), status=status))
    if shown is None:
        return
    after, must = wanted(), clients.inspector.must
    ids = [each.creation_id for each in shown]
    unchanged = {id_ for id_, each in before.items() if after.get(id_) == each}
    must(len(ids) == len({*ids}), "I8", f"{name} shows a creation twice")
    must(unchanged <= {*ids}, "I8", f"{name} leaves out {sorted(unchanged - {*ids})}")
    for each in shown:
        is_right = words in FOUND and status in (None, each.status)
        must(each.user_id == user, "I8", f"{name} shows {each.user_id}'s {each.creation_id}")
        must(is_right, "I8", f"{name} shows {each.creation_id}, which is {each.status}")
    clients.simulation.marks["searched"] += 1
    clients.simulation.marks["search_found"] += bool(shown)


def _every_page(clients: Clients, name: str, user: UserId, search: Search) -> list[Creation] | None:
    """Return what all pages show, or None if one was not answered."""
    shown: list[Creation] = []
    after: Cursor | None = None
    for number in range(PAGES_MAX):
        request = partial(clients.phoenix.searching.search, user, search, Page(LIMIT, after))
        answer = clients.call_with_retry(f"{name}.{number}", request)
        if not isinstance(answer, Results):
            return None
        shown += [each.parse() for each in answer.found]
        if answer.last is None:
            break
        last = answer.last.parse()
        after = Cursor(last.created_at, last.creation_id)
    return shown


def _read_ledger(clients: Clients, name: str, user: UserId) -> None:
    reading = clients.phoenix.reading

    def read() -> list[tuple[LedgerEntry, Creation | None]]:
        entries = [each.parse() for each in reading.ledger(user, Page(LEDGER_LIMIT))]
        return [*zip(entries, reading.moved_for(entries, owner=user), strict=True)]

    answer: Any = clients.call_with_retry(name, read)
    for entry, creation in answer if isinstance(answer, list) else ():
        _check_movement(clients, name, entry, creation)


def _check_movement(
    clients: Clients, name: str, entry: LedgerEntry, creation: Creation | None
) -> None:
    must, id_ = clients.inspector.must, entry.creation_id
    if creation is not None:
        must(creation.creation_id == id_, "I8", f"{name}: {entry.entry_id} has another creation")
        must(creation.user_id == entry.user_id, "I8", f"{name} shows another user's creation")
    is_there = id_ is not None and clients.store.creation(id_) is not None
    must(creation or not is_there, "I8", f"{name}: {entry.entry_id} has no creation")


def _creations(clients: Clients) -> Iterable[Creation]:
    return [each for each in clients.store.documents.values() if isinstance(each, Creation)]
