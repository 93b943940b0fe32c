"""Sweeps that die at a fold: the next one counts every outcome exactly once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared import settings, wiring
from shared.domain.kind import Kind
from shared.domain.ledger import Cost, RunOutcome
from shared.lifecycle.folding import FOLD_SIZE
from shared.ports.store import Page
from shared.wiring import Phoenix
from tests.support.builders import NOON, seconds
from tests.support.documents import put

OUTCOMES = 3 * FOLD_SIZE
AT = NOON - seconds(365 * 24 * 3600)
ONE = Cost(
    cost_id="",
    model="m",
    estimated_cost_usd=0.05,
    kind=Kind.IMAGE,
    created_at=AT,
    outcome=RunOutcome.READY,
    seconds=9.0,
    cost_micro_usd=50_000,
    fold_at=AT,
)
SCRIPT = Path(__file__).with_name("killed_fold.py")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def phoenix(tmp_path: Path) -> Iterator[Phoenix]:
    """An installation with the outcomes of three folds of one hour."""
    built = wiring.build(settings.load({"PHOENIX_DATA": str(tmp_path)}))
    put(built.ports.store, *(replace(ONE, cost_id=f"{n:03}_1") for n in range(OUTCOMES)))
    yield built
    built.ports.close()


def killed_sweep(phoenix: Phoenix, data: Path, moment: str) -> int:
    """Run the sweep that dies, and return the number of outcomes that it has counted."""
    environment = {"PHOENIX_DATA": str(data), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), moment], env={**os.environ, **environment}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    return sum(each.image.ready for each in phoenix.ports.store.statistics(""))


@pytest.mark.slow
@pytest.mark.parametrize(("moment", "folds"), [("decided", 1), ("written", 1), ("committed", 2)])
def test_outcomes_are_counted_once_after_a_sweep_died_at_a_fold(
    phoenix: Phoenix, tmp_path: Path, moment: str, folds: int
) -> None:
    counted = killed_sweep(phoenix, tmp_path, moment)
    after_death = phoenix.auditing.audit().violations

    phoenix.sweeping.sweep()

    assert (counted, after_death) == (folds * FOLD_SIZE, [])
    [hour] = phoenix.ports.store.statistics("")
    assert (hour.image.ready, hour.image.total_micro_usd) == (OUTCOMES, OUTCOMES * 50_000)
    assert phoenix.ports.store.unfolded(phoenix.ports.clock.now(), Page(1)) == []
    assert phoenix.auditing.audit().violations == []
