"""Every mutant of the protocol is noticed, by its gate or by an invariant."""

import re

import pytest

from tests.simulation import campaign
from tests.simulation.gates import GATES
from tests.simulation.mutants import MUTANTS

VIOLATION = re.compile(r"seed \d+: I\d+ at \d+\.\d s: .+")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(MUTANTS)), ids=lambda number: MUTANTS[number].name)
def test_mutant_is_noticed_by_its_gate_or_an_invariant(number: int) -> None:
    noticed = campaign.caught(number) or ""

    gate = MUTANTS[number].gate
    assert noticed.startswith(f"{gate}: ") if gate else VIOLATION.fullmatch(noticed)


def test_mutants_have_distinct_names_and_existing_gates() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 15
    assert {mutant.gate for mutant in MUTANTS} - {None} <= {gate.name for gate in GATES}
