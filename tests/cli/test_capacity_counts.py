"""The numbers of `phoenix capacity` that describe our own code and provisioning."""

import json
import re
from pathlib import Path

import pytest

from api_service.events import StreamLimits
from api_service.main import CLOUD_STREAMS_MAX
from cli import quotas
from cli.capacity_model import Model
from jobs.upload import ProcessedMedia
from shared.domain.brief import Brief
from shared.domain.kind import Kind
from shared.domain.policy import Policy
from shared.domain.snapshot import WATCHED_MAX
from shared.domain.status import Status
from shared.ports.generator import Operation, Ready, Running
from tests.simulation import crowds
from tests.support.builders import POLICY, a_brief, a_caller
from tests.support.counting_store import CountingStore
from tests.support.fakes import FakeClock, FakeGenerator, InTurn
from tests.support.jobs import FakePipeline, run_job
from tests.support.world import World

ROOT = Path(__file__).parents[2]
PROVISION = ROOT / "infrastructure/gcp/provision_generation_jobs.sh"
LIVE = (ROOT / "api_service/web/static/live.js").read_text()
INDEXES = json.loads((ROOT / "infrastructure/gcp/firestore.indexes.json").read_text())
FEW_VALUES = {"mediaType", "status", "wasClaimed"}
STAGE_S = 0.5


class SlowPipeline(FakePipeline):
    """Takes its time, so that each stage is written at a time of its own."""

    clock: FakeClock

    def post_process(self, download: Path, folder: Path, *, brief: Brief) -> ProcessedMedia:
        self.clock.sleep(STAGE_S)
        return super().post_process(download, folder, brief=brief)


def generator(world: World, kind: Kind) -> FakeGenerator:
    """Return one that answers after the typical time: an image at once, a video when polled."""

    def image() -> Ready:
        world.clock.sleep(POLICY.image_typical_s)
        return Ready("result")

    def fetched() -> bytes:
        world.clock.sleep(STAGE_S)
        return b"media"

    polls = POLICY.video_typical_s / POLICY.video_poll_s
    return FakeGenerator(
        starts=[image if kind is Kind.IMAGE else Operation("one")],
        polls=[*[Running()] * int(polls), Ready("result")],
        fetches=[fetched],
    )


MARKS_OF_A_FIRST_SWEEP = 2
"""The progress of counting likes and of the walk that gives old creations an expiry."""


@pytest.mark.parametrize("kind", Kind)
def test_counts_are_those_of_the_real_lifecycle(tmp_path: Path, kind: Kind) -> None:
    world = World(tmp_path)
    world.generator = generator(world, kind)
    world.phoenix.accounts.create(a_caller())
    store = CountingStore(world.sqlite, watched=rising_fields())
    phoenix = world.over(store, clock=world.clock, ids=world.phoenix.ports.ids)  # type: ignore[arg-type]  # it forwards the rest
    phoenix.opening.admission.worker = InTurn()
    phoenix.opening.admission.warm_up()
    pipeline = SlowPipeline(kind=kind)
    pipeline.clock = world.clock

    gauges = store.reads
    opened = phoenix.opening.open(a_brief(kind), caller=a_caller())
    run_job(phoenix, pipeline, opened.creation.creation_id)
    model, is_done = Model(policy=POLICY, drains=False), world.now(opened.creation).status
    reads, writes = store.reads - gauges, store.writes
    phoenix.sweeping.sweep()
    folded = store.writes - writes - MARKS_OF_A_FIRST_SWEEP
    world.close()

    heartbeats = model.heartbeats(kind)
    assert is_done is Status.DRAFT
    assert reads == quotas.READS[kind] + 2 * heartbeats
    assert writes + quotas.FOLD_WRITES == model.writes(kind)
    assert folded == 2, "the outcome, and the document of its hour, which up to 200 share"
    assert store.shown == quotas.SHOWN_WRITES[kind] + heartbeats
    assert store.entries == {
        field: model.index_writes(field, kind)
        for field in quotas.INDEX_WRITES
        if field != quotas.LIKE_INDEX
    }
    assert store.deletes == 0


def rising_fields() -> set[str]:
    """Return the times that an index sorts by first, or after fields with few values."""
    indexes = [(each["collectionGroup"], each["fields"]) for each in INDEXES["indexes"]]
    indexes += [
        (each["collectionGroup"], [each]) for each in INDEXES["fieldOverrides"] if each["indexes"]
    ]
    found = set()
    for group, fields in indexes:
        names = [each["fieldPath"] for each in fields if each["fieldPath"] not in FEW_VALUES]
        if names and names[0].endswith("At"):
            found.add(f"{group}.{names[0]}")
    return found


def test_every_rising_index_has_a_limit() -> None:
    """An index that begins with an owner, such as those of `creations.createdAt`, is spread."""
    once_at_most = {
        *("creations.publishedAt", "creations.schedule.tryAt"),
        *("mediaDeletions.dueAt", "downloads.expiresAt", "operatorActs.createdAt"),
    }

    assert rising_fields() - once_at_most == set(quotas.INDEX_WRITES)


def test_rates_and_sizes_are_those_of_the_provisioning() -> None:
    script = PROVISION.read_text()
    for kind in Kind:
        per_s = re.search(rf"make_queue {kind} ([\d.]+) ", script)
        size = re.search(rf"make_job {kind}-generation-job \S+ (\d)Gi (\d) (\d+)s", script)
        assert per_s
        assert size
        gib, vcpu, timeout_s = (int(each) for each in size.groups())

        assert round(float(per_s[1]) * 60, 1) == pytest.approx(
            quotas.DISPATCHES_PER_MIN[kind], abs=0.1
        )
        assert quotas.JOB_SIZES[kind] == quotas.JobSize(vcpu=vcpu, gib=gib)
        assert timeout_s == POLICY.job_timeout_s(kind)
    assert f"--max-instances={quotas.API_INSTANCES_MAX} " in script


def test_streams_and_polls_are_those_of_the_api_and_its_pages() -> None:
    polls_ms = re.search(r"POLL_MS = { busy: ([\d_]+), hidden: [\d_]+, idle: ([\d_]+) }", LIVE)

    assert polls_ms
    assert [int(each) / 1000 for each in polls_ms.groups()] == [
        quotas.POLL_BUSY_S,
        quotas.POLL_IDLE_S,
    ]
    assert quotas.STREAMS_PER_INSTANCE == CLOUD_STREAMS_MAX
    assert StreamLimits().settled_s == quotas.SETTLED_S
    assert quotas.STREAM_READS - 1 == quotas.POLL_READS == WATCHED_MAX


@pytest.mark.slow
def test_model_bills_what_simulated_images_run() -> None:
    """1,000 images a minute at 45 starts."""
    images = 4000
    run_s = crowds.images(images).outcome.run_s

    assert billed_s(Kind.IMAGE, crowds.ARRIVALS_PER_S) == pytest.approx(
        simulated_s(run_s) / images, rel=0.1
    )


@pytest.mark.slow
def test_model_bills_what_simulated_videos_run() -> None:
    """60 videos a minute at 10 starts, for 20 minutes, with a brake that allows them."""
    videos = 1200
    outcome = crowds.videos(videos, policy=Policy(videos_running_max=200))

    assert outcome.endings["draft"] == videos
    assert billed_s(Kind.VIDEO, crowds.VIDEO_ARRIVALS_PER_S) == pytest.approx(
        simulated_s(outcome.run_s) / videos, rel=0.1
    )


def billed_s(kind: Kind, arrivals_per_s: float) -> float:
    """Return the model's seconds billed for one creation."""
    made = Model(policy=Policy(), drains=True).executions(kind, arrivals_per_s)
    return made.per_s * made.billed_s / arrivals_per_s


def simulated_s(run_s: list[float]) -> float:
    """Return the seconds billed for these processes, with the time that each takes to start."""
    return sum(max(quotas.JOB_BILLED_S_MIN.value, quotas.START_S + each) for each in run_s)
