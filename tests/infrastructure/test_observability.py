"""The metrics, alerts and dashboard as files: they fit together, and count what happened."""

import io
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.domain.account import account_key
from shared.domain.creation import Creation
from shared.domain.errors import (
    GenerationRefused,
    GenerationUnavailable,
    OutcomeUnknown,
    ReadRefused,
    StartOutcomeUnknown,
    StoreUnavailable,
    Unavailable,
    WithdrawalRefused,
)
from shared.domain.failure import FailureCode
from shared.domain.keys import UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Cost
from shared.domain.status import Status
from shared.ports.generator import CannotTell, Operation
from shared.ports.store import write
from tests.servers.google_models_server import GoogleModelsServer
from tests.servers.google_models_variants import IMAGE
from tests.support.builders import ADA, POLICY
from tests.support.documents import put
from tests.support.jobs import CrewAtWaits, FakePipeline, run_job, with_ports
from tests.support.log_metrics import LogMetric, Sample, lines_of
from tests.support.machine import needs
from tests.support.world import World

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "infrastructure/gcp/observability"
METRICS = {path.stem: LogMetric.read(path) for path in sorted((FOLDER / "metrics").iterdir())}
ALERTS = {path.stem: json.loads(path.read_text()) for path in (FOLDER / "alerts").iterdir()}
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
GOOGLES = {
    "cloudtasks.googleapis.com/queue/depth",
    "run.googleapis.com/job/completed_execution_count",
    "run.googleapis.com/request_count",
    "run.googleapis.com/request_latencies",
}
"""https://cloud.google.com/monitoring/api/metrics_gcp"""
USERS = "logging.googleapis.com/user/"


def filters(part: Any) -> Iterator[str]:
    """Yield every filter inside a policy or a dashboard."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key in ("filter", "denominatorFilter"):
                yield value
            else:
                yield from filters(value)
    if isinstance(part, list):
        for each in part:
            yield from filters(each)


def metric_type(monitored: str) -> str:
    [name] = re.findall(r'metric\.type = "([^"]+)"', monitored)
    return name


NewWorld = Callable[..., World]
EVERY_FILTER = [each for part in (*ALERTS.values(), DASHBOARD) for each in filters(part)]


# The files


@needs("gcloud")
def test_every_field_is_known_to_googles_apis() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "tests/support/google_messages.py", FOLDER],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.stdout, checked.returncode) == ("", 0), checked.stderr


def test_every_referenced_metric_exists_and_every_metric_is_referenced() -> None:
    looked_at = {metric_type(each) for each in EVERY_FILTER}

    assert looked_at == {f"{USERS}{name}" for name in METRICS} | GOOGLES


@pytest.mark.parametrize("name", METRICS)
def test_metric_declares_the_labels_that_it_extracts(name: str) -> None:
    metric = METRICS[name]
    descriptor = metric.description["metricDescriptor"]

    assert metric.name == name
    assert {label["key"] for label in descriptor.get("labels", [])} == metric.labels.keys()
    assert (descriptor["valueType"] == "DISTRIBUTION") == ("valueExtractor" in metric.description)


def test_referenced_label_is_one_of_its_metrics() -> None:
    for each in EVERY_FILTER:
        name = metric_type(each).removeprefix(USERS)
        labels = set(re.findall(r"metric\.labels\.(\w+)", each))
        assert name not in METRICS or labels <= METRICS[name].labels.keys()


def test_alert_filters_by_named_resources_only() -> None:
    """Cloud Monitoring refuses a condition without."""
    for alert in ALERTS.values():
        assert all("resource.type = " in each for each in filters(alert))


def test_percentile_threshold_is_a_bucket_bound() -> None:
    """Within a bucket a percentile is a guess."""
    for alert in ALERTS.values():
        for condition in alert["conditions"]:
            threshold = condition.get("conditionThreshold", {})
            if "PERCENTILE" in json.dumps(threshold):
                metric = METRICS[metric_type(threshold["filter"]).removeprefix(USERS)]
                bounds = metric.description["bucketOptions"]["explicitBuckets"]["bounds"]
                assert threshold["thresholdValue"] in bounds


def threshold(alert: str, condition: int = 0) -> float:
    return ALERTS[alert]["conditions"][condition]["conditionThreshold"]["thresholdValue"]


def test_thresholds_match_the_promises() -> None:
    two_sweeps_s = 2 * POLICY.sweep_every_s

    assert threshold("oldest_unfinished") == POLICY.deadline_s + two_sweeps_s
    assert threshold("refund_lag") == two_sweeps_s
    assert (threshold("slow", 0), threshold("slow", 1)) == (30, 180)
    assert (threshold("failures"), threshold("queue_depth")) == (0.1, 50)
    assert (threshold("refund_failures"), threshold("audit_violations")) == (0, 0)
    assert threshold("failed_audits") == 0
    assert (threshold("day_cost", 0), threshold("day_cost", 1)) == (100, 0)
    assert (threshold("withdrawals_refused"), threshold("looks_failed")) == (0, 0)


def test_failed_execution_of_each_audit_raises_an_alert() -> None:
    [failed] = filters(ALERTS["failed_audits"])
    [jobs] = re.findall(r'job_name = monitoring\.regex\.full_match\("([^"]+)"\)', failed)
    provisioning = (FOLDER.parent / "provision_generation_jobs.sh").read_text()
    scheduled = re.findall(r"^make_audit_schedule (\S+) ", provisioning, re.MULTILINE)

    assert 'metric.labels.result = "failed"' in failed
    assert len(scheduled) == 2
    assert all(re.fullmatch(jobs, each) for each in scheduled)
    assert not re.fullmatch(jobs, "phoenix-doctor")


def test_failures_caused_by_owners_raise_no_alert() -> None:
    owners = {FailureCode.CANCELLED, FailureCode.POLICY_VIOLATION, FailureCode.SAFETY_FILTER}
    counted = [each for each in filters(ALERTS["failures"]) if "creation_failed" in each]

    assert len(counted) == 2
    for each in counted:
        assert set(re.findall(r'metric\.labels\.failure != "(\w+)"', each)) == owners


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_alert_names_its_section_of_the_runbook(name: str) -> None:
    [section] = re.findall(
        r'docs/operating\.md, "([^"]+)"', ALERTS[name]["documentation"]["content"]
    )

    assert f"\n## {section}\n" in (ROOT / "docs/operating.md").read_text()


# What is counted


@dataclass(frozen=True)
class Logged:
    """What this process has logged, as the metrics see it."""

    stream: io.StringIO

    def samples(self, name: str) -> list[Sample]:
        return METRICS[f"phoenix_{name}"].samples(lines_of(self.stream.getvalue()))

    def counts(self, name: str) -> Counter[tuple[str, ...]]:
        return Counter(tuple(sample.labels.values()) for sample in self.samples(name))

    def values(self, name: str) -> list[float]:
        return [sample.value for sample in self.samples(name)]


@pytest.fixture
def logged(log_stream: io.StringIO) -> Logged:
    return Logged(log_stream)


def test_creations_are_counted_at_each_transition(world: World, logged: Logged) -> None:
    draft = world.open(kind=Kind.IMAGE, key="draft").creation
    world.clock.sleep(7)
    attempt(world, draft)
    world.open(kind=Kind.IMAGE, key="draft")
    world.phoenix.publishing.publish(draft.creation_id, owner=draft.user_id, caption=None)
    cancelled = world.open().creation
    world.phoenix.failing.cancel(cancelled.creation_id, owner=cancelled.user_id)
    world.phoenix.opening.retry(cancelled.creation_id, owner=cancelled.user_id)

    assert logged.counts("creations_opened") == {("image",): 1, ("video",): 2}
    assert logged.counts("creations_settled") == {
        ("image", "creation_completed", ""): 1,
        ("video", "creation_failed", "cancelled"): 1,
    }
    assert logged.counts("creations_published") == {("image",): 1}
    assert logged.counts("processing_seconds") == {("image",): 1}
    assert logged.values("processing_seconds") == [8]
    assert logged.counts("refund_lag_seconds") == {("owner",): 1}


def test_processing_time_of_a_retry_starts_at_its_last_debit(world: World, logged: Logged) -> None:
    failed = world.failed()
    world.clock.sleep(3000)
    world.phoenix.opening.retry(failed.creation_id, owner=failed.user_id)
    world.clock.sleep(5)
    attempt(world, world.now(failed))

    assert logged.values("processing_seconds") == [10]


def test_late_refund_logs_its_lag_and_the_sweep_the_oldest_age(
    world: World, logged: Logged
) -> None:
    world.phoenix.sweeping.sweep()
    world.open()
    world.clock.sleep(10)
    world.open()
    world.clock.sleep(POLICY.deadline_s + 120)
    world.phoenix.sweeping.sweep()
    world.phoenix.sweeping.sweep()

    assert logged.values("oldest_unfinished_seconds") == [0, POLICY.deadline_s + 130, 0]
    assert sorted(logged.values("refund_lag_seconds")) == [120, 130]
    assert logged.counts("refund_lag_seconds") == {("sweep",): 2}


def test_failed_refund_is_counted_by_actor(world: World, logged: Logged) -> None:
    creation = world.open().creation
    world.store.faults = ["unsent"] * 5
    with pytest.raises(OutcomeUnknown):
        world.phoenix.failing.cancel(creation.creation_id, owner=creation.user_id)
    world.clock.sleep(POLICY.deadline_s)
    world.store.faults = ["down"] * 5
    world.phoenix.sweeping.sweep()

    assert logged.counts("refund_failures") == {("owner",): 1, ("sweep",): 1}
    assert logged.counts("creations_settled") == {}


def test_failed_upload_is_counted_once_per_attempt(world: World, logged: Logged) -> None:
    creation = world.open().creation
    world.media.failures = 10**6
    for _ in range(2):
        attempt(world, creation)
        world.clock.sleep(120)

    assert logged.counts("upload_failures") == {("video",): 2}


def test_requests_refused_for_our_configuration_are_counted(world: World, logged: Logged) -> None:
    start, read, silent = (world.open().creation for _ in range(3))
    world.generator.starts = [
        GenerationRefused(failure=FailureCode.INTERNAL),
        Operation("o"),
        StartOutcomeUnknown(),
    ]
    world.generator.polls = [ReadRefused()]
    world.generator.found = [CannotTell(), ReadRefused()]
    for creation in (start, read, silent):
        attempt(world, creation)

    assert logged.counts("generator_misconfigured") == {("video",): 3}


@pytest.mark.parametrize("fault", ["403", "400/INVALID_ARGUMENT/API_KEY_INVALID", "400"])
def test_misconfigured_generator_is_counted(world: World, logged: Logged, fault: str) -> None:
    creation = world.open(kind=Kind.IMAGE).creation
    with GoogleModelsServer() as server:
        server.vendor.faults["start"] = [fault]
        phoenix = with_ports(world.phoenix, generator=lambda _: IMAGE.open(server.url))
        run_job(phoenix, FakePipeline(kind=Kind.IMAGE), creation.creation_id)

    expected = Counter() if fault == "400" else Counter({("image",): 1})
    assert logged.counts("generator_misconfigured") == expected
    assert threshold("generator_misconfigured") == 0


def test_violations_are_counted_by_invariant(world: World, logged: Logged) -> None:
    world.open()
    account = replace(world.account(), balance_tokens=91, total_tokens_spent=9)
    spoilt = account_key(UserId(ADA))
    right = world.account()
    world.sqlite.transact([spoilt], lambda _: write(account, result=None))
    world.phoenix.auditing.audit()
    world.sqlite.transact([spoilt], lambda _: write(right, result=None))
    world.phoenix.auditing.audit()

    assert logged.counts("audit_violations") == {("I1",): 2}
    audits = [
        line["violations"]
        for line in lines_of(logged.stream.getvalue())
        if line["message"] == "audited"
    ]
    assert audits == [2, 0]


def test_each_sweep_logs_the_cost_of_the_day(world: World, logged: Logged) -> None:
    yesterday, today = world.clock.now() - timedelta(days=1), world.clock.now()
    for cost_id, at, cost_usd in (("a", yesterday, 100), ("b", today, 1.25), ("c", today, 2)):
        cost = Cost(cost_id=cost_id, model="m", estimated_cost_usd=cost_usd, created_at=at)
        put(world.sqlite, cost)
    world.phoenix.sweeping.sweep()

    assert logged.values("day_cost_usd") == [3.25]


def test_sweep_continues_when_the_cost_cannot_be_read(world: World, logged: Logged) -> None:
    def down(_: object) -> float:
        raise StoreUnavailable(reason="planned")

    world.store.cost_usd_since = down  # type: ignore[attr-defined]  # it replaces the store's
    world.open()
    world.clock.sleep(POLICY.deadline_s)

    assert world.phoenix.sweeping.sweep()["refunded"] == 1


def test_brake_is_counted_by_kind_and_code(new_world: NewWorld, logged: Logged) -> None:
    world = new_world(PHOENIX_DAILY_COST_MAX_USD="1")
    world.phoenix.operating.switch(Kind.IMAGE, is_paused=True)
    cost = Cost(cost_id="a", model="m", estimated_cost_usd=1, created_at=world.clock.now())
    put(world.sqlite, cost)

    for kind in Kind:
        with pytest.raises(Unavailable):
            world.open(kind=kind)

    assert logged.counts("brakes") == {("image", "paused"): 1, ("video", "spending_limit"): 1}


def test_refused_withdrawal_is_counted(world: World, logged: Logged) -> None:
    world.queue.withdrawal_error = WithdrawalRefused(reason="no grant")
    creation = world.open().creation
    world.phoenix.failing.cancel(creation.creation_id, owner=creation.user_id)

    assert logged.counts("withdrawals_refused") == {(): 1}


def test_drained_creations_are_counted_apart_from_an_executions_own(
    world: World, logged: Logged
) -> None:
    own, other, video = (world.open(kind=kind).creation for kind in (*[Kind.IMAGE] * 2, Kind.VIDEO))
    drain(world, own)
    attempt(world, video)

    assert world.now(other).status is Status.DRAFT
    assert logged.counts("claims") == {
        ("image", "false"): 1,
        ("image", "true"): 1,
        ("video", "false"): 1,
    }


def test_rate_limit_is_counted(world: World, logged: Logged) -> None:
    creation = world.open(kind=Kind.IMAGE).creation
    world.generator.starts = [
        GenerationUnavailable(failure=FailureCode.GENERATOR_RATE_LIMITED, retry_after_s=1)
    ]
    attempt(world, creation)

    assert logged.counts("rate_limits") == {("image",): 1}


def test_failed_look_is_counted(world: World, logged: Logged) -> None:
    def down(*_: object, **__: object) -> int:
        raise StoreUnavailable(reason="planned")

    creation = world.open(kind=Kind.IMAGE).creation
    world.store.unfinished = down  # type: ignore[attr-defined]  # the look's first query
    drain(world, creation)

    assert set(logged.counts("looks_failed")) == {("image",)}


def attempt(world: World, creation: Creation) -> None:
    """Work on a creation as its job does."""
    run_job(world.phoenix, FakePipeline(kind=creation.kind), creation.creation_id)


def drain(world: World, creation: Creation) -> None:
    """Work on a creation, and then on others, as an execution that a task started."""
    pipeline, crew = FakePipeline(kind=creation.kind), CrewAtWaits(world.clock)
    run_job(world.phoenix, pipeline, creation.creation_id, drains=True, crew=crew)
