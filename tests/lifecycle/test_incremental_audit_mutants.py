"""Mutants of the incremental audit: each misses a damage or breaks a rule, which its check notices."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.domain.audit_checkpoint import AuditCheckpoint
from shared.lifecycle import incremental_audit
from shared.lifecycle.incremental_audit import IncrementalAudit
from tests.lifecycle import test_incremental_audit as behaviour
from tests.lifecycle.test_incremental_audit_damages import (
    must_report,
    must_report_a_failure_without_refund,
    must_report_a_late_one,
    with_history,
    with_news,
)
from tests.simulation.mutation import Edit, Mutant, broken
from tests.support.world import World

Check = Callable[[World], None]


def _mutant(name: str, function: str, old: str, new: str, owner: Any = IncrementalAudit) -> Mutant:
    return Mutant(name, (Edit(owner, function, old, new),))


def _reports(damage: str) -> Check:
    return lambda world: must_report(world, damage)


MUTANTS: list[tuple[Mutant, Callable[[Path], World], Check]] = [
    (
        _mutant("a damaged account has a checkpoint", "_checked", "if not wrong:\n        un", "if True:\n        un"),
        with_news,
        _reports("a balance that the ledger does not explain"),
    ),
    (
        _mutant(
            "the check begins where the account says", "_examined",
            "store.get(checkpoint_key(user_id)) or AuditCheckpoint(user_id=user_id)",
            "AuditCheckpoint.of(store.get(account_key(user_id)))",
        ),
        with_news,
        _reports("spending that the ledger does not explain"),
    ),
    (
        _mutant("what waited at the checkpoint is forgotten", "_examined", ".union(start.unfinished)", ""),
        with_news,
        _reports("a failure without a refund of what waited"),
    ),
    (
        _mutant(
            "the entry at the checkpoint is not compared", "_later_entries",
            "end == (start.ledger_count, start.balance_tokens)", "True", incremental_audit,
        ),
        with_news,
        _reports("another balance at the checkpoint"),
    ),
    (
        _mutant(
            "a second welcome is not noticed", "_welcome_violations",
            "start.welcomed and any", "False and any", incremental_audit,
        ),
        with_news,
        _reports("a second welcome"),
    ),
    (
        _mutant(
            "a welcome without its mark is not noticed", "_welcome_violations",
            "not account.welcomed", "False", incremental_audit,
        ),
        with_news,
        _reports("a welcome that may be granted again"),
    ),
    (
        _mutant("an account without entries is covered", "covers", "is_idle and self ==", "self.ledger_count == account.ledger_count or self ==", AuditCheckpoint),
        with_history,
        must_report_a_failure_without_refund,
    ),
    (
        _mutant("only accounts that moved are checked for lateness", "_violations", "yield from self._late()", "pass"),
        with_history,
        must_report_a_late_one,
    ),
    (
        _mutant("an account without checkpoint is skipped", "_moved", "case _ if user_id is not None:\n                yield user_id", "case _ if user_id is not None:\n                pass"),
        World,
        behaviour.test_first_audit_checks_every_account_and_the_next_one_none,
    ),
    (
        _mutant("an account is read only once", "_checked", "range(RECHECKS)", "range(0)"),
        World,
        lambda world: behaviour.test_account_that_moves_while_it_is_read_is_no_false_alarm(world, 1),
    ),
    (
        _mutant("an earlier audit replaces a checkpoint", "_keep", "or (known and known.ledger_count > checkpoint.ledger_count)", ""),
        World,
        behaviour.test_earlier_audit_does_not_replace_a_later_checkpoint,
    ),
    (
        _mutant("an unreadable account passes", "audit", "raise unreadable[0]", "pass"),
        World,
        behaviour.test_unreadable_account_stops_no_other_and_fails_the_audit,
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("mutant", "new_world", "check"), MUTANTS, ids=[m.name for m, *_ in MUTANTS]
)
def test_mutant_of_the_incremental_audit_is_noticed(
    tmp_path: Path, mutant: Mutant, new_world: Callable[[Path], World], check: Check
) -> None:
    world = new_world(tmp_path)

    with broken(mutant), pytest.raises((AssertionError, pytest.fail.Exception)):
        check(world)

    world.close()
