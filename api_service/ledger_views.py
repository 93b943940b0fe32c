"""Movements of tokens as their account's owner sees them."""

from typing import Literal, Self

from pydantic import Field

from api_service.responses import Time, View
from shared.domain.creation import Creation
from shared.domain.kind import Kind
from shared.domain.ledger import LedgerEntry
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

    @classmethod
    def of(cls, creation: Creation) -> Self:
        return cls.from_document(creation, type=creation.kind)


class OwnTransactionView(TransactionView):
    """One movement, with its creation."""

    creation: PaidCreationView | None = Field(description="null if there is none, or no longer")

    @classmethod
    def joined(cls, entry: LedgerEntry, creation: Creation | None) -> Self:
        shown = PaidCreationView.of(creation) if creation else None
        return cls(**vars(TransactionView.of(entry)), creation=shown)


class Transactions(View):
    transactions: list[OwnTransactionView]
    next_cursor: str | None
