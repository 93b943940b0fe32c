"""Mutants of the statistics: each is one plausible mistake in counting or folding outcomes."""

from shared.domain import statistics
from shared.lifecycle import claim, failing, folding
from tests.simulation.mutation import Mutant, one

STATISTICS_MUTANTS: list[Mutant] = [
    one(
        "a fold leaves its outcomes unfolded",
        folding.Folding,
        "fold",
        "replace(each, fold_at=None) for each in listed",
        "each for each in listed",
    ),
    one(
        "outcomes are marked as folded and not counted",
        folding.Folding,
        "fold",
        "hour.counted(unfolded, at=at)",
        "replace(hour, folded_at=at)",
    ),
    one(
        "what another sweep folded is counted again",
        folding.Folding,
        "fold",
        "if each.fold_at is not None",
        "",
    ),
    one(
        "each fold of an hour begins from nothing",
        folding.Folding,
        "fold",
        "found.get(key) or HourStatistics(hour_id=key.id)",
        "HourStatistics(hour_id=key.id)",
    ),
    one(
        "an outcome is counted in two hours",
        folding.Folding,
        "fold",
        "hour.counted(unfolded, at=at), *folded",
        (
            "hour.counted(unfolded, at=at), *folded, *("
            "[HourStatistics(hour_id=hour_id(at)).counted(unfolded, at=at)]"
            " if hour_id(at) != key.id else [])"
        ),
        seed=78,
    ),
    one(
        "an outcome is counted in the hour of its fold",
        folding.Folding,
        "_hours",
        "groupby(most, _hour_of)",
        "groupby(most, lambda _: hour_key(hour_id(at)))",
        seed=78,
    ),
    one(
        "what settled before the last fold of its hour is skipped",
        folding.Folding,
        "fold",
        "if each.fold_at is not None",
        (
            "if each.fold_at is not None"
            " and not (found.get(key) and found.get(key).folded_at > each.fold_at)"
        ),
        seed=89,
    ),
    one(
        "failed runs are counted as ready",
        statistics._KindTally,
        "add",
        "if outcome.outcome is RunOutcome.READY:",
        "if True:",
    ),
    one(
        "a failed run has the outcome of a ready one",
        failing,
        "end_of_run",
        "RunOutcome.FAILED if failure else RunOutcome.READY",
        "RunOutcome.READY",
        claim,
    ),
    one(
        "an outcome is never due to be folded",
        failing,
        "end_of_run",
        "fold_at=at,",
        "",
        claim,
    ),
    one(
        "the sweep folds nothing",
        folding.Folding,
        "_hours",
        "yield [Hour(",
        "yield [][:0] and [Hour(",
    ),
]
