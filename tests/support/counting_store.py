"""A store that counts what Firestore would bill: documents read, written and deleted."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from shared.adapters.documents import to_fields
from shared.adapters.firestore.internals import with_internals
from shared.domain.keys import Collection, DocumentT, Key
from shared.ports.store import Decision, Document, Found, Plan, ResultT, Store, planned

ON_A_PAGE = (Collection.CREATIONS, Collection.USERS)
"""The collections whose changes an event stream delivers."""


class CountingStore:
    """Forwards to another store; a creation counts as two documents, as Firestore stores it."""

    def __init__(self, store: Store, *, watched: Iterable[str] = ()) -> None:
        """`watched`: fields as `collection.field`; `entries` counts the writes that change them."""
        self.reads = self.writes = self.deletes = self.shown = 0
        self.entries: Counter[str] = Counter()
        self._watched = frozenset(watched)
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
            before, after = _fields(found.documents.get(each.key)), _fields(each)
            changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
            self.entries.update(self._watched & changed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def _fields(document: Document | None) -> dict[str, object]:
    """Return the values by `collection.field`."""
    if document is None:
        return {}
    return {
        f"{document.key.collection}.{name}": value for name, value in to_fields(document).items()
    }
