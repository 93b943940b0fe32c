"""Reads for owners and for everyone."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from shared.domain.account import username_key
from shared.domain.brief import CREATION_ID
from shared.domain.creation import Creation, creation_key
from shared.domain.errors import AccountNotFound, CreationNotFound
from shared.domain.keys import CreationId, Key, UserId
from shared.domain.ledger import LedgerEntry
from shared.domain.status import Status
from shared.ports.store import DraftsFilter, Page, Store, Stored


@dataclass(frozen=True)
class Reading:
    """Reads that check the owner: another user's creation looks like a missing one."""

    store: Store

    def own_creation(self, creation_id: str, *, owner: UserId) -> Creation:
        return owned(self.any_creation(creation_id), owner)

    def any_creation(self, creation_id: str) -> Creation:
        creation = self.store.get(_checked_key(creation_id))
        if creation is None:
            raise CreationNotFound
        return creation

    def own_shown(self, creation_id: str, *, owner: UserId) -> Stored[Creation]:
        """Return one of the owner's creations for a view, parsed already."""
        stored = self.store.shown(_checked_key(creation_id))
        if stored is None:
            raise CreationNotFound
        creation = owned(stored.parse(), owner)
        return replace(stored, parse=lambda: creation)

    def publication(self, creation_id: str, *, username: str) -> Stored[Creation]:
        """Return a published creation of this user for a view, parsed already."""
        stored = self.store.shown(_checked_key(creation_id))
        creation = stored.parse() if stored else None
        is_there = creation is not None and creation.status is Status.PUBLISHED
        if stored is None or creation is None or not is_there or creation.username != username:
            raise CreationNotFound
        return replace(stored, parse=lambda: creation)

    def drafts(self, owner: UserId, which: DraftsFilter, page: Page) -> list[Stored[Creation]]:
        return self.store.drafts(owner, which, page)

    def every_own(self, owner: UserId, page: Page) -> list[Stored[Creation]]:
        """Return the owner's creations, also published ones, newest first."""
        return self.store.created_by(owner, page)

    def ledger(self, owner: UserId, page: Page) -> list[Stored[LedgerEntry]]:
        return self.store.ledger(owner, page)

    def moved_for(self, entries: Iterable[LedgerEntry], *, owner: UserId) -> list[Creation | None]:
        """Return the creation of each movement; None for a grant or a deleted one.

        They are read at one time, in one round trip.
        """
        keys = [creation_key(each.creation_id) if each.creation_id else None for each in entries]
        found = self.store.found([*filter(None, dict.fromkeys(keys))])
        creations = [found.get(key) if key else None for key in keys]
        return [each if each and each.user_id == owner else None for each in creations]

    def feed(self, page: Page) -> list[Stored[Creation]]:
        return self.store.feed(page)

    def profile(self, username: str, page: Page) -> list[Stored[Creation]]:
        """Return one user's published creations, or raise `AccountNotFound`."""
        if self.store.get(username_key(username)) is None:
            raise AccountNotFound
        return self.store.published_by(username, page)


def _checked_key(creation_id: str) -> Key[Creation]:
    """Return the key, or raise `CreationNotFound` for an id of another form."""
    if not CREATION_ID.fullmatch(creation_id):
        raise CreationNotFound
    return creation_key(CreationId(creation_id))


def owned(creation: Creation | None, owner: UserId) -> Creation:
    """Return the creation if it is this user's, or raise `CreationNotFound`."""
    if creation is None or creation.user_id != owner:
        raise CreationNotFound
    return creation
