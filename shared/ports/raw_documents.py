"""Documents as they lie in the store, in whatever shape: for taking over an older system's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from shared.domain.keys import Collection, Key
from shared.ports.store import Document


@dataclass(frozen=True)
class RawDocument:
    """One document's fields by their stored names; a store without times gives them as text."""

    collection: Collection
    id: str
    fields: Mapping[str, Any]
    version: object = field(default=None, compare=False)
    """What tells the store whether it is still as it was read; None for one that is made."""

    @property
    def key(self) -> Key[Any]:
        """Return where it lives."""
        return Key(self.collection, self.id)


class RawDocuments(Protocol):
    """Beneath `Store`: no types, no decisions; the caller keeps the rules."""

    def all(self, collection: Collection) -> Iterator[RawDocument]:
        """Stream a collection by id, in pages; raises `StoreUnavailable`."""
        ...

    def get(self, key: Key[Any]) -> RawDocument | None:
        """Return one document as it is now, or None; raises `StoreUnavailable`."""
        ...

    def replace(
        self, read: Sequence[RawDocument], writes: Sequence[RawDocument | Document]
    ) -> None:
        """Put `writes` in the place of `read`, all or nothing: what is not written is removed.

        A field that a write does not name may stay in what it replaces.

        Raises:
            StoreContention: something read has changed, or something that was not read is there;
                nothing was written.
            StoreUnavailable: nothing was written.
            OutcomeUnknown
        """
        ...
