"""Time pages of the store in this process, with the modules of the tree that runs this.

    python -P pages.py USER DEPTH REPEATS

Prints JSON: for each list, the microseconds of its first page and of the page after DEPTH documents.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from shared import settings, wiring
from shared.domain.keys import UserId
from shared.ports.store import Cursor, DraftsFilter, Page

LIMIT = 20

Read = Callable[[Page], list[Any]]


def main() -> None:
    user, depth, repeats = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    store, user_id = wiring.build(settings.load(os.environ)).ports.store, UserId(sys.argv[1])
    lists: dict[str, tuple[Read, Callable[[Any], Cursor]]] = {
        "feed": (store.feed, lambda each: Cursor(each.published_at, each.creation_id)),
        "drafts": (
            partial(store.drafts, user_id, DraftsFilter()),
            lambda each: Cursor(each.created_at, each.creation_id),
        ),
        "ledger": (
            partial(store.ledger, user_id),
            lambda each: Cursor(each.sequence, each.entry_id),
        ),
        "profile": (
            partial(store.published_by, user),
            lambda each: Cursor(each.published_at, each.creation_id),
        ),
    }
    found = {}
    for name, (read, cursor) in lists.items():
        last = parsed(read(Page(depth))[-1])
        pages = {"first": Page(LIMIT), "deep": Page(LIMIT, cursor(last))}
        found[name] = {which: timed(read, page, repeats) for which, page in pages.items()}
    print(json.dumps(found))  # noqa: T201 (read by the benchmark)


def parsed(document: Any) -> Any:  # noqa: ANN401 (any document)
    """Return a document; some trees read it first and parse it when it is needed."""
    return document.parse() if hasattr(document, "parse") else document


def timed(read: Read, page: Page, repeats: int) -> float:
    """Return the median time of a page in microseconds of CPU."""
    assert len(read(page)) == LIMIT
    times = []
    for _ in range(repeats):
        began = time.process_time_ns()
        for document in read(page):
            parsed(document)
        times.append(time.process_time_ns() - began)
    return statistics.median(times) / 1000


if __name__ == "__main__":
    main()
