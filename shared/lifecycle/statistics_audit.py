"""The audit of the statistics (I21): those of each hour are exactly its folded outcomes."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from shared.domain.kind import Kind
from shared.domain.ledger import Cost, RunOutcome
from shared.domain.statistics import HourStatistics, HourTally, hour_id
from shared.lifecycle.violation import Violation

INVARIANT = "I21"
FOLD_WITHIN = timedelta(hours=1)
"""How much later outcomes may be that are folded while an older one is not.

The sweep folds the oldest first. What a stopped installation has not folded yet is no violation.
"""


class StatisticsCheck:
    """Adds up outcomes, in memory that grows with the number of hours only."""

    def __init__(self) -> None:
        self._hours: dict[str, HourStatistics] = {}
        self._tallies: dict[str, HourTally] = {}
        self._oldest: Cost | None = None
        """The unfolded outcome that has waited longest."""
        self._newest_folded: datetime | None = None

    def add(self, document: Cost | HourStatistics) -> Iterator[Violation]:
        """Take a document, and find what is wrong with it alone."""
        match document:
            case HourStatistics():
                self._hours[document.hour_id] = document
            case Cost(outcome=None):  # written by a release before the statistics
                pass
            case Cost() if (what := _inconsistency(document)) is not None:
                yield Violation(INVARIANT, document.cost_id, what)
            case Cost(created_at=datetime() as settled_at):
                self._add_outcome(document, settled_at)

    def _add_outcome(self, outcome: Cost, settled_at: datetime) -> None:
        if outcome.fold_at is None:
            hour = hour_id(settled_at)
            empty = HourStatistics(hour_id=hour)
            self._tallies.setdefault(hour, HourTally(empty)).add(outcome)
            self._newest_folded = max(self._newest_folded or settled_at, settled_at)
        elif self._oldest is None or outcome.fold_at < (self._oldest.fold_at or outcome.fold_at):
            self._oldest = outcome

    def violations(self) -> Iterator[Violation]:
        """Compare the sums, after the last document."""
        for hour in sorted(self._hours.keys() | self._tallies.keys()):
            stored = self._hours.get(hour, HourStatistics(hour_id=hour))
            tally = self._tallies.get(hour, HourTally(HourStatistics(hour_id=hour)))
            yield from _differences(replace(stored, folded_at=None), tally.total())
        oldest, newest = self._oldest, self._newest_folded
        if oldest and oldest.fold_at and newest and oldest.fold_at + FOLD_WITHIN < newest:
            what = f"settled at {oldest.fold_at} and is in no statistics, unlike others of {newest}"
            yield Violation(INVARIANT, oldest.cost_id, what)


def _inconsistency(outcome: Cost) -> str | None:
    if outcome.kind is None or outcome.created_at is None:
        return "has an outcome without a kind or a time"
    is_failed = outcome.outcome is RunOutcome.FAILED
    if is_failed != (outcome.failure is not None):
        return f"is {outcome.outcome} with failure {outcome.failure}"
    return None


def _differences(stored: HourStatistics, counted: HourStatistics) -> Iterator[Violation]:
    for kind in Kind:
        outcomes = asdict(counted.of(kind))
        for name, value in asdict(stored.of(kind)).items():
            if value != outcomes[name]:
                what = f"says {name} {value} for {kind}s, its outcomes say {outcomes[name]}"
                yield Violation(INVARIANT, stored.hour_id, what)
