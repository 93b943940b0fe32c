"""The shape of the checks of one part of the protocol, which the inspector calls at every commit."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.creation import Creation
from shared.domain.keys import Key
from shared.ports.store import Document
from tests.simulation.store import Changes

Problem = tuple[str, str]
"""A violated invariant, and how."""


@dataclass(frozen=True)
class Commit:
    actor: str
    changes: Changes
    now: datetime

    def creations(self) -> Iterator[tuple[Creation | None, Creation | None]]:
        """Yield each changed creation before and after; None where it did not exist."""
        for before, after in self.changes.values():
            old = before if isinstance(before, Creation) else None
            new = after if isinstance(after, Creation) else None
            if old or new:
                yield old, new


class Checks(ABC):
    @abstractmethod
    def problems(self, commit: Commit) -> Iterable[Problem]:
        """Return the violations of one commit."""

    def problems_at_end(self, documents: Mapping[Key[Any], Document]) -> Iterable[Problem]:
        """Return what is wrong with the documents after the last sweep."""
        return ()


def named(invariant: str, problems: Iterable[str]) -> Iterator[Problem]:
    return ((invariant, each) for each in problems)
