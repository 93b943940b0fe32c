"""Shrinks a failing history to fewer faults and operations with the same violation (ddmin).

A. Zeller and R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tests.simulation.draws import Site
from tests.simulation.faults import Faults
from tests.simulation.history import Outcome, Scenario, play

PartT = TypeVar("PartT")
Part = tuple[Site, str] | str
"""A fault at its site, or the name of an operation."""


@dataclass(frozen=True)
class Shrunk:
    """A minimal history with the violation."""

    faults: dict[Site, str]
    operations: list[str]
    """The operations that clients perform; all others are left out."""
    outcome: Outcome


def shrink(outcome: Outcome, *, scenario: Scenario | None = None) -> Shrunk:
    """Return a minimal set of faults and operations with the outcome's first violation."""
    broken = outcome.violations[0].split()[0]
    everything: list[Part] = [*outcome.happened, *outcome.operations]

    def replayed(parts: Sequence[Part]) -> Outcome:
        forced = dict(part for part in parts if not isinstance(part, str))
        skipped = frozenset(outcome.operations) - {part for part in parts if isinstance(part, str)}
        faults = Faults(outcome.seed, is_exact=True, forced=forced)
        return play(outcome.seed, faults=faults, scenario=scenario, skipped=skipped)

    def is_broken(parts: Sequence[Part]) -> bool:
        return any(each.startswith(broken) for each in replayed(parts).violations)

    least = minimised(everything, is_broken)
    return Shrunk(
        faults=dict(part for part in least if not isinstance(part, str)),
        operations=[part for part in least if isinstance(part, str)],
        outcome=replayed(least),
    )


def minimised(parts: Sequence[PartT], is_broken: Callable[[Sequence[PartT]], bool]) -> list[PartT]:
    """Return a subset from which no part can be removed."""
    least, chunks = list(parts), 2
    while least:
        size = max(1, len(least) // chunks)
        for start in range(0, len(least), size):
            rest = least[:start] + least[start + size :]
            if is_broken(rest):
                least, chunks = rest, max(chunks - 1, 2)
                break
        else:
            if size == 1:
                break
            chunks = min(chunks * 2, len(least))
    return least
