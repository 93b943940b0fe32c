"""Why tokens moved: from the ids that only one kind of movement has."""

from dataclasses import replace

import pytest

from shared.domain.ledger import EntryType, LedgerEntry, debit_id, grant_id, opening_id, refund_id
from shared.domain.movement import Reason, failure_refunded_by, reason_of
from shared.domain.welcome import WELCOME_PREFIX
from tests.support.builders import ADA
from tests.support.world import World


def entry(world: World, entry_id: str, entry_type: EntryType) -> LedgerEntry:
    failed = world.failed()
    some = world.ledger(ADA)[0]
    creation_id = None if entry_type is EntryType.GRANT else failed.creation_id
    named = entry_id.replace("CREATION", failed.creation_id)
    return replace(some, entry_id=named, entry_type=entry_type, creation_id=creation_id)


@pytest.mark.parametrize(
    ("entry_id", "entry_type", "reason"),
    [
        (f"{WELCOME_PREFIX}abc", EntryType.GRANT, Reason.WELCOME),
        (opening_id(ADA), EntryType.GRANT, Reason.OPENING),
        (grant_id("order 7"), EntryType.GRANT, Reason.GRANT),
        ("CREATION_debit_1", EntryType.DEBIT, Reason.DEBIT),
        ("CREATION_debit_2", EntryType.DEBIT, Reason.RETRY),
        ("CREATION_debit_11", EntryType.DEBIT, Reason.RETRY),
        ("CREATION_refund_1", EntryType.REFUND, Reason.REFUND),
    ],
)
def test_reason_follows_from_the_entry(
    world: World, entry_id: str, entry_type: EntryType, reason: Reason
) -> None:
    assert reason_of(entry(world, entry_id, entry_type)) is reason


def test_failure_belongs_to_the_refund_of_the_latest_run_only(world: World) -> None:
    failed = world.failed()
    assert failed.error is not None
    debit, refund = (
        replace(world.ledger(ADA)[0], entry_id=make(failed.creation_id, 1), creation_id=None)
        for make in (debit_id, refund_id)
    )

    assert failure_refunded_by(refund, failed) is failed.error.code
    assert failure_refunded_by(debit, failed) is None
    assert failure_refunded_by(refund, replace(failed, run_number=2)) is None
    assert failure_refunded_by(refund, world.open().creation) is None
