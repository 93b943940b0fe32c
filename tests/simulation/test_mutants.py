"""Every mutant of the protocol is noticed."""

import pytest

from tests.simulation import campaign
from tests.simulation.mutants import MUTANTS


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(MUTANTS)), ids=lambda number: MUTANTS[number].name)
def test_the_mutant_is_caught_that_says(number: int) -> None:
    assert campaign.caught(number) is not None


def test_there_are_mutants_enough_and_each_has_its_own_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 15
