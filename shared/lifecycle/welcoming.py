"""The welcome grant: once for each verified address, and a limited number per day.

The ledger entry is created, so two users who race with one address get one grant. An entry that
exists proves an earlier grant: the account is then marked in a second transaction, because a found
entry cannot be rewritten.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.account import Account
from shared.domain.keys import Key
from shared.domain.ledger import Actor, entry_key
from shared.domain.welcome import WelcomeShard, legacy_welcome_id, welcome_id
from shared.ports.identity import Caller
from shared.ports.store import Document, Found


class AddressWelcomed(Exception):
    """This verified address received its welcome grant before, perhaps for another user."""


@dataclass(frozen=True, kw_only=True)
class WelcomeGrant:
    """The tokens of a verified address. `key` hashes addresses into ids: it never changes."""

    tokens: int
    key: bytes
    per_day_max: int

    def is_for(self, caller: Caller) -> bool:
        return self.tokens > 0 and caller.is_verified

    def offered_to(self, caller: Caller, *, at: datetime) -> "WelcomeOffer | None":
        if not self.is_for(caller):
            return None
        contact = caller.verified_contact or caller.user_id
        return WelcomeOffer(
            tokens=self.tokens,
            entry_id=welcome_id(contact, key=self.key),
            legacy_entry_id=legacy_welcome_id(caller.user_id),
            shard=WelcomeShard.of(caller.user_id, at=at),
            per_day_max=self.per_day_max,
            at=at,
        )


@dataclass(frozen=True, kw_only=True)
class WelcomeOffer:
    """One caller's welcome grant at one moment."""

    tokens: int
    entry_id: str
    legacy_entry_id: str
    shard: WelcomeShard
    per_day_max: int
    at: datetime

    @property
    def reading(self) -> list[Key[Any]]:
        """Return the keys that `given_to` reads."""
        return [entry_key(self.entry_id), entry_key(self.legacy_entry_id), self.shard.key]

    def given_to(self, account: Account, found: Found) -> tuple[Account, tuple[Document, ...]]:
        """Return the account with the tokens, and the documents to write with it.

        On a day whose grants are used up, the account is returned unchanged.

        Raises:
            AddressWelcomed: this address, or this account by an earlier release, has its entry.
        """
        for entry_id in (self.entry_id, self.legacy_entry_id):
            if found.get(entry_key(entry_id)) is not None:
                raise AddressWelcomed
        shard = found.get(self.shard.key)
        counted = (shard or self.shard).counted(self.shard.day, per_day_max=self.per_day_max)
        if counted is None:
            return account, (shard,) if shard else ()
        granted, entry = account.granted(
            self.tokens, entry_id=self.entry_id, reference=None, actor=Actor.API, at=self.at
        )
        return granted.welcome_decided(at=self.at), (entry, counted)
