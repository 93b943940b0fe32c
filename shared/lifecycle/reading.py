"""Reading: what owners may see."""

from dataclasses import dataclass

from shared.domain.brief import CREATION_ID
from shared.domain.creation import Creation, creation_key
from shared.domain.errors import CreationNotFound
from shared.domain.keys import CreationId, UserId
from shared.ports.store import Store


@dataclass(frozen=True)
class Reading:
    """Reads that check who is asking; another user's creation is as unknown as a missing one."""

    store: Store

    def own_creation(self, creation_id: str, *, owner: UserId) -> Creation:
        """Return one of this owner's creations.

        Raises:
            CreationNotFound: unknown, another's, or an id of another form.
        """
        found = None
        if CREATION_ID.fullmatch(creation_id):
            found = self.store.get(creation_key(CreationId(creation_id)))
        return owned(found, owner)


def owned(creation: Creation | None, owner: UserId) -> Creation:
    """Return the creation if it is this user's, or raise `CreationNotFound`."""
    if creation is None or creation.user_id != owner:
        raise CreationNotFound
    return creation
