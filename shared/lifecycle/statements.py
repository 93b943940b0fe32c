"""Account statements: whether the ledger explains the balance, and a message for the owner.

Only reads. The parts are read one after another: if the account changed meanwhile, all are read
again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from shared.domain.account import Account, account_key, username_key
from shared.domain.creation import Creation
from shared.domain.errors import AccountNotFound, StoreContention
from shared.domain.keys import UserId
from shared.domain.ledger import EntryType, LedgerEntry, refund_id
from shared.domain.policy import Policy
from shared.domain.status import Status
from shared.domain.welcome import WELCOME_PREFIX, WelcomeShard, legacy_welcome_id
from shared.lifecycle.invariants import in_flight_violations, ledger_violations
from shared.lifecycle.paging import creations_of, ledger_of, unfinished_of
from shared.lifecycle.violation import Violation
from shared.ports.clock import Clock
from shared.ports.identity import Identity
from shared.ports.store import Store

TRIES_MAX = 3
"""How often the parts are read while the account keeps changing."""
VERIFY = (
    "Welcome tokens, if any, are added with your next request once the email address or phone "
    "number is verified."
)
FULL_DAY = (
    "Today's welcome tokens are used up. You receive yours with your first request on a day with "
    "some left, once the email address or phone number is verified."
)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """An account at one moment, with everything that explains its balance."""

    account: Account
    ledger: tuple[LedgerEntry, ...]
    """Highest sequence first."""
    unfinished: tuple[Creation, ...]
    violations: tuple[Violation, ...]
    has_own_welcome: bool
    is_full_day: bool
    """The day's welcome grants are used up where this account's would be counted."""

    def tokens_of(self, entry_type: EntryType) -> int:
        return sum(each.amount_tokens for each in self.ledger if each.entry_type is entry_type)

    @property
    def pending_tokens(self) -> int:
        return sum(creation.cost_tokens for creation in self.unfinished)

    @property
    def is_right(self) -> bool:
        return not self.violations

    @property
    def verdict(self) -> str:
        """Return the summary for the operator."""
        if any(each.invariant == "I7" for each in self.violations):
            return "A refund is late: run `phoenix sweep`, then this command again."
        if self.violations:
            return "The records contradict each other: see *Audit violation* in docs/operating.md."
        return "Every token is accounted for."

    @property
    def message(self) -> str:
        """Return the message for the user."""
        if {each.invariant for each in self.violations} == {"I7"}:
            return "Your refund is late. We are making it now."
        if self.violations:
            return "We found a mistake in your account and are correcting it."
        parts = [f"Your balance is {counted(self.account.balance_tokens, 'token')}."]
        if self.unfinished:
            parts.append(self._in_use)
        if not self.account.welcomed:
            parts.append(FULL_DAY if self.is_full_day else VERIFY)
        elif not self.has_own_welcome:
            parts.append(
                "Your address has already received its welcome tokens, perhaps in another account."
            )
        return " ".join(parts)

    @property
    def _in_use(self) -> str:
        last = max(each.deadline_at for each in self.unfinished if each.deadline_at)
        by, count = f"paid back by {_minute(last)}", len(self.unfinished)
        back = f"they are {by} if it fails" if count == 1 else f"those that fail are {by}"
        verb = "is" if self.pending_tokens == 1 else "are"
        in_use = f"{self.pending_tokens} more {verb} in use by"
        return f"{in_use} {counted(count, 'unfinished creation')}; {back}."


@dataclass(frozen=True)
class Statements:
    store: Store
    identity: Identity
    clock: Clock
    policy: Policy

    def of(self, who: str) -> Statement:
        """Return the statement of a username, an email address or a user id.

        Raises `AccountNotFound`, `IdentityUnavailable`, and `StoreContention` if the account
        changes too often.
        """
        account = self._account(who)
        for _ in range(TRIES_MAX):
            statement = self._taken(account)
            after = self.store.get(account.key)
            if after is None:
                raise AccountNotFound
            if after == account:
                return statement
            account = after
        raise StoreContention(reason="the account is in use; try again")

    def _account(self, who: str) -> Account:
        """Find the account by the name as given, or as a username with @ or capitals."""
        who = who.strip()
        as_shown = who.removeprefix("@").lower()
        for user_id in (self._user_id(who), self._owner_of(as_shown)):
            account = self.store.get(account_key(user_id)) if user_id else None
            if account is not None:
                return account
        raise AccountNotFound

    def _user_id(self, who: str) -> UserId:
        by_email = self.identity.user_id_of(who) if "@" in who else None
        return by_email or self._owner_of(who) or UserId(who)

    def _owner_of(self, username: str) -> UserId | None:
        claim = self.store.get(username_key(username))
        return claim.user_id if claim else None

    def _taken(self, account: Account) -> Statement:
        user_id = account.user_id
        ledger = list(ledger_of(self.store, user_id))
        unfinished = list(unfinished_of(self.store, user_id))
        failed = list(creations_of(self.store, user_id, Status.FAILED))
        ids = {entry.entry_id for entry in ledger}
        return Statement(
            account=account,
            ledger=tuple(ledger),
            unfinished=tuple(unfinished),
            violations=(
                *ledger_violations(account, ledger[::-1]),
                *_unrefunded(failed, ids),
                *self._late(unfinished),
                *in_flight_violations(account, unfinished),
            ),
            has_own_welcome=legacy_welcome_id(user_id) in ids
            or any(each.startswith(WELCOME_PREFIX) for each in ids),
            is_full_day=self._is_full_day(user_id),
        )

    def _is_full_day(self, user_id: UserId) -> bool:
        fresh = WelcomeShard.of(user_id, at=self.clock.now())
        shard = self.store.get(fresh.key) or fresh
        per_day_max = self.policy.welcome_grants_per_day_max
        return shard.counted(fresh.day, per_day_max=per_day_max) is None

    def _late(self, unfinished: list[Creation]) -> Iterator[Violation]:
        at, grace_s = self.clock.now(), 2 * self.policy.sweep_every_s
        for each in unfinished:
            if each.deadline_at is not None and each.overdue_s(at) > grace_s:
                by = _minute(each.deadline_at)
                what = f"its {each.cost_tokens} tokens were due back by {by}"
                yield Violation("I7", each.creation_id, what)


def _unrefunded(failed: list[Creation], entry_ids: set[str]) -> Iterator[Violation]:
    for each in failed:
        if refund_id(each.creation_id, each.run_number) not in entry_ids:
            yield Violation("I3", each.creation_id, f"refund {each.run_number} is missing")


def counted(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
