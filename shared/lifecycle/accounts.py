"""Accounts: created by the first authenticated request, credited by grants.

The welcome grant is added by the first request with a verified token, to a new or existing account.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from shared.domain.account import RESERVED_USERNAMES, USERNAME, Account, UsernameClaim, account_key
from shared.domain.errors import AccountNotFound, ReferenceReused
from shared.domain.keys import UserId
from shared.domain.ledger import Actor, LedgerEntry, check_grant, entry_key, grant_id
from shared.domain.operating import OperatorAct, Reason
from shared.lifecycle.transactions import Transactions
from shared.lifecycle.welcoming import AddressWelcomed, WelcomeGrant, WelcomeOffer
from shared.ports.clock import Clock, Ids
from shared.ports.identity import Caller
from shared.ports.store import Decision, Found, unchanged, write

SUFFIXED_TRIES = 5
SUFFIX_DIGITS = 4
FALLBACK_LETTERS = 8
SLUG_LENGTH_MAX = 24


@dataclass(frozen=True)
class Accounts:
    transactions: Transactions
    clock: Clock
    ids: Ids
    welcome: WelcomeGrant

    def find(self, caller: Caller) -> Account | None:
        return self.transactions.store.get(account_key(caller.user_id))

    def of(self, caller: Caller) -> Account:
        """Return the caller's account, created and welcomed if that is due."""
        account = self.find(caller)
        return self.create(caller) if account is None else self._welcomed(account, caller)

    def owes_welcome(self, account: Account, caller: Caller) -> bool:
        return self.welcome.is_for(caller) and not account.welcomed

    def create(self, caller: Caller) -> Account:
        """Create the caller's account, or return the existing one after its welcome."""
        for username in self.usernames(caller.username_hint):
            account = self._create_as(caller, username)
            if account is not None:
                return self._welcomed(account, caller)
        raise AssertionError("random usernames do not run out")

    def _create_as(self, caller: Caller, username: str) -> Account | None:
        """Return the account, or None if the username is another user's."""
        at = self.clock.now()
        fresh = Account.fresh(caller.user_id, username=username, at=at)
        try:
            return self._create(fresh, self.welcome.offered_to(caller, at=at))
        except AddressWelcomed:
            return self._create(fresh.welcome_decided(at=at), None)

    def _create(self, fresh: Account, offer: WelcomeOffer | None) -> Account | None:
        claim = UsernameClaim(username=fresh.username, user_id=fresh.user_id)

        def decide(found: Found) -> Decision[Account | None]:
            account = found.get(fresh.key)
            if account is not None:
                return unchanged(account)
            if found.get(claim.key) is not None:
                return unchanged(None)
            account, others = offer.given_to(fresh, found) if offer else (fresh, ())
            return write(account, claim, *others, result=account)

        reading = offer.reading if offer else ()
        return self.transactions.run([fresh.key, claim.key, *reading], decide)

    def _welcomed(self, account: Account, caller: Caller) -> Account:
        """Return the account after its welcome, if that is due and the day has grants left."""
        if not self.owes_welcome(account, caller):
            return account
        at = self.clock.now()
        try:
            return self._welcome(account, self.welcome.offered_to(caller, at=at), at=at)
        except AddressWelcomed:
            return self._welcome(account, None, at=at)

    def _welcome(self, known: Account, offer: WelcomeOffer | None, *, at: datetime) -> Account:
        """Decide the welcome of an existing account: without an offer, it gets no tokens."""

        def decide(found: Found) -> Decision[Account]:
            account = found.get(known.key)
            if account is None:
                raise AccountNotFound
            if account.welcomed:
                return unchanged(account)
            if offer is None:
                decided = account.welcome_decided(at=at)
                return write(decided, result=decided)
            granted, others = offer.given_to(account, found)
            if granted == account:
                return unchanged(account)
            return write(granted, *others, result=granted)

        return self.transactions.run([known.key, *(offer.reading if offer else ())], decide)

    def usernames(self, hint: str) -> Iterator[str]:
        """Yield candidate names without end, best first; each may be taken."""
        name = hint if USERNAME.fullmatch(hint) else slug(hint)
        if USERNAME.fullmatch(name) and name not in RESERVED_USERNAMES:
            yield name
            stem = name[: SLUG_LENGTH_MAX - SUFFIX_DIGITS - 1].rstrip("-")
            for _ in range(SUFFIXED_TRIES):
                yield f"{stem}-{self.ids.digits(SUFFIX_DIGITS)}"
        while True:
            yield f"user-{self.ids.random_id(FALLBACK_LETTERS)}"

    def grant(
        self, user_id: UserId, tokens: int, *, reference: str, actor: Actor,
        reason: Reason | None = None,
    ) -> LedgerEntry:  # fmt: skip
        """Grant tokens once per reference; a repeated grant returns the first entry.

        With a `reason` it is an operator's act, which is recorded. Raises `WrongField`,
        `AccountNotFound`, or for another user or amount `ReferenceReused`.
        """
        check_grant(tokens, reference)
        key, entry_id, at = account_key(user_id), grant_id(reference), self.clock.now()

        def decide(found: Found) -> Decision[LedgerEntry]:
            entry = found.get(entry_key(entry_id))
            if entry is not None:
                if (entry.user_id, entry.amount_tokens) != (user_id, tokens):
                    raise ReferenceReused
                return unchanged(entry)
            account = found.get(key)
            if account is None:
                raise AccountNotFound
            granted, entry = account.granted(
                tokens, entry_id=entry_id, reference=reference, actor=actor, at=at
            )
            acts = (OperatorAct.of_grant(entry, reason),) if reason else ()
            return write(granted, entry, *acts, result=entry)

        return self.transactions.run([key, entry_key(entry_id)], decide)


def slug(name: str) -> str:
    """Return a display name as lower-case ASCII letters, digits and single hyphens."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-")[:SLUG_LENGTH_MAX].rstrip("-")
