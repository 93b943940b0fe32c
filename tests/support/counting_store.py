"""A store that counts what Firestore would bill: documents read, written and deleted."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from shared.adapters.documents import to_fields
from shared.adapters.firestore.internals import with_internals
from shared.domain.keys import Collection, DocumentT, Key
from shared.ports.store import Decision, Document, Found, Plan, ResultT, Store, planned

SEQUENTIAL_FIELDS = ("availableAt", "sweepAt", "deadlineAt")
"""The times of a creation that are the first varying field of an index."""
ON_A_PAGE = (Collection.CREATIONS, Collection.USERS)
"""The collections whose changes an event stream delivers."""


class CountingStore:
    """Forwards to another store; a creation counts as two documents, as Firestore stores it."""

    def __init__(self, store: Store) -> None:
        self.reads = self.writes = self.deletes = self.shown = 0
        self.entries: Counter[str] = Counter()
        """How often an indexed time was written."""
        self._store = store

    def transact(
        self, reading: Sequence[Key[Any]], decide: Callable[[Found], Decision[ResultT]]
    ) -> ResultT:
        decided: list[tuple[Found, Plan | None]] = []

        def watched(found: Found) -> Decision[ResultT]:
            decision = decide(found)
            decided.append((found, planned(decision, found)))
            return decision

        result = self._store.transact(reading, watched)
        self.reads += len(with_internals(reading))
        found, plan = decided[-1]
        if plan is not None:
            self._count(found, plan)
        return result

    def get(self, key: Key[DocumentT]) -> DocumentT | None:
        self.reads += len(with_internals([key]))
        return self._store.get(key)

    def _count(self, found: Found, plan: Plan) -> None:
        written = [*plan.creates, *plan.updates]
        self.writes += len(with_internals(each.key for each in written))
        self.deletes += len(with_internals(plan.removes))
        for each in written:
            self.shown += each.key.collection in ON_A_PAGE
            if each.key.collection is Collection.CREATIONS:
                before, after = _times(found.documents.get(each.key)), _times(each)
                self.entries.update(name for name in after if before[name] != after[name])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def _times(document: Document | None) -> dict[str, object]:
    fields = to_fields(document) if document is not None else {}
    return {name: fields.get(name) for name in SEQUENTIAL_FIELDS}
