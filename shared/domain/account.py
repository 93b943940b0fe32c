"""An account: a user's balance, what is in the making, and how much was opened this hour."""

import math
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.errors import (
    InsufficientTokens,
    TooManyFree,
    TooManyOpened,
    TooManyUnfinished,
    WrongField,
)
from shared.domain.failure import OWNERS_DOING, FailureCode
from shared.domain.keys import Collection, CreationId, Key, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Actor, EntryType, LedgerEntry, debit_id, refund_id
from shared.domain.policy import RETRY_AFTER_S, Policy

USERNAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,22})[a-z0-9]")
RESERVED_USERNAMES = frozenset(
    [
        "explore",
        "create",
        "sign-in",
        "api",
        "internal",
        "soho",
        "admin",
        "ops",
        "v1",
        "me",
        "static",
        "media",
    ]
)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class InFlight:
    """How many creations of each kind are pending or processing."""

    image: int = 0
    video: int = 0

    def of(self, kind: Kind) -> int:
        """Return the count of one kind."""
        return self.video if kind is Kind.VIDEO else self.image

    def changed(self, kind: Kind, by: int) -> "InFlight":
        """Return the counts with one kind's raised or lowered."""
        if kind is Kind.VIDEO:
            return replace(self, video=self.video + by)
        return replace(self, image=self.image + by)


@dataclass(frozen=True, kw_only=True)
class OpenedHour:
    """How many creations were opened or retried since `started_at`."""

    started_at: datetime
    count: int = 0

    def counted(self, at: datetime, *, limit: int) -> "OpenedHour":
        """Return the count with one more, in a new hour when this one is over.

        Raises:
            TooManyOpened: the hour is full; nothing is counted.
        """
        if at >= self.started_at + HOUR:
            return OpenedHour(started_at=at, count=1)
        if self.count >= limit:
            left_s = (self.started_at + HOUR - at).total_seconds()
            raise TooManyOpened(limit=limit, retry_after_s=max(1, round(left_s)))
        return replace(self, count=self.count + 1)


@dataclass(frozen=True, kw_only=True)
class FreeHour:
    """How many creations ended free by their owner's doing since `started_at`."""

    started_at: datetime
    count: int = 0

    def left_s(self, at: datetime) -> float:
        """Return the seconds until this hour ends; below 0 after it."""
        return (self.started_at + HOUR - at).total_seconds()

    def check(self, at: datetime, *, limit: int) -> None:
        """Raise `TooManyFree` while the hour lasts and its count has reached the limit."""
        left_s = self.left_s(at)
        if left_s > 0 and self.count >= limit:
            raise TooManyFree(limit=limit, retry_after_s=math.ceil(left_s))


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user's tokens: balance = grants - debits + refunds, at every moment, never below 0."""

    user_id: UserId
    username: str
    balance_tokens: int = 0
    total_tokens_spent: int = 0
    in_flight: InFlight = InFlight()
    ledger_count: int = 0
    opened_hour: OpenedHour
    free_hour: FreeHour | None = None
    """None until the first free outcome, and in documents of older releases."""
    welcomed: bool = False
    """The welcome is decided: this account, or another with the same address, received it."""
    created_at: datetime
    updated_at: datetime

    @property
    def key(self) -> Key["Account"]:
        """Return where this account lives."""
        return account_key(self.user_id)

    @classmethod
    def fresh(cls, user_id: UserId, *, username: str, at: datetime) -> "Account":
        """Return an account without tokens."""
        hour = OpenedHour(started_at=at)
        return cls(
            user_id=user_id, username=username, opened_hour=hour, created_at=at, updated_at=at
        )

    def granted(
        self, tokens: int, *, entry_id: str, reference: str | None, actor: Actor, at: datetime
    ) -> tuple["Account", LedgerEntry]:
        """Return the account with these tokens added, and the entry that proves it."""
        account = self._moved(tokens, at=at)
        entry = account._entry(EntryType.GRANT, tokens, entry_id=entry_id, actor=actor, at=at)
        return account, replace(entry, reference=reference)

    def debited(
        self, tokens: int, *, kind: Kind, creation_id: CreationId, debit: int, actor: Actor,
        policy: Policy, at: datetime,
    ) -> tuple["Account", LedgerEntry]:  # fmt: skip
        """Return the account that has paid for a creation's nth run, and the entry that proves it.

        Raises:
            TooManyUnfinished, TooManyFree, TooManyOpened: a limit is reached.
            InsufficientTokens: the balance is below the price.
        """
        in_flight_max = policy.in_flight_max(kind)
        if self.in_flight.of(kind) >= in_flight_max:
            raise TooManyUnfinished(limit=in_flight_max, retry_after_s=RETRY_AFTER_S[kind])
        if self.free_hour is not None:
            self.free_hour.check(at, limit=policy.free_outcomes_per_hour_max)
        opened_hour = self.opened_hour.counted(at, limit=policy.opened_per_hour_max)
        if tokens > self.balance_tokens:
            raise InsufficientTokens(required=tokens, balance=self.balance_tokens)
        account = replace(
            self._moved(-tokens, at=at),
            total_tokens_spent=self.total_tokens_spent + tokens,
            in_flight=self.in_flight.changed(kind, by=1),
            opened_hour=opened_hour,
        )
        entry = account._entry(
            EntryType.DEBIT, tokens, entry_id=debit_id(creation_id, debit), actor=actor, at=at
        )
        return account, replace(entry, creation_id=creation_id)

    def refunded(
        self, tokens: int, *, kind: Kind, creation_id: CreationId, debit: int, actor: Actor,
        code: FailureCode, at: datetime,
    ) -> tuple["Account", LedgerEntry]:  # fmt: skip
        """Return the account that has its tokens back, and the entry that proves it.

        A failure that the owner caused counts against the hourly limit of free outcomes.
        """
        account = replace(
            self._moved(tokens, at=at),
            total_tokens_spent=self.total_tokens_spent - tokens,
            in_flight=self.in_flight.changed(kind, by=-1),
            free_hour=self._free_hour_after(code, at=at),
        )
        entry = account._entry(
            EntryType.REFUND, tokens, entry_id=refund_id(creation_id, debit), actor=actor, at=at
        )
        return account, replace(entry, creation_id=creation_id)

    def with_slot_freed(self, kind: Kind, *, at: datetime) -> "Account":
        """Return the account with one creation less in the making."""
        return replace(self, in_flight=self.in_flight.changed(kind, by=-1), updated_at=at)

    def _free_hour_after(self, code: FailureCode, *, at: datetime) -> FreeHour | None:
        if code not in OWNERS_DOING:
            return self.free_hour
        if self.free_hour is None or self.free_hour.left_s(at) <= 0:
            return FreeHour(started_at=at, count=1)
        return replace(self.free_hour, count=self.free_hour.count + 1)

    def welcome_decided(self, *, at: datetime) -> "Account":
        """Return the account that no later request welcomes."""
        return replace(self, welcomed=True, updated_at=at)

    def _moved(self, tokens: int, *, at: datetime) -> "Account":
        return replace(
            self,
            balance_tokens=self.balance_tokens + tokens,
            ledger_count=self.ledger_count + 1,
            updated_at=at,
        )

    def _entry(
        self, entry_type: EntryType, tokens: int, *, entry_id: str, actor: Actor, at: datetime
    ) -> LedgerEntry:
        return LedgerEntry(
            entry_id=entry_id,
            user_id=self.user_id,
            entry_type=entry_type,
            amount_tokens=tokens,
            balance_after_tokens=self.balance_tokens,
            sequence=self.ledger_count,
            actor=actor,
            created_at=at,
        )


@dataclass(frozen=True, kw_only=True)
class UsernameClaim:
    """Who has a username; no two accounts have one."""

    username: str
    user_id: UserId

    @property
    def key(self) -> Key["UsernameClaim"]:
        """Return where this claim lives."""
        return username_key(self.username)


def account_key(user_id: UserId) -> Key[Account]:
    """Return where an account lives."""
    return Key(Collection.USERS, user_id)


def username_key(username: str) -> Key[UsernameClaim]:
    """Return where the claim of a username lives."""
    return Key(Collection.USERNAMES, username)


def checked_username(username: str) -> str:
    """Return the username if it may be used, or raise `WrongField`."""
    if not USERNAME.fullmatch(username):
        reason = "use 3 to 24 of a-z, 0-9 and hyphens, with no hyphen at an end"
        raise WrongField(field="username", reason=reason)
    if username in RESERVED_USERNAMES:
        raise WrongField(field="username", reason="this name is reserved")
    return username
