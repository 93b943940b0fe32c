"""An account: a user's balance, unfinished creations, and the hourly counts of its limits."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.errors import (
    InsufficientTokens,
    TooManyFree,
    TooManyOpened,
    TooManyUnfinished,
    WrongField,
)
from shared.domain.failure import CAUSED_BY_OWNER, FailureCode
from shared.domain.keys import Collection, CreationId, Key, UserId
from shared.domain.kind import Kind, PerKind
from shared.domain.ledger import Actor, EntryType, LedgerEntry, debit_id, refund_id
from shared.domain.policy import RETRY_AFTER_S, Policy

USERNAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,22})[a-z0-9]")
RESERVED_USERNAMES = frozenset(
    {"explore", "create", "sign-in", "api", "internal", "soho", "admin", "ops", "v1", "me"}
) | {"static", "media"}
HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class InFlight(PerKind[int]):
    """How many creations of each kind are pending or processing."""

    image: int = 0
    video: int = 0

    def changed(self, kind: Kind, by: int) -> "InFlight":
        return replace(self, **{kind: self.of(kind) + by})


@dataclass(frozen=True, kw_only=True)
class HourlyCount:
    """How many times something happened in the hour that began at `started_at`."""

    started_at: datetime
    count: int = 0

    def left_s(self, at: datetime) -> float:
        """Return the seconds until this hour ends; 0 or less after it."""
        return (self.started_at + HOUR - at).total_seconds()

    def counted(self, at: datetime) -> "HourlyCount":
        """Return the count with one more, in a new hour if this one has ended."""
        if self.left_s(at) <= 0:
            return HourlyCount(started_at=at, count=1)
        return replace(self, count=self.count + 1)

    def check(
        self,
        at: datetime,
        *,
        more: int = 1,
        limit: int,
        error: type[TooManyOpened] | type[TooManyFree],
    ) -> None:
        """Raise the error if so many more would exceed the limit in this hour."""
        left_s, count = self.left_s(at), self.count
        if left_s <= 0:
            left_s, count = HOUR.total_seconds(), 0
        if count + more > limit:
            raise error(limit=limit, retry_after_s=math.ceil(left_s))


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user's tokens: balance = grants - debits + refunds, at every moment, never below 0."""

    user_id: UserId
    username: str
    balance_tokens: int = 0
    total_tokens_spent: int = 0
    in_flight: InFlight = InFlight()
    ledger_count: int = 0
    opened_hour: HourlyCount
    """Opens and retries."""
    free_hour: HourlyCount | None = None
    """Refunds that the owner caused; None until the first, and in documents of older releases."""
    welcomed: bool = False
    """The welcome is decided: this account, or another with the same address, received it."""
    created_at: datetime
    updated_at: datetime

    @property
    def key(self) -> Key["Account"]:
        return account_key(self.user_id)

    @classmethod
    def fresh(cls, user_id: UserId, *, username: str, at: datetime) -> "Account":
        hour = HourlyCount(started_at=at)
        return cls(
            user_id=user_id, username=username, opened_hour=hour, created_at=at, updated_at=at
        )

    def granted(
        self, tokens: int, *, entry_id: str, reference: str | None, actor: Actor, at: datetime
    ) -> tuple["Account", LedgerEntry]:
        account, entry = self._moved(EntryType.GRANT, tokens, entry_id, actor=actor, at=at)
        return account, replace(entry, reference=reference)

    def debited(
        self, tokens: int, *, kind: Kind, creation_id: CreationId, debit: int, actor: Actor,
        policy: Policy, at: datetime,
    ) -> tuple["Account", LedgerEntry]:  # fmt: skip
        """Return the account after the `debit`-th debit of a creation, and the ledger entry.

        Raises `TooManyUnfinished`, `TooManyFree`, `TooManyOpened` or `InsufficientTokens`.
        """
        account, (entry,) = self.debited_for_each(
            [creation_id], tokens, kind=kind, debit=debit, actor=actor, policy=policy, at=at
        )
        return account, entry

    def debited_for_each(
        self, creation_ids: Sequence[CreationId], tokens: int, *, kind: Kind, debit: int,
        actor: Actor, policy: Policy, at: datetime,
    ) -> tuple["Account", tuple[LedgerEntry, ...]]:  # fmt: skip
        """Return the account after a debit for each creation, and the ledger entries in order.

        All or none: the limits and the balance must allow every one of them. Raises as `debited`.
        """
        self._check_debits(tokens, count=len(creation_ids), kind=kind, policy=policy, at=at)
        account, entries = self, list[LedgerEntry]()
        for each in creation_ids:
            account, entry = account._debited(
                tokens, each, kind=kind, debit=debit, actor=actor, at=at
            )
            entries.append(entry)
        return account, tuple(entries)

    def _check_debits(
        self, tokens: int, *, count: int, kind: Kind, policy: Policy, at: datetime
    ) -> None:
        in_flight_max = policy.in_flight_max(kind)
        if self.in_flight.of(kind) + count > in_flight_max:
            raise TooManyUnfinished(limit=in_flight_max, retry_after_s=RETRY_AFTER_S[kind])
        if self.free_hour is not None:
            limit = policy.free_outcomes_per_hour_max
            self.free_hour.check(at, limit=limit, error=TooManyFree)
        opened_max = policy.opened_per_hour_max
        self.opened_hour.check(at, more=count, limit=opened_max, error=TooManyOpened)
        if count * tokens > self.balance_tokens:
            raise InsufficientTokens(required=count * tokens, balance=self.balance_tokens)

    def _debited(
        self, tokens: int, creation_id: CreationId, *, kind: Kind, debit: int, actor: Actor,
        at: datetime,
    ) -> tuple["Account", LedgerEntry]:  # fmt: skip
        entry_id = debit_id(creation_id, debit)
        account, entry = self._moved(EntryType.DEBIT, tokens, entry_id, actor=actor, at=at)
        account = replace(
            account,
            total_tokens_spent=self.total_tokens_spent + tokens,
            in_flight=self.in_flight.changed(kind, by=1),
            opened_hour=self.opened_hour.counted(at),
        )
        return account, replace(entry, creation_id=creation_id)

    def refunded(
        self, tokens: int, *, kind: Kind, creation_id: CreationId, debit: int, actor: Actor,
        code: FailureCode, at: datetime,
    ) -> tuple["Account", LedgerEntry]:  # fmt: skip
        """Return the account after the refund of that debit, and the ledger entry.

        A failure that the owner caused counts against the hourly limit of free outcomes.
        """
        entry_id = refund_id(creation_id, debit)
        account, entry = self._moved(EntryType.REFUND, tokens, entry_id, actor=actor, at=at)
        account = replace(
            account,
            total_tokens_spent=self.total_tokens_spent - tokens,
            in_flight=self.in_flight.changed(kind, by=-1),
            free_hour=self._free_hour_after(code, at=at),
        )
        return account, replace(entry, creation_id=creation_id)

    def with_slot_freed(self, kind: Kind, *, at: datetime) -> "Account":
        return replace(self, in_flight=self.in_flight.changed(kind, by=-1), updated_at=at)

    def _free_hour_after(self, code: FailureCode, *, at: datetime) -> HourlyCount | None:
        if code not in CAUSED_BY_OWNER:
            return self.free_hour
        return (self.free_hour or HourlyCount(started_at=at)).counted(at)

    def welcome_decided(self, *, at: datetime) -> "Account":
        return replace(self, welcomed=True, updated_at=at)

    def _moved(
        self, entry_type: EntryType, tokens: int, entry_id: str, *, actor: Actor, at: datetime
    ) -> tuple["Account", LedgerEntry]:
        sequence = self.ledger_count + 1
        balance_tokens = self.balance_tokens + entry_type.sign * tokens
        entry = LedgerEntry(
            entry_id=entry_id,
            user_id=self.user_id,
            entry_type=entry_type,
            amount_tokens=tokens,
            balance_after_tokens=balance_tokens,
            sequence=sequence,
            actor=actor,
            created_at=at,
        )
        account = replace(self, balance_tokens=balance_tokens, ledger_count=sequence, updated_at=at)
        return account, entry


@dataclass(frozen=True, kw_only=True)
class UsernameClaim:
    """The owner of a username; no two accounts share one."""

    username: str
    user_id: UserId

    @property
    def key(self) -> Key["UsernameClaim"]:
        return username_key(self.username)


def account_key(user_id: UserId) -> Key[Account]:
    return Key(Collection.USERS, user_id)


def username_key(username: str) -> Key[UsernameClaim]:
    return Key(Collection.USERNAMES, username)


def checked_username(username: str) -> str:
    """Return the username if it may be used, or raise `WrongField`."""
    if not USERNAME.fullmatch(username):
        reason = "use 3 to 24 of a-z, 0-9 and hyphens, with no hyphen at an end"
        raise WrongField(field="username", reason=reason)
    if username in RESERVED_USERNAMES:
        raise WrongField(field="username", reason="this name is reserved")
    return username
