"""Mutants of searches, and of the ledger's creations."""

from shared.domain.search import Search
from shared.lifecycle.reading import Reading
from shared.lifecycle.searching import Searching
from tests.simulation.mutation import Mutant, one

SEARCH_MUTANTS: list[Mutant] = [
    one(
        "a search shows the creations of others",
        Reading,
        "every_own",
        "self.store.created_by(owner, page)",
        "[*self.store.created_by(owner, page), *self.store.feed(page)]",
        seed=174,
    ),
    one(
        "a search leaves out what is published",
        Reading,
        "every_own",
        "self.store.created_by(owner, page)",
        "self.store.drafts(owner, DraftsFilter(), page)",
        seed=14,
    ),
    one(
        "a search finds any of its words",
        Search,
        "matches",
        "return all(",
        "return any(",
        seed=3,
    ),
    one(
        "a search compares no status",
        Search,
        "matches",
        "self.status not in (None, creation.status)",
        "False",
        seed=3,
    ),
    one(
        "a search begins again on each page",
        Searching,
        "_search",
        "after = page.after",
        "after = None",
        seed=116,
    ),
    one(
        "the ledger pairs movements with the wrong creations",
        Reading,
        "moved_for",
        "creations = [found.get(key) if key else None for key in keys]",
        "creations = [found.get(key) if key else None for key in reversed(keys)]",
        seed=3,
    ),
]
