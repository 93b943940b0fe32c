"""Reads for owners and for everyone."""

from dataclasses import dataclass

from shared.domain.account import username_key
from shared.domain.brief import CREATION_ID
from shared.domain.creation import Creation, creation_key
from shared.domain.errors import AccountNotFound, CreationNotFound
from shared.domain.keys import CreationId, UserId
from shared.domain.ledger import LedgerEntry
from shared.ports.store import DraftsFilter, Page, Store


@dataclass(frozen=True)
class Reading:
    """Reads that check the owner: another user's creation looks like a missing one."""

    store: Store

    def own_creation(self, creation_id: str, *, owner: UserId) -> Creation:
        return owned(self.any_creation(creation_id), owner)

    def any_creation(self, creation_id: str) -> Creation:
        """Return a creation of any owner; an id of another form finds none either."""
        is_id = CREATION_ID.fullmatch(creation_id)
        creation = self.store.get(creation_key(CreationId(creation_id))) if is_id else None
        if creation is None:
            raise CreationNotFound
        return creation

    def drafts(self, owner: UserId, which: DraftsFilter, page: Page) -> list[Creation]:
        return self.store.drafts(owner, which, page)

    def ledger(self, owner: UserId, page: Page) -> list[LedgerEntry]:
        return self.store.ledger(owner, page)

    def feed(self, page: Page) -> list[Creation]:
        return self.store.feed(page)

    def profile(self, username: str, page: Page) -> list[Creation]:
        """Return one user's published creations, or raise `AccountNotFound`."""
        if self.store.get(username_key(username)) is None:
            raise AccountNotFound
        return self.store.published_by(username, page)


def owned(creation: Creation | None, owner: UserId) -> Creation:
    """Return the creation if it is this user's, or raise `CreationNotFound`."""
    if creation is None or creation.user_id != owner:
        raise CreationNotFound
    return creation
