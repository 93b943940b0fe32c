"""Checks of the statistics: each outcome is right, folded once, and into the hour of its settling.

The sums are deliberately counted again here, without the code under test.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared.domain.creation import Creation
from shared.domain.keys import Collection, Key
from shared.domain.kind import Kind
from shared.domain.ledger import Cost
from shared.domain.statistics import HourStatistics
from shared.domain.status import Status
from shared.ports.store import Document
from tests.simulation.checks import Checks, Commit, Problem, named
from tests.simulation.store import Changes

Sums = Counter[tuple[str, Kind, str]]
"""What is counted: by hour, kind and name."""


@dataclass
class StatisticsChecks(Checks):
    """What the statistics of one history must be: every commit adds its part."""

    expects_folds: bool = True
    expected: Sums = field(default_factory=Counter)

    def problems(self, commit: Commit) -> Iterator[Problem]:
        return named("I21", self._problems(commit.changes))

    def problems_at_end(self, documents: Mapping[Key[Any], Document]) -> Iterator[Problem]:
        return named("I21", self._differences(documents) if self.expects_folds else ())

    def _problems(self, changes: Changes) -> Iterator[str]:
        costs, hours = (
            [pair for key, pair in changes.items() if key.collection is collection]
            for collection in (Collection.COSTS, Collection.STATISTICS)
        )
        if not costs and not hours:
            return
        folded: Sums = Counter()
        for before, after in costs:
            if isinstance(before, Cost) and isinstance(after, Cost):
                yield from self._fold(before, after)
                folded += sums_of(after)
            elif isinstance(after, Cost):
                yield from _settling(after, changes)
            else:
                yield f"an outcome was removed: {before}"
        added: Sums = Counter()
        for before, after in hours:
            added.update(counted_in(after))
            added.subtract(counted_in(before))
        if any(added[each] != folded[each] for each in {*added, *folded}):
            yield f"a commit folds {dict(folded)} and adds {dict(added)}"
        self.expected += folded

    def _fold(self, before: Cost, after: Cost) -> Iterator[str]:
        if before.fold_at is None or after != replace(before, fold_at=None):
            yield f"{before.cost_id} was changed from {before} to {after}"

    def _differences(self, documents: Mapping[Key[Any], Document]) -> Iterator[str]:
        stored: Sums = Counter()
        outcomes: Sums = Counter()
        for each in documents.values():
            match each:
                case HourStatistics():
                    stored += counted_in(each)
                case Cost():
                    outcomes += sums_of(each)
                    if each.fold_at is not None:
                        yield f"{each.cost_id} is not folded since {each.fold_at}"
        if not stored == outcomes == self.expected:
            yield f"statistics say {dict(stored)}, outcomes {dict(outcomes)}"


def sums_of(outcome: Cost) -> Sums:
    if outcome.kind is None or outcome.created_at is None:
        return Counter({("", Kind.IMAGE, "no kind or time"): 1})
    hour = outcome.created_at.isoformat()[:13]
    name = "ready" if outcome.failure is None else str(outcome.failure)
    sums: Sums = Counter({(hour, outcome.kind, name): 1})
    sums[hour, outcome.kind, "micro-dollars"] = round(outcome.estimated_cost_usd * 1_000_000)
    return +sums


def counted_in(hour: Document | None) -> Sums:
    """Return what the statistics of an hour say."""
    sums: Sums = Counter()
    if not isinstance(hour, HourStatistics):
        return sums
    for kind, each in ((Kind.IMAGE, hour.image), (Kind.VIDEO, hour.video)):
        for code, count in each.failed.items():
            sums[hour.hour_id, kind, code] = count
        sums[hour.hour_id, kind, "ready"] = each.ready
        sums[hour.hour_id, kind, "micro-dollars"] = sum(each.cost_micro_usd.values())
    return +sums


def _settling(outcome: Cost, changes: Changes) -> Iterator[str]:
    """Check that the outcome is that of the run that settles in this commit."""
    settled = [
        (before, after)
        for before, after in changes.values()
        if isinstance(before, Creation) and isinstance(after, Creation)
    ]
    for before, after in settled:
        is_ready = after.status is Status.DRAFT
        code = after.error.code if after.error else None
        says = (outcome.outcome, outcome.failure, outcome.kind, outcome.fold_at)
        if says != ("ready" if is_ready else "failed", code, after.kind, outcome.created_at):
            yield f"{outcome.cost_id} says {says}, but it is {after.status} {code}"
        lag_s = before.overdue_s(outcome.created_at) if outcome.created_at else 0.0
        if not is_ready and abs(outcome.refund_lag_s - max(0, lag_s)) > 0.01:
            yield f"{outcome.cost_id} says {outcome.refund_lag_s} s late, but it is {lag_s}"
    if len(settled) != 1:
        yield f"{outcome.cost_id} settles {len(settled)} creations"
