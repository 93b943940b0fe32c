"""The ledger: every movement of tokens, append-only, numbered without gaps per account."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.brief import Faults
from shared.domain.errors import WrongField
from shared.domain.failure import FailureCode
from shared.domain.keys import Collection, CreationId, Key, UserId, is_encodable
from shared.domain.kind import Kind

GRANT_TOKENS_MAX = 100_000
REFERENCE_LENGTH_MAX = 200


class EntryType(StrEnum):
    GRANT = "grant"
    DEBIT = "debit"
    REFUND = "refund"

    @property
    def sign(self) -> int:
        return -1 if self is EntryType.DEBIT else 1


class Actor(StrEnum):
    OWNER = "owner"
    JOB = "job"
    SWEEP = "sweep"
    API = "api"
    OPERATOR = "operator"
    SERVICE = "service"


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """One movement. `amount_tokens` is positive; `sequence` counts from 1 per account."""

    entry_id: str
    user_id: UserId
    entry_type: EntryType
    amount_tokens: int
    balance_after_tokens: int
    sequence: int
    creation_id: CreationId | None = None
    reference: str | None = None
    actor: Actor
    created_at: datetime

    @property
    def key(self) -> Key["LedgerEntry"]:
        return entry_key(self.entry_id)

    @property
    def signed_tokens(self) -> int:
        return self.entry_type.sign * self.amount_tokens


MICRO_USD_PER_USD = 1_000_000


class RunOutcome(StrEnum):
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The outcome of one debit's run, and its estimated vendor cost."""

    cost_id: str
    model: str | None
    estimated_cost_usd: float
    kind: Kind | None = None
    was_claimed: bool = False
    """A job worked on this run. One that was cancelled in the queue does not count for the rate."""
    created_at: datetime | None = None
    """When it settled. None, like `kind`, in documents of older releases, which no query counts."""
    creation_id: CreationId | None = None
    outcome: RunOutcome | None = None
    """None in documents of releases before the statistics, which never count it."""
    failure: FailureCode | None = None
    seconds: float = 0.0
    """From the debit to the settling."""
    refund_lag_s: float = 0.0
    """From the deadline to the refund; 0 if it was in time, or ready."""
    cost_micro_usd: int = 0
    """The cost in whole millionths of a dollar, whose sums are exact."""
    fold_at: datetime | None = None
    """Since when the statistics lack it; None once they include it."""

    @property
    def key(self) -> Key["Cost"]:
        return Key(Collection.COSTS, self.cost_id)


def entry_key(entry_id: str) -> Key[LedgerEntry]:
    return Key(Collection.TRANSACTIONS, entry_id)


def debit_id(creation_id: CreationId, debit: int) -> str:
    """Return the id of a creation's nth debit, counted from 1."""
    return f"{creation_id}_debit_{debit}"


def refund_id(creation_id: CreationId, debit: int) -> str:
    return f"{creation_id}_refund_{debit}"


def opening_id(user_id: UserId) -> str:
    """Return the id of a migrated account's opening grant."""
    return f"{user_id}_grant_opening"


def grant_id(reference: str) -> str:
    """Return the id of the only grant that a reference allows, for any account."""
    return "grant_" + hashlib.sha256(reference.encode()).hexdigest()


def check_grant(amount: int, reference: str) -> None:
    """Raise `WrongField` naming each field of a grant that is not accepted."""
    faults = Faults()
    if not 1 <= amount <= GRANT_TOKENS_MAX:
        faults.add(WrongField(field="amount", reason=f"use 1 to {GRANT_TOKENS_MAX}"))
    if not 1 <= len(reference) <= REFERENCE_LENGTH_MAX or not is_encodable(reference):
        reason = f"use 1 to {REFERENCE_LENGTH_MAX} characters"
        faults.add(WrongField(field="reference", reason=reason))
    faults.raise_if_any()
