"""The order of the books beyond the stores' contract: a document that only one of two orders has."""

from collections.abc import Iterator
from typing import Any

from shared.adapters.documents import Row, in_account_order, to_fields
from shared.domain.creation import Creation
from shared.domain.keys import Collection, Key
from shared.ports.store import Damage
from tests.support.builders import a_creation


class LostByAccount:
    """A moment whose index of creations lacks one."""

    def __init__(self, creations: list[Creation]) -> None:
        self.fields: dict[Key[Any], dict[str, Any]] = {c.key: to_fields(c) for c in creations}

    def rows(self, collection: Collection, *, by_account: bool = False) -> Iterator[Row]:
        if collection is Collection.CREATIONS:
            for key in [*self.fields][by_account:]:
                yield key, lambda key=key: self.fields[key]  # type: ignore[misc]  # a bound default

    def count(self, collection: Collection) -> int:
        return len(self.fields) if collection is Collection.CREATIONS else 0


def test_readable_document_that_the_account_order_lacks_is_damage_of_its_collection() -> None:
    lost, kept = a_creation("lost"), a_creation("kept")

    books = list(in_account_order(LostByAccount([lost, kept])))

    assert books == [kept, Damage("creations", "has 2 documents by id, 1 by account")]
