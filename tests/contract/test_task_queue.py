"""Contract of the TaskQueue port and its dispatcher, for every adapter."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from google.cloud import tasks_v2

from shared.adapters.cloud_tasks.task_queue import CloudTasksQueue
from shared.adapters.local.job_processes import Execution
from shared.adapters.local.task_queue import QueueLimits, SQLiteQueue
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.policy import Policy
from shared.ports.task_queue import TaskQueue
from tests.servers.cloud_tasks_server import CloudTasksServer
from tests.servers.run_admin_server import INVOKER, LOCATION, PROJECT, REGION, Job, RunAdminServer
from tests.support.builders import a_creation_id, seconds
from tests.support.fakes import FakeClock

ONE, TWO = a_creation_id("one"), a_creation_id("two")


@dataclass
class Platform:
    """A queue, its dispatcher and its clock."""

    queue: TaskQueue
    clock: FakeClock
    dispatch: Callable[[Kind, Callable[[CreationId], object]], bool]
    close: Callable[[], None]
    delivered: list[CreationId] = field(default_factory=list)

    def deliver(self, kind: Kind = Kind.VIDEO) -> list[CreationId]:
        """Dispatch all due tasks and return the delivered ones."""
        before = len(self.delivered)
        while self.dispatch(kind, self.delivered.append):
            self.clock.sleep(1)
        return self.delivered[before:]


def open_sqlite(folder: Path) -> Platform:
    clock = FakeClock()
    limits = QueueLimits(dispatches_per_s=2, back_off_min_s=5, back_off_max_s=20, dispatches_max=4)
    queue = SQLiteQueue(folder / "queue.db", clock=clock, limits=limits)
    return Platform(queue, clock, queue.dispatch, queue.close)


def open_cloud_tasks(folder: Path) -> Platform:
    """Cloud Tasks, whose tasks call a fake Admin API that records runs."""
    clock, opened = FakeClock(), ExitStack()
    runs: list[Callable[[CreationId], object]] = []

    def start(execution: Execution, ended: Callable[[list[int]], None]) -> None:
        runs[-1](CreationId(execution.environment["CREATION_ID"]))
        ended([0])

    jobs = {f"{kind}-generation-job": Job(command=[]) for kind in Kind}
    run_admin = opened.enter_context(RunAdminServer(jobs, logs=folder, start=start))
    limits = tasks_v2.RateLimits(max_dispatches_per_second=2, max_concurrent_dispatches=1)
    retries = tasks_v2.RetryConfig(
        min_backoff=seconds(5), max_backoff=seconds(20), max_doublings=4, max_attempts=4
    )
    queues = {
        kind: tasks_v2.Queue(
            name=f"{LOCATION}/queues/{kind}-generation-queue",
            rate_limits=limits,
            retry_config=retries,
        )
        for kind in Kind
    }
    server = opened.enter_context(CloudTasksServer(queues.values(), clock=clock))
    queue = CloudTasksQueue(
        project=PROJECT,
        region=REGION,
        invoker=INVOKER,
        traceparent=lambda: None,
        run_url=run_admin.url,
        emulator_host=server.host,
    )
    opened.callback(queue.close)

    def dispatch(kind: Kind, run: Callable[[CreationId], object]) -> bool:
        runs.append(run)
        return server.dispatch(queues[kind].name)

    return Platform(queue, clock, dispatch, opened.close)


@pytest.fixture(
    params=[
        pytest.param(open_sqlite, id="sqlite"),
        pytest.param(open_cloud_tasks, id="cloud-tasks"),
    ]
)
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Platform]:
    opened: Platform = request.param(tmp_path)
    yield opened
    opened.close()


def test_task_is_delivered_once(platform: Platform) -> None:
    platform.queue.enqueue(ONE, kind=Kind.VIDEO, number=1)

    assert platform.deliver() == [ONE]
    assert platform.deliver() == []


def test_each_kind_has_its_own_queue(platform: Platform) -> None:
    platform.queue.enqueue(ONE, kind=Kind.VIDEO, number=1)
    platform.queue.enqueue(TWO, kind=Kind.IMAGE, number=1)

    assert platform.deliver(Kind.IMAGE) == [TWO]
    assert platform.deliver(Kind.VIDEO) == [ONE]


def test_enqueue_is_idempotent(platform: Platform) -> None:
    for _ in range(2):
        platform.queue.enqueue(ONE, kind=Kind.VIDEO, number=1)
    assert platform.deliver() == [ONE]
    platform.queue.enqueue(ONE, kind=Kind.VIDEO, number=1)

    assert platform.deliver() == []


def test_another_number_is_another_task(platform: Platform) -> None:
    for number in (1, 2):
        platform.queue.enqueue(ONE, kind=Kind.VIDEO, number=number)

    assert platform.deliver() == [ONE, ONE]


def test_task_is_not_dispatched_before_its_time(platform: Platform) -> None:
    not_before = platform.clock.now() + seconds(60)
    platform.queue.enqueue(ONE, kind=Kind.VIDEO, number=1, not_before=not_before)
    assert platform.deliver() == []
    platform.clock.sleep(59)
    assert platform.deliver() == []
    platform.clock.sleep(1)

    assert platform.deliver() == [ONE]


def test_waits_reports_pending_tasks(platform: Platform) -> None:
    assert not platform.queue.waits(ONE, kind=Kind.VIDEO, number=1)
    platform.queue.enqueue(ONE, kind=Kind.VIDEO, number=1)
    assert platform.queue.waits(ONE, kind=Kind.VIDEO, number=1)
    assert not platform.queue.waits(ONE, kind=Kind.VIDEO, number=2)
    platform.deliver()

    assert not platform.queue.waits(ONE, kind=Kind.VIDEO, number=1)


def test_withdrawn_task_is_never_dispatched_and_its_name_stays_reserved(platform: Platform) -> None:
    for number in (1, 2):
        platform.queue.enqueue(ONE, kind=Kind.VIDEO, number=number)

    for _ in range(2):
        platform.queue.withdraw(ONE, kind=Kind.VIDEO, number=1)
    platform.queue.enqueue(ONE, kind=Kind.VIDEO, number=1)

    assert not platform.queue.waits(ONE, kind=Kind.VIDEO, number=1)
    assert platform.queue.waits(ONE, kind=Kind.VIDEO, number=2)
    assert platform.deliver() == [ONE]
    platform.clock.sleep(600)
    assert platform.deliver() == []


def test_task_withdrawn_before_its_time_is_never_dispatched(platform: Platform) -> None:
    not_before = platform.clock.now() + seconds(60)
    platform.queue.enqueue(ONE, kind=Kind.VIDEO, number=1, not_before=not_before)
    platform.queue.withdraw(ONE, kind=Kind.VIDEO, number=1)
    platform.clock.sleep(120)

    assert platform.deliver() == []


def test_tasks_withdrawn_at_the_same_time_are_never_dispatched(platform: Platform) -> None:
    at_once = Policy().images_at_once
    numbers, together = range(1, at_once + 1), threading.Barrier(at_once)
    for number in [*numbers, at_once + 1]:
        platform.queue.enqueue(ONE, kind=Kind.IMAGE, number=number)

    def withdraw(number: int) -> None:
        together.wait()
        platform.queue.withdraw(ONE, kind=Kind.IMAGE, number=number)

    with ThreadPoolExecutor(at_once) as threads:
        list(threads.map(withdraw, numbers))

    assert platform.deliver(Kind.IMAGE) == [ONE]
    assert not platform.queue.waits(ONE, kind=Kind.IMAGE, number=at_once + 1)


def test_withdrawing_an_unknown_task_does_nothing(platform: Platform) -> None:
    platform.queue.withdraw(ONE, kind=Kind.VIDEO, number=1)
    platform.queue.enqueue(ONE, kind=Kind.VIDEO, number=1)

    assert platform.deliver() == [ONE]


def test_withdrawing_a_finished_task_does_nothing(platform: Platform) -> None:
    platform.queue.enqueue(ONE, kind=Kind.VIDEO, number=1)
    platform.deliver()

    platform.queue.withdraw(ONE, kind=Kind.VIDEO, number=1)

    assert not platform.queue.waits(ONE, kind=Kind.VIDEO, number=1)


def test_task_withdrawn_during_its_dispatch_is_not_retried(platform: Platform) -> None:
    platform.queue.enqueue(ONE, kind=Kind.VIDEO, number=1)

    def withdrawn_meanwhile(_: CreationId) -> None:
        platform.queue.withdraw(ONE, kind=Kind.VIDEO, number=1)
        raise ConnectionError("planned")

    assert platform.dispatch(Kind.VIDEO, withdrawn_meanwhile)
    platform.clock.sleep(600)

    assert platform.deliver() == []


def test_queue_reports_its_dispatch_rate(platform: Platform) -> None:
    for kind in Kind:
        assert platform.queue.dispatches_per_s(kind) == 2


def test_failed_dispatch_is_retried_with_back_off_up_to_a_limit(platform: Platform) -> None:
    platform.queue.enqueue(ONE, kind=Kind.VIDEO, number=1)
    began_s = platform.clock.monotonic_s()
    tried: list[float] = []

    def fail(_: CreationId) -> None:
        tried.append(platform.clock.monotonic_s() - began_s)
        raise ConnectionError("planned")

    for _ in range(120):
        platform.dispatch(Kind.VIDEO, fail)
        platform.clock.sleep(1)

    assert tried == [0, 5, 15, 35]
    assert not platform.queue.waits(ONE, kind=Kind.VIDEO, number=1)


def test_dispatch_rate_is_limited(platform: Platform) -> None:
    for number in range(1, 11):
        platform.queue.enqueue(ONE, kind=Kind.VIDEO, number=number)
    for _ in range(30):
        platform.dispatch(Kind.VIDEO, platform.delivered.append)
        platform.clock.sleep(0.1)

    assert len(platform.delivered) == 6
