"""Attempts that wait for their turn of heavy work, in threads: they stop with their lease."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from jobs import execution
from jobs.execution import Execution
from shared.adapters.system.crew import SystemCrew
from shared.domain.creation import Creation
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.status import Stage, Status
from shared.heavy_work import heavy_work
from shared.ports.generator import Operation, Ready
from shared.ports.store import write
from shared.wiring import Phoenix
from tests.servers.google_models_server import GoogleModelsServer
from tests.servers.google_models_variants import IMAGE
from tests.servers.google_models_vendor import Vendor
from tests.support.builders import RIVAL, a_brief, a_caller, seconds
from tests.support.eventually import eventually
from tests.support.fakes import FakeGenerator
from tests.support.jobs import FakePipeline
from tests.support.world import World

OWNER = LeaseOwner("job-abcde", 0)
LARGE_BYTES = 300_000
SHORT_GRACE_S = 0.5


@dataclass
class Job:
    """An execution in a thread, on a creation of its own."""

    phoenix: Phoenix
    creation: Creation
    pipeline: FakePipeline

    def __post_init__(self) -> None:
        self.execution = Execution(
            self.phoenix,
            SystemCrew(),
            lambda: self.pipeline,
            kind=self.creation.kind,
            lease_owner=OWNER,
            began_s=self.phoenix.ports.clock.monotonic_s(),
        )

    @property
    def now(self) -> Creation:
        found = self.phoenix.ports.store.get(self.creation.key)
        assert found is not None
        return found

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run until the end of the block, by which its attempt must have ended."""
        work = lambda: self.execution.run(self.creation.creation_id, drains=False)  # noqa: E731
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield
        attempts = [each for each in threading.enumerate() if each.name == self.now.creation_id]
        for attempt in attempts:
            attempt.join(10)
            assert not attempt.is_alive()


def job(world: World, kind: Kind, **ports: object) -> Job:
    """Return an execution in real time whose creation was just opened."""
    phoenix = world.over(world.sqlite, **ports)
    opened = phoenix.opening.open(a_brief(kind), caller=a_caller(), idempotency_key=None)
    return Job(phoenix, opened.creation, FakePipeline(kind=kind))


@pytest.fixture
def video(tmp_path: Path) -> Iterator[Job]:
    """A video that is ready at once, and a heartbeat each second."""
    world = World(tmp_path, PHOENIX_POLICY_HEARTBEAT_S="1")
    world.generator = FakeGenerator(starts=[Operation("o")], polls=[Ready("r")])
    yield job(world, Kind.VIDEO)
    world.close()


@pytest.fixture
def image(world: World) -> Iterator[Job]:
    """An image in an answer that is heavy to parse."""
    vendor = Vendor(takes_s=0, draw=lambda *_: b"m" * LARGE_BYTES)
    with GoogleModelsServer(vendor) as server:
        yield job(world, Kind.IMAGE, generator=lambda _: IMAGE.open(server.url))


def is_checking(job: Job) -> bool:
    return job.now.stage is Stage.CHECKING


def has_started(job: Job) -> bool:
    return job.now.intent is not None


def steal(job: Job) -> None:
    """Let another execution take the creation, as after the end of the lease."""
    expired = replace(job.now, lease_expires_at=job.phoenix.ports.clock.now() - seconds(100))
    job.phoenix.ports.store.transact([expired.key], lambda _: write(expired, result=None))
    job.phoenix.claims.claim(expired.creation_id, kind=expired.kind, lease_owner=RIVAL)


def test_attempt_that_lost_its_lease_stops_waiting_for_its_turn(video: Job) -> None:
    with heavy_work(), video.running():
        eventually(lambda: is_checking(video))
        steal(video)

    assert video.pipeline.seen == []
    assert (video.now.status, video.now.lease_owner) == (Status.PROCESSING, RIVAL)


def test_after_sigterm_a_waiting_attempt_hands_back_and_stops_waiting(video: Job) -> None:
    with heavy_work(), video.running():
        eventually(lambda: is_checking(video))
        video.execution.hand_back()
        assert video.now.status is Status.PENDING

    assert video.pipeline.seen == []
    assert video.execution.needs_restart


def test_paid_image_that_waits_to_be_parsed_is_handed_back_after_the_grace(
    image: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "START_GRACE_S", SHORT_GRACE_S)
    with heavy_work(), image.running():
        eventually(lambda: has_started(image))
        image.execution.hand_back()
        assert image.now.status is Status.PENDING

    assert image.pipeline.seen == []
    assert image.execution.needs_restart


def test_paid_image_becomes_a_draft_if_its_turn_comes_within_the_grace(image: Job) -> None:
    stopping = threading.Thread(target=image.execution.hand_back)
    with image.running():
        with heavy_work():
            eventually(lambda: has_started(image))
            stopping.start()
        stopping.join(10)

    assert image.now.status is Status.DRAFT
    assert not image.execution.needs_restart
