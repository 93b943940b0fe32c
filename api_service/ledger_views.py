"""Movements of tokens as their account's owner sees them."""

from typing import Literal, Self

from pydantic import Field

from api_service.responses import Time, View
from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.ledger import LedgerEntry
from shared.domain.movement import Reason, failure_refunded_by, reason_of
from shared.domain.status import Status


class TransactionView(View):
    """One movement of tokens; `type` gives the amount its sign."""

    id: str
    type: Literal["grant", "debit", "refund"]
    amount: int
    balance_after: int
    creation_id: str | None
    reference: str | None
    sequence: int
    created_at: Time

    @classmethod
    def of(cls, entry: LedgerEntry) -> Self:
        return cls.from_document(
            entry,
            id=entry.entry_id,
            type=entry.entry_type.value,
            amount=entry.amount_tokens,
            balance_after=entry.balance_after_tokens,
        )


class PaidCreationView(View):
    """The creation of a movement as it is now."""

    type: Kind
    prompt: str
    status: Status
    error: FailureCode | None = Field(
        description="Why it failed, with the refund of a failure that was not retried; else null"
    )

    @classmethod
    def of(cls, entry: LedgerEntry, creation: Creation) -> Self:
        error = failure_refunded_by(entry, creation)
        return cls.from_document(creation, type=creation.kind, error=error)


class OwnTransactionView(TransactionView):
    """One movement, with its reason and its creation."""

    reason: Reason
    creation: PaidCreationView | None = Field(description="null if there is none, or no longer")

    @classmethod
    def joined(cls, entry: LedgerEntry, creation: Creation | None) -> Self:
        shown = PaidCreationView.of(entry, creation) if creation else None
        transaction = vars(TransactionView.of(entry))
        return cls(**transaction, reason=reason_of(entry), creation=shown)


class Transactions(View):
    transactions: list[OwnTransactionView]
    next_cursor: str | None
