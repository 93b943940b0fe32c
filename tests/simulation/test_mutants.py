"""Every way to break the protocol that we could think of is noticed."""

import itertools

import pytest

from tests.simulation.gates import GATES
from tests.simulation.history import play
from tests.simulation.mutants import MUTANTS, Mutant, broken

SEEDS_MAX = 5000


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_mutant_is_caught_that_says(mutant: Mutant) -> None:
    with broken(mutant):
        if mutant.gate is not None:
            caught = next(gate for gate in GATES if gate.name == mutant.gate).failings()
        else:
            outcomes = map(play, itertools.count())
            histories = itertools.islice(outcomes, SEEDS_MAX)
            caught = next((each.violations for each in histories if each.violations), [])

    assert caught != []


def test_there_are_mutants_enough_and_each_has_its_own_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 15
