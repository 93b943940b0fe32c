"""The incremental audit reports each kind of damage since the checkpoint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.domain.ledger import Actor, LedgerEntry
from shared.domain.welcome import WELCOME_PREFIX
from shared.lifecycle import creation_invariants
from tests.lifecycle.test_auditing import COUNTS, of_status, remove, spoil
from tests.lifecycle.test_incremental_audit import audit, checkpoint
from tests.support.builders import ADA, BEN, NOON
from tests.support.documents import put
from tests.support.world import World


def found(world: World) -> set[str]:
    return {violation.invariant for violation in audit(world).violations}


def with_history(folder: Path) -> World:
    """A world whose books an audit found correct, while one creation waited."""
    world = World(folder)
    world.draft(key="old")
    world.failed(key="failed before")
    world.draft(user=BEN)
    world.open(key="waits")
    assert audit(world).violations == []
    return world


def with_news(folder: Path) -> World:
    """The same world after the one that waited was finished and others were opened."""
    world = with_history(folder)
    waiting = world.claim(world.open(key="waits").creation)
    world.store_files(waiting)
    world.failed(key="failed since")
    world.open(key="opened since")
    return world


def change_account(**changes: Any) -> Callable[[World], None]:
    return lambda w: spoil(w, "users", f"id = '{ADA}'", lambda d: d.update(changes))


def entry_of_last(world: World, entry_type: str) -> LedgerEntry:
    return next(e for e in world.ledger() if e.entry_type == entry_type)


def spoil_last(entry_type: str, **changes: Any) -> Callable[[World], None]:
    def spoil_it(world: World) -> None:
        entry_id = entry_of_last(world, entry_type).entry_id
        spoil(world, "transactions", f"id = '{entry_id}'", lambda d: d.update(changes))

    return spoil_it


def remove_last(entry_type: str) -> Callable[[World], None]:
    def remove_it(world: World) -> None:
        remove(world, "transactions", f"id = '{entry_of_last(world, entry_type).entry_id}'")

    return remove_it


def fail_without_refund(world: World) -> None:
    """Let the creation that waited at the checkpoint fail, as if its refund were forgotten."""
    at = "2026-11-21T12:00:00+00:00"
    ended = {"sweepAt": None, "deadlineAt": None, "leaseExpiresAt": None, "availableAt": None}
    failed = {
        "status": "failed",
        "refunded": True,
        "error": {"code": "internal", "message": "x", "retryable": True},
    }
    spoil(
        world,
        "creations",
        of_status("processing"),
        lambda d: d.update({**ended, **failed, "updatedAt": at}),
    )
    change_account(inFlight={"image": 0, "video": 1})(world)


def copy_welcome(world: World) -> None:
    """Grant a second welcome under the id of another address."""
    account = world.account()
    entry = next(e for e in world.ledger() if e.entry_id.startswith(WELCOME_PREFIX))
    again, second = account.granted(
        entry.amount_tokens, entry_id=f"{WELCOME_PREFIX}x", reference=None, actor=Actor.API, at=NOON
    )
    put(world.sqlite, again, second)


DAMAGES: dict[str, tuple[str, Callable[[World], None]]] = {
    "a balance that the ledger does not explain": ("I1", change_account(tokenBalance=81)),
    "spending that the ledger does not explain": ("I1", change_account(totalTokensSpent=7)),
    "more entries than the ledger has": ("I1", change_account(ledgerCount=99)),
    "a new entry with another amount": ("I1", spoil_last("debit", amount=1)),
    "a new entry that is gone": ("I1", remove_last("refund")),
    "a ledger shorter than at its checkpoint": (
        "I1",
        lambda w: remove(w, "transactions", "json_extract(document, '$.sequence') > 2"),
    ),
    "another balance at the checkpoint": (
        "I1",
        lambda w: spoil(
            w, "transactions", "id LIKE '%debit_1' AND json_extract(document, '$.sequence') = 5",
            lambda d: d.update(balanceAfter=7),
        ),
    ),
    "an account that is gone": ("I1", lambda w: remove(w, "users", f"id = '{ADA}'")),
    "an account that cannot be read": ("I0", change_account(createdAt="never")),
    "a creation that cannot be read": (
        "I0",
        lambda w: spoil(w, "creations", of_status("pending"), lambda d: d.update(stage="x")),
    ),
    "a new debit that is gone": ("I2", remove_last("debit")),
    "a new debit under another user": ("I2", spoil_last("debit", userId=BEN)),
    "a new creation of another cost": (
        "I2",
        lambda w: spoil(w, "creations", of_status("pending"), lambda d: d.update(cost=9)),
    ),
    "a new refund that is gone": ("I3", remove_last("refund")),
    "a failure without a refund of what waited": ("I3", fail_without_refund),
    "media and refund for one new debit": (
        "I3",
        lambda w: spoil(w, "creations", of_status("failed"), lambda d: d.update(status="draft")),
    ),
    "a creation that is late": ("I7", lambda w: w.clock.sleep(1100)),
    "an unfinished creation that no sweep finds": (
        "I12",
        lambda w: spoil(w, "creations", of_status("pending"), lambda d: d.update(sweepAt=None)),
    ),
    "a counter that counts wrong": ("I16", change_account(inFlight={"image": 1, "video": 2})),
    **COUNTS,
    "a second welcome": ("I18", copy_welcome),
    "a welcome that may be granted again": ("I18", change_account(welcomed=False)),
}  # fmt: skip


def must_report(world: World, damage: str) -> None:
    invariant, spoil_it = DAMAGES[damage]
    before = checkpoint(world)
    spoil_it(world)

    assert invariant in found(world)
    assert invariant in found(world), "it is reported again"
    assert checkpoint(world) == before


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_since_the_checkpoint_is_reported_until_it_is_repaired(
    tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creation_invariants, "COUNT_MAX", 1000)  # each is looked for
    world = with_news(tmp_path)

    must_report(world, damage)

    world.close()


def must_report_a_failure_without_refund(world: World) -> None:
    """Check an account without any entry since the checkpoint."""
    world.claim(world.open(key="waits").creation)
    fail_without_refund(world)
    change_account(inFlight={"image": 0, "video": 0})(world)

    assert "I3" in found(world)


def must_report_a_late_one(world: World) -> None:
    """Check a creation that no counter and no checkpoint names any more."""
    change_account(inFlight={"image": 0, "video": 0})(world)
    spoil(world, "auditCheckpoints", f"id = '{ADA}'", lambda d: d.update(unfinished=[]))
    world.clock.sleep(1100)

    assert "I7" in found(world)


@pytest.mark.parametrize(
    "must_report_it", [must_report_a_failure_without_refund, must_report_a_late_one]
)
def test_account_without_a_new_entry_is_checked_for_what_waited(
    tmp_path: Path, must_report_it: Callable[[World], None]
) -> None:
    world = with_history(tmp_path)

    must_report_it(world)

    world.close()


UNSEEN: dict[str, Callable[[World], None]] = {
    "an old creation of another cost": lambda w: spoil(
        w, "creations", of_status("draft"), lambda d: d.update(cost=9)
    ),
    "an old entry": lambda w: spoil(
        w, "transactions", "json_extract(document, '$.sequence') = 2", lambda d: d.update(amount=1)
    ),
    "a username": lambda w: remove(w, "usernames", f"id = '{ADA}'"),
    "a file": lambda w: w.files.path_of(next(w.files.everything()).key).unlink(),
}
"""What the documentation leaves to the whole audit."""


@pytest.mark.parametrize("damage", UNSEEN)
def test_damage_before_the_checkpoint_is_left_to_the_whole_audit(
    tmp_path: Path, damage: str
) -> None:
    audited = with_history(tmp_path)

    UNSEEN[damage](audited)

    assert audit(audited).violations == []
    assert audited.violations() != []
    audited.close()
