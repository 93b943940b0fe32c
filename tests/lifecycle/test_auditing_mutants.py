"""Mutants of the audit: each lets a damage pass, which a test notices."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.adapters import documents
from shared.lifecycle import auditing
from shared.lifecycle.auditing import Auditing
from tests.lifecycle import test_auditing as behaviour
from tests.lifecycle.test_auditing import right_world
from tests.simulation.mutation import Edit, Mutant, broken
from tests.support.world import World

Check = Callable[[World], None]


def _mutant(name: str, function: str, old: str, new: str, owner: Any = Auditing) -> Mutant:
    return Mutant(name, (Edit(owner, function, old, new),))


def _reports(damage: str) -> Check:
    return lambda world: behaviour.test_damage_is_reported_as_its_invariant(world, damage)


def _reads(damage: str) -> Check:
    return lambda world: behaviour.test_unreadable_document_is_reported_and_all_others_are_checked(
        world, damage
    )


MUTANTS: list[tuple[Mutant, Check]] = [
    (
        _mutant("nobody searches for what the order left out", "damage", "if self._moment.count(self._collection) == self._row_count:", "if True:", documents._Shelf),
        _reads("an entry without a number"),
    ),
    (
        _mutant("damaged documents count as read", "in_order", "continue", "found = None", documents._Shelf),
        _reads("a creation without a time"),
    ),
    (
        _mutant("null is an owner", "_check_owner", 'raise TypeError("userId is no text")', "return", documents),
        _reads("a creation whose owner is null"),
    ),
    (
        _mutant("damage is not reported", "_documents", "yield Violation(UNREADABLE, document.document, document.what)", "pass"),
        _reads("a name of nobody"),
    ),
    (
        _mutant("an account that cannot be checked passes", "_account", 'yield Violation(UNREADABLE, user_id, f"cannot be checked: {error!r}")', "return"),
        _reads("a deadline without a time zone"),
    ),
    (
        _mutant("an account that cannot be checked ends the audit", "_account", 'yield Violation(UNREADABLE, user_id, f"cannot be checked: {error!r}")', "raise"),
        _reads("a deadline without a time zone"),
    ),
    (
        _mutant("accounts are not checked", "_documents", "yield from self._account(user_id, books, at)", "pass"),
        _reports("a ledger without an account"),
    ),
    (
        _mutant("names are not compared", "_documents", "if unmatched_names:", "if False:"),
        _reports("an account without its username"),
    ),
    (
        _mutant("only names are compared, not their accounts", "_name_number", " {named.user_id}", "", auditing),
        _reports("a name of another account"),
    ),
    (
        _mutant("no file is expected", "_expect_files", "files.expect(stored_files(creation).items())", "pass", auditing),
        _reports("a missing file"),
    ),
    (
        _mutant("a file of another size passes", "_wrong_files", "is not None:", "is not None and suspect.size_bytes is None:", auditing),
        _reports("a file of another size"),
    ),
    (
        _mutant("unreferenced files pass", "_files", "if file.stored_at < oldest:", "if False:"),
        _reports("an orphaned file"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "check"), MUTANTS, ids=[m.name for m, _ in MUTANTS])
def test_mutant_of_the_audit_is_noticed(tmp_path: Path, mutant: Mutant, check: Check) -> None:
    world = right_world(tmp_path)

    with broken(mutant), pytest.raises((AssertionError, ValueError, TypeError)):
        check(world)

    world.close()
