"""Folding: add the outcomes of settled runs to the statistics of their hours.

An outcome has `fold_at` until it is folded. One transaction adds up to `FOLD_SIZE` outcomes to the
document of their hour and clears their `fold_at`: each is added exactly once, however many sweeps
overlap and however late a commit lands.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import groupby, islice

from shared.domain.keys import Key
from shared.domain.ledger import Cost
from shared.domain.policy import SWEEP_LAST_CALL_S, Policy
from shared.domain.statistics import HourStatistics, hour_id, hour_key
from shared.lifecycle.duties import Duty, Outcome
from shared.lifecycle.paging import pages
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.store import Decision, Found, unchanged, write

log = logging.getLogger(__name__)

FOLD_SIZE = 200
"""How many outcomes one transaction adds."""


@dataclass(frozen=True)
class Hour:
    """The outcomes of one hour that are to be folded, one transaction after the other.

    Transactions of one hour change one document and would repeat each other at the same time.
    """

    key: Key[HourStatistics]
    outcomes: Sequence[Key[Cost]]


@dataclass(frozen=True)
class Folding:
    transactions: Transactions
    clock: Clock
    policy: Policy

    def duty(self, at: datetime) -> Duty[Hour]:
        """Return the sweep's duty, which begins no fold when the sweep must end."""
        work_s = self.policy.sweep_budget_s - SWEEP_LAST_CALL_S
        until_s = self.clock.monotonic_s() + work_s
        return Duty(self._hours(at), partial(self._fold_all, until_s=until_s))

    def _hours(self, at: datetime) -> Iterator[list[Hour]]:
        """Yield what is due, hour by hour: `fold_at` is the time of settling."""
        listed = pages(
            partial(self.transactions.store.unfolded, at), lambda each: each.fold_at or at
        )
        due = (
            outcome
            for page in listed
            for outcome in page
            if outcome.created_at and outcome.kind and outcome.outcome
        )
        most = islice(due, self.policy.sweep_creations_max)
        for key, outcomes in groupby(most, _hour_of):
            yield [Hour(key, [each.key for each in outcomes])]

    def _fold_all(self, hour: Hour, *, until_s: float) -> Outcome:
        folded = 0
        for first in range(0, len(hour.outcomes), FOLD_SIZE):
            if self.clock.monotonic_s() >= until_s:
                break
            folded += self.fold(hour.key, hour.outcomes[first : first + FOLD_SIZE])
        log.info("folded", extra={"hour": hour.key.id, "outcomes": folded})
        return Outcome.FOLDED if folded else Outcome.LEFT

    def fold(self, key: Key[HourStatistics], outcomes: Sequence[Key[Cost]]) -> int:
        """Add those of these outcomes that are not folded yet, and return their number."""
        at = self.clock.now()

        def decide(found: Found) -> Decision[int]:
            listed = [each for each in map(found.get, outcomes) if each is not None]
            unfolded = [each for each in listed if each.fold_at is not None]
            if not unfolded:
                return unchanged(0)
            hour = found.get(key) or HourStatistics(hour_id=key.id)
            folded = [replace(each, fold_at=None) for each in listed]
            return write(hour.counted(unfolded, at=at), *folded, result=len(unfolded))

        return self.transactions.run([key, *outcomes], decide)


def _hour_of(outcome: Cost) -> Key[HourStatistics]:
    if outcome.created_at is None:
        raise ValueError(f"{outcome.cost_id} has no time")
    return hour_key(hour_id(outcome.created_at))
