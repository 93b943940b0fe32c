"""Why tokens moved, as the account's owner sees it."""

from enum import StrEnum

from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.ledger import EntryType, LedgerEntry, debit_id, opening_id, refund_id
from shared.domain.status import Status
from shared.domain.welcome import WELCOME_PREFIX


class Reason(StrEnum):
    WELCOME = "welcome"
    OPENING = "opening"
    GRANT = "grant"
    DEBIT = "debit"
    RETRY = "retry"
    REFUND = "refund"


def reason_of(entry: LedgerEntry) -> Reason:
    match entry.entry_type:
        case EntryType.REFUND:
            return Reason.REFUND
        case EntryType.DEBIT:
            creation_id = entry.creation_id
            is_first = creation_id is None or entry.entry_id == debit_id(creation_id, 1)
            return Reason.DEBIT if is_first else Reason.RETRY
        case EntryType.GRANT if entry.entry_id.startswith(WELCOME_PREFIX):
            return Reason.WELCOME
        case EntryType.GRANT if entry.entry_id == opening_id(entry.user_id):
            return Reason.OPENING
        case EntryType.GRANT:
            return Reason.GRANT


def failure_refunded_by(entry: LedgerEntry, creation: Creation) -> FailureCode | None:
    """Return why the creation failed if this entry refunded it and it was not retried since."""
    if creation.status is not Status.FAILED or creation.error is None:
        return None
    is_its_refund = entry.entry_id == refund_id(creation.creation_id, creation.run_number)
    return creation.error.code if is_its_refund else None
