"""The log-based metrics of `phoenix demo` against its own report."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.log_metrics import LogMetric, Sample, lines_of

pytestmark = pytest.mark.slow

METRICS = Path(__file__).parents[2] / "infrastructure/gcp/observability/metrics"
ON_EVERY_LINE = {"severity", "time", "message", "service", "logger"}
ON_A_JOBS_LINES = {"creation_id", "kind", "execution"}
WITHOUT_ATTEMPT = "nothing_to_claim"
"""Logged by a job whose creation another execution has taken along."""


def samples(name: str, lines: list[dict[str, Any]]) -> list[Sample]:
    return LogMetric.read(METRICS / f"phoenix_{name}.json").samples(lines)


def counts(name: str, lines: list[dict[str, Any]]) -> Counter[tuple[str, ...]]:
    return Counter(tuple(sample.labels.values()) for sample in samples(name, lines))


def test_metrics_of_a_demo_match_its_report(tmp_path: Path) -> None:
    phoenix = Path(sys.executable).with_name("phoenix")
    done = subprocess.run(
        [phoenix, "demo", "--json", "--data", tmp_path],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    reported = [story["creation"] for story in json.loads(done.stdout)["creations"]]

    logs = [tmp_path / "logs", tmp_path / "executions/logs"]
    files = [path for folder in logs for path in folder.glob("*.log")]
    lines = list(lines_of(*(path.read_text() for path in files)))
    jobs = [line for line in lines if line["service"].endswith("-job")]
    by_kind = Counter((creation["type"],) for creation in reported)
    drafts = Counter((c["type"],) for c in reported if c["status"] == "draft")
    sweeps = [line for line in lines if line["message"] == "swept"]
    assert counts("creations_opened", lines) == by_kind
    assert counts("creations_settled", lines) == Counter(
        (c["type"], "creation_completed", "")
        if c["status"] == "draft"
        else (c["type"], "creation_failed", c["error"]["code"])
        for c in reported
    )
    assert counts("processing_seconds", lines) == drafts
    assert counts("refund_lag_seconds", lines) == {("job",): sum(c["refunded"] for c in reported)}
    assert len(samples("oldest_unfinished_seconds", lines)) == len(sweeps) > 0
    for nothing in ("creations_published", "upload_failures", "refund_failures"):
        assert counts(nothing, lines) == {}
    assert counts("audit_violations", lines) == {}
    assert all(line.keys() >= ON_EVERY_LINE for line in lines)
    assert jobs
    assert all(line.keys() >= ON_A_JOBS_LINES for line in jobs)
    assert all("attempt" in line for line in jobs if line["message"] != WITHOUT_ATTEMPT)
    assert {line["creation_id"] for line in jobs} == {c["creationId"] for c in reported}
