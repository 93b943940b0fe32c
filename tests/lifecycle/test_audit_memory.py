"""The audit's memory does not grow with the number of accounts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EACH = 100
GROWTH_MIB_MAX = 12
"""The caches of the store and of the file index fill; all documents would take 150 MiB."""


def peak_mib(users: int, folder: Path) -> float:
    """Return the most memory that an audit of so many accounts takes, in its own process."""
    script = str(ROOT / "benchmarks/in_tree/audit.py")
    folder.mkdir()
    free = {"PHOENIX_DATA": str(folder), "PHOENIX_GENERATOR": "sample", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-P", script, str(users), str(EACH)],
        env={**os.environ, **free},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["violations"], found["creations"]) == (0, users * EACH)
    return float(found["peak_mib"])


@pytest.mark.slow
def test_audit_of_ten_times_the_accounts_takes_no_more_memory(tmp_path: Path) -> None:
    small, large = peak_mib(40, tmp_path / "small"), peak_mib(400, tmp_path / "large")

    assert large - small < GROWTH_MIB_MAX
