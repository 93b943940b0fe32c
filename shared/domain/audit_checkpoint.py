"""What an audit knows of an account that it found correct, so that the next one begins there."""

from dataclasses import dataclass

from shared.domain.account import Account
from shared.domain.keys import Collection, CreationId, Key, UserId
from shared.domain.kind import Kind


@dataclass(frozen=True, kw_only=True)
class AuditCheckpoint:
    """An account and its ledger at the moment when both were correct; by default, with no entry."""

    user_id: UserId
    ledger_count: int = 0
    balance_tokens: int = 0
    total_tokens_spent: int = 0
    welcomed: bool = False
    unfinished: tuple[CreationId, ...] = ()
    """The creations whose end the next audit has to check, sorted."""

    @property
    def key(self) -> Key["AuditCheckpoint"]:
        return checkpoint_key(self.user_id)

    @classmethod
    def of(cls, account: Account, unfinished: tuple[CreationId, ...] = ()) -> "AuditCheckpoint":
        return cls(
            user_id=account.user_id,
            ledger_count=account.ledger_count,
            balance_tokens=account.balance_tokens,
            total_tokens_spent=account.total_tokens_spent,
            welcomed=account.welcomed,
            unfinished=unfinished,
        )

    def covers(self, account: Account) -> bool:
        """Return whether no token moved since, and no creation ended since or has yet to end."""
        is_idle = not any(account.in_flight.of(kind) for kind in Kind)
        return is_idle and self == AuditCheckpoint.of(account)


def checkpoint_key(user_id: UserId) -> Key[AuditCheckpoint]:
    return Key(Collection.AUDIT_CHECKPOINTS, user_id)
