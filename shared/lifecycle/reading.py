"""Reads by owners and operators."""

from dataclasses import dataclass

from shared.domain.brief import CREATION_ID
from shared.domain.creation import Creation, creation_key
from shared.domain.errors import CreationNotFound
from shared.domain.keys import CreationId, UserId
from shared.ports.store import Store


@dataclass(frozen=True)
class Reading:
    """Reads that check the owner; a caller cannot distinguish another's creation from none."""

    store: Store

    def own_creation(self, creation_id: str, *, owner: UserId) -> Creation:
        """Return a creation of this owner.

        Raises:
            CreationNotFound: unknown, another user's, or an id of another form.
        """
        return owned(self.any_creation(creation_id), owner)

    def any_creation(self, creation_id: str) -> Creation:
        """Return a creation of any owner, for an operator.

        Raises:
            CreationNotFound: unknown, or an id of another form.
        """
        creation = None
        if CREATION_ID.fullmatch(creation_id):
            creation = self.store.get(creation_key(CreationId(creation_id)))
        if creation is None:
            raise CreationNotFound
        return creation


def owned(creation: Creation | None, owner: UserId) -> Creation:
    """Return the creation if it is this user's, or raise `CreationNotFound`."""
    if creation is None or creation.user_id != owner:
        raise CreationNotFound
    return creation
